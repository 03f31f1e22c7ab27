"""A checkpoint that is not whole, not plain or not ours is refused with one sentence, before it can compute anything."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from embedder import errors
from embedder.weights import config_from_metadata, find_file, hash_checked, load_towers, read_state_dict
from tests.embedder.tiny import TINY, state_dict

MATRIX = "text.transformer.resblocks.0.mlp.c_fc.weight"


def saved(folder: Path, content: object, **options) -> Path:
    path = folder / "checkpoint.bin"
    torch.save(content, path, **options)
    return path


def load(path: Path):
    return load_towers(read_state_dict(path), TINY)


def refused(kind: type[errors.WeightsError], path: Path, expected: str = "") -> str:
    """The sentence with which exactly this kind of error is raised."""
    with pytest.raises(errors.WeightsError) as caught:
        load(path)
    sentence = str(caught.value)
    assert type(caught.value) is kind, sentence
    assert expected in sentence
    assert str(path.parent) not in sentence
    assert path.name not in sentence
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert "\n" not in sentence
    return sentence


# --- files that are not whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_file_cut_short(tmp_path, share, legacy):
    path = saved(tmp_path, state_dict(), _use_new_zipfile_serialization=not legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(errors.WeightsTruncated, path)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
def test_a_safetensors_file_cut_short(tmp_path, share):
    path = tmp_path / "checkpoint.safetensors"
    save_file(state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(errors.WeightsTruncated, path)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04", bytes(4096), b"\x80\x02" + bytes(range(256)) * 8, b"PK\x03\x04" + b"\x5a" * 4096,
     b"<!DOCTYPE html><html>Access to this model is restricted</html>", b"\x80\x04" + b"\xff" * 100],
    ids=["empty", "four-bytes", "zeros", "noise-like-a-pickle", "noise-like-a-zip", "a-web-page", "noise-protocol-4"],
)  # fmt: skip
def test_a_file_that_is_no_checkpoint(tmp_path, data):
    path = tmp_path / "checkpoint.bin"
    path.write_bytes(data)
    refused(errors.WeightsTruncated, path)


@pytest.mark.parametrize("position", [200, 500, 1200])
def test_damage_within_the_table_of_names(tmp_path, position):
    path = saved(tmp_path, state_dict())
    data = bytearray(path.read_bytes())
    data[position : position + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(errors.WeightsError):
        load(path)


# --- values that no training leaves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [MATRIX, "visual.proj_contrast", "text.ln_final.weight"])
def test_a_zero_filled_tensor(tmp_path, name):
    state = state_dict()
    state[name].zero_()
    assert name in refused(errors.WeightsDegenerate, saved(tmp_path, state), "zero-filled")


def test_a_matrix_whose_second_half_was_never_written(tmp_path):
    state = state_dict()
    state[MATRIX][60:] = 0
    refused(errors.WeightsDegenerate, saved(tmp_path, state), MATRIX)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", [MATRIX, "logit_scale", "text.ln_final.bias"])
def test_a_value_that_is_no_number(tmp_path, value, name):
    state = state_dict()
    state[name].view(-1)[-1] = value
    assert name in refused(errors.WeightsDegenerate, saved(tmp_path, state), "not numbers")


def test_zero_biases_are_ordinary(tmp_path):
    state = state_dict()
    for name, tensor in state.items():
        if name.endswith("bias"):
            tensor.zero_()
    load(saved(tmp_path, state))


# --- tensors of another model ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(state_dict()))
def test_each_single_tensor_that_is_missing(tmp_path, name):
    state = state_dict()
    del state[name]
    assert name in refused(errors.WeightsMismatch, saved(tmp_path, state), "1 missing")


def test_an_unexpected_tensor(tmp_path):
    extra = {"text.adapter.weight": torch.ones(2, 2)}
    refused(errors.WeightsMismatch, saved(tmp_path, state_dict() | extra), "1 unexpected (text.adapter.weight)")


def test_another_shape(tmp_path):
    state = state_dict() | {"visual.proj_contrast": torch.ones(16, 8)}
    refused(errors.WeightsMismatch, saved(tmp_path, state), "visual.proj_contrast is [16, 8] instead of [16, 16]")


def test_a_long_list_of_names_is_shortened(tmp_path):
    sentence = refused(errors.WeightsMismatch, saved(tmp_path, {"other": torch.ones(1)}), "more")
    assert len(sentence) < 400


def test_whole_numbers_instead_of_weights(tmp_path):
    state = state_dict()
    state[MATRIX] = (100 * state[MATRIX]).to(torch.int8) + 1
    refused(errors.WeightsMismatch, saved(tmp_path, state), MATRIX)


@pytest.mark.parametrize(
    "content", [[torch.ones(2)], torch.ones(2), "weights", {"epoch": 3, "model": {}}, {1: torch.ones(2)}, {}],
    ids=["list", "tensor", "text", "training-state", "numbered", "nothing"],
)  # fmt: skip
def test_content_that_is_no_table_of_tensors(tmp_path, content):
    refused(errors.WeightsMismatch, saved(tmp_path, content))


# --- pickles that would run code -----------------------------------------------------------------------------------------


class Touches:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("way", ["zip", "legacy", "pickle-2", "pickle-5"])
def test_a_pickle_that_would_run_code_is_not_opened(tmp_path, way):
    marker = tmp_path / "the-code-ran"
    content = state_dict() | {"visual.extra": Touches(marker)}
    if way.startswith("pickle"):
        path = tmp_path / "checkpoint.bin"
        path.write_bytes(pickle.dumps({"a": Touches(marker)}, protocol=int(way[-1])))
    else:
        path = saved(tmp_path, content, _use_new_zipfile_serialization=way == "zip")
    refused(errors.WeightsNotPlain, path, "could run code")
    assert not marker.exists()


# --- the configured file and no other ------------------------------------------------------------------------------------


def test_another_files_hash(tmp_path):
    path = saved(tmp_path, state_dict())
    with pytest.raises(errors.WeightsHashMismatch, match="not the configured one") as caught:
        hash_checked(path, "ab" * 32)
    assert str(tmp_path) not in str(caught.value)
    digest = hash_checked(path, None)
    assert hash_checked(path, digest.upper() + "\n") == digest


def test_no_file_and_a_folder_are_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("SOME_WEIGHTS", raising=False)
    for path in (None, tmp_path, tmp_path / "absent"):
        with pytest.raises(errors.WeightsNotFound, match="SOME_WEIGHTS") as caught:
            find_file(path, variable="SOME_WEIGHTS", what="checkpoint")
        assert str(tmp_path) not in str(caught.value)


def test_a_file_that_may_not_be_read(tmp_path):
    with pytest.raises(errors.WeightsNotFound, match="cannot be read"):
        hash_checked(tmp_path, None)  # a folder: opening it fails for root as well


def test_a_trained_export_without_its_sizes():
    with pytest.raises(errors.WeightsError, match="does not say its sizes"):
        config_from_metadata({"config": '{"colour": 1}'})


# --- what is accepted ------------------------------------------------------------------------------------------------------


def same(path: Path, expected: dict[str, torch.Tensor]) -> None:
    loaded = load(path).state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_prefixes_of_training_runs(tmp_path, prefix, wrapped, legacy):
    named = {prefix + name: tensor for name, tensor in state_dict().items()}
    content = {"state_dict": named, "epoch": 3} if wrapped else named
    same(saved(tmp_path, content, _use_new_zipfile_serialization=not legacy), state_dict())


def test_the_decoder_and_the_caption_pooler_are_left_out(tmp_path):
    unused = ("text_decoder.ln_final.weight", "visual.attn_pool_caption.query", "visual.ln_caption.bias")
    same(saved(tmp_path, state_dict() | {name: torch.zeros(3, 3) for name in unused}), state_dict())


def test_safetensors_are_read(tmp_path):
    path = tmp_path / "weights.anything"
    save_file(state_dict(), path)
    same(path, state_dict())


def test_half_precision_is_widened(tmp_path):
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in state_dict().items()}
    same(saved(tmp_path, halved), {name: tensor.float() for name, tensor in halved.items()})


def test_positions_of_another_grid_are_resampled(tmp_path):
    state = state_dict()
    grid = torch.randn(1, 16, 32)
    state["visual.trunk.pos_embed"] = torch.cat([torch.ones(1, 1, 32), grid], dim=1)
    positions = load(saved(tmp_path, state)).visual.trunk.pos_embed
    square = grid.reshape(1, 4, 4, 32).permute(0, 3, 1, 2)
    expected = functional.interpolate(square, (2, 2), mode="bilinear").permute(0, 2, 3, 1).reshape(1, 4, 32)
    torch.testing.assert_close(positions[:, 1:], expected)
    torch.testing.assert_close(positions[:, :1], torch.ones(1, 1, 32))


def test_positions_that_are_no_square_grid_are_refused(tmp_path):
    state = state_dict() | {"visual.trunk.pos_embed": torch.ones(1, 8, 32)}
    refused(errors.WeightsMismatch, saved(tmp_path, state), "pos_embed is [1, 8, 32] instead of [1, 5, 32]")


def test_the_network_outlives_its_file(tmp_path):
    path = saved(tmp_path, state_dict())
    towers = load(path)
    with path.open("r+b") as file:
        file.truncate(0)  # a mapped file would take the process with it
    assert all(torch.equal(towers.state_dict()[name], tensor) for name, tensor in state_dict().items())
