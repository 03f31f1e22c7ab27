"""Linear layers whose weights lie in memory as oneDNN multiplies them: what makes the towers fast on a CPU.

torch hands float32 products to MKL, which on many processors (AMD's above all) leaves half the speed unused, and a short prompt
most of it. oneDNN's own kernels take weights that were reordered once, at load time, and can apply GELU while the product is
still in the cache. torch keeps these operators for its compiler; we call them directly, after a trial at run time, and where the
trial fails the towers stay as they are. Measured by benchmarks/embedder.py, decided in docs/decisions/0004.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedder.model import SelfAttention

PACKED_FOR_ROWS = 128  # oneDNN lays weights out for a number of rows; this layout was near the best from 8 to 6,000
BEFORE_GELU = ("fc1", "c_fc")  # the first layer of timm's MLP and of our FeedForward
Activation = Literal["none", "gelu"]


class PackedLinear(nn.Module):
    """x [..., in] -> [..., out], as nn.Linear, optionally with exact GELU behind it. For inference on the CPU only."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), PACKED_FOR_ROWS)
        self._bias = None if bias is None else bias.detach().clone()
        self._activation = activation

    def forward(self, x: Tensor) -> Tensor:
        # "none" as the algorithm of GELU means the error function, not the tanh approximation
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, self._activation, [], "none")
        return out


@cache
def packing_works(dtype: torch.dtype) -> bool:
    """True where this build of torch has the operators and they agree with torch's plain layer."""
    if not torch.backends.mkldnn.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(shape, generator=generator).to(dtype) for shape in ((3, 64), (96, 64), (96,)))
    try:
        with torch.inference_mode():
            packed = PackedLinear(weight, bias, "gelu")(x)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    plain = functional.gelu(functional.linear(x, weight, bias))
    return bool(torch.allclose(packed.float(), plain.float(), rtol=0, atol=1e-4 if dtype == torch.float32 else 0.2))


def pack_linears(tower: nn.Module) -> None:
    """Replaces every nn.Linear of ``tower`` in place, with a GELU behind it; the tower can no longer be saved or moved."""
    for parent, name, layer in list(_linears(tower)):
        if not packing_works(layer.weight.dtype):
            continue
        activation: Activation = "none"
        if name in BEFORE_GELU and isinstance(getattr(parent, "act", None), nn.GELU):
            activation, parent.act = "gelu", nn.Identity()
        setattr(parent, name, PackedLinear(layer.weight, layer.bias, activation))
    for attention in tower.modules():
        if isinstance(attention, SelfAttention) and packing_works(attention.in_proj_weight.dtype):
            attention.in_proj = PackedLinear(attention.in_proj_weight, attention.in_proj_bias)
            del attention.in_proj_weight, attention.in_proj_bias  # a second copy of a third of the tower


def _linears(tower: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in tower.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Linear:  # a subclass, as in nn.MultiheadAttention, is read by its parent directly
                yield parent, name, child
