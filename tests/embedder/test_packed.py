"""Reordered weights compute what plain ones compute."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from embedder import packed
from embedder.model import DualTower
from tests.embedder import tiny

pytestmark = pytest.mark.skipif(not packed.packing_works(torch.float32), reason="this build of torch has no oneDNN operators")


def towers() -> DualTower:
    torch.manual_seed(0)
    return DualTower(tiny.TINY).eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("rows", [(1, 1), (3, 7), (2, 130)])
@pytest.mark.parametrize("activation", ["none", "gelu"])
def test_a_packed_layer_equals_a_plain_one(rows, activation):
    layer, x = nn.Linear(48, 80), torch.randn(*rows, 48)
    plain = layer(x) if activation == "none" else nn.functional.gelu(layer(x))
    with torch.inference_mode():
        ours = packed.PackedLinear(layer.weight, layer.bias, activation)(x)
    torch.testing.assert_close(ours, plain.detach(), rtol=0, atol=1e-5)


def test_packed_towers_equal_plain_ones():
    plain, ours = towers(), towers()
    packed.pack_linears(ours.visual.trunk)
    packed.pack_linears(ours.text)
    pixels, tokens = torch.randn(3, 3, 32, 32), torch.from_numpy(tiny.WordTokenizer()(["a b", "c", "d e f g"]))
    with torch.inference_mode():
        torch.testing.assert_close(ours.visual(pixels), plain.visual(pixels), rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.text(tokens), plain.text(tokens), rtol=0, atol=1e-5)


def test_every_linear_layer_of_both_towers_is_packed():
    ours = towers()
    packed.pack_linears(ours.visual.trunk)
    packed.pack_linears(ours.text)
    assert not [
        name for tower in (ours.visual.trunk, ours.text) for name, layer in tower.named_modules() if type(layer) is nn.Linear
    ]


def test_towers_stay_plain_where_the_operators_fail(monkeypatch):
    monkeypatch.setattr(packed, "packing_works", lambda dtype: False)
    ours = towers()
    before = copy.deepcopy(ours.state_dict())
    packed.pack_linears(ours.text)
    assert ours.state_dict().keys() == before.keys()


def test_the_pooler_equals_torch_multi_head_attention():
    pooler = towers().visual.attn_pool_contrast
    tokens = torch.randn(2, 5, tiny.TINY.vision_width)
    context = pooler.ln_k(tokens)
    query = pooler.ln_q(pooler.query).expand(2, -1, -1)
    expected = pooler.attn(query, context, context, need_weights=False)[0]
    np.testing.assert_allclose(pooler(tokens).detach(), expected.detach(), rtol=0, atol=1e-6)
