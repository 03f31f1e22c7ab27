"""Checkpoint files -> checked tensors: find, hash, read without running code, check every key and every value."""

from __future__ import annotations

import io
import json
import pickletools  # which reads and never runs  # nosec B403
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional

from embedder.errors import (
    WeightsDegenerate,
    WeightsError,
    WeightsHashMismatch,
    WeightsMismatch,
    WeightsNotFound,
    WeightsNotPlain,
    WeightsTruncated,
)
from embedder.files import chosen_path, sha256_of
from embedder.model import DualTower, ModelConfig

StateDict = dict[str, Tensor]
M = TypeVar("M", bound=torch.nn.Module)

# Parts of a released or trained checkpoint that retrieval never computes.
UNUSED_PREFIXES = ("text_decoder.", "visual.attn_pool_caption.", "visual.ln_caption.")
POSITION_EMBEDDING = "visual.trunk.pos_embed"
PLAIN_MODULES = ("torch", "collections OrderedDict", "collections.OrderedDict")  # what pickled tensors are made of
MAX_ZERO_SHARE = 0.5  # of one matrix: trained weights are never mostly exact zeros, a half-written file is


def find_file(path: Path | None, *, variable: str, what: str, hint: str = "") -> Path:
    """``path``, else the path in the environment ``variable``. Raises WeightsNotFound with what to do."""
    chosen = chosen_path(path, variable)
    if chosen is None:
        raise WeightsNotFound(f"No {what} is configured: give its path or set {variable}.{hint}")
    if not chosen.is_file():
        raise WeightsNotFound(f"The {what} is not at the configured path: check the path or set {variable}.{hint}")
    return chosen


def hash_checked(path: Path, expected: str | None) -> str:
    """The file's sha256. Raises WeightsHashMismatch where another one is expected."""
    try:
        actual = sha256_of(path)
    except OSError as exc:
        raise WeightsNotFound(f"The checkpoint cannot be read ({exc.strerror}): check the path and its rights.") from exc
    if expected is not None and actual != expected.strip().lower():
        raise WeightsHashMismatch(
            f"The checkpoint is not the configured one: its sha256 begins {actual[:12]}, expected {expected[:12]}."
        )
    return actual


def read_state_dict(path: Path) -> StateDict:
    """A torch or safetensors file -> name -> tensor, without a `module.` prefix and without the parts never computed.

    Raises WeightsTruncated, WeightsNotPlain, WeightsMismatch.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if len(head) < 16 or not any(head):
        raise WeightsTruncated("The checkpoint is empty or zero-filled: the download did not finish.")
    raw = _read_safetensors(path) if head[8:9] == b"{" else _read_torch(path)
    return _plain_names(raw)


def read_metadata(path: Path) -> dict[str, str]:
    """The string metadata of a safetensors file."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as exc:
        raise WeightsTruncated("The checkpoint is cut short or damaged: fetch it again.") from exc


def _read_safetensors(path: Path) -> Mapping[str, object]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as exc:
        raise WeightsTruncated("The checkpoint is cut short or damaged: fetch it again.") from exc


def _read_torch(path: Path) -> Mapping[str, object]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except MemoryError:
        raise
    except Exception as exc:  # a damaged pickle makes torch raise almost anything
        if _asks_for_code(path):
            raise WeightsNotPlain(
                "The checkpoint holds more than plain tensors; such a file could run code, so it was not opened."
            ) from exc
        raise WeightsTruncated("The checkpoint is cut short, damaged or no checkpoint at all: fetch it again.") from exc
    inner = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else loaded
    if not isinstance(inner, Mapping):
        raise WeightsMismatch("The checkpoint holds no table of named tensors.")
    return inner


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _asks_for_code(path: Path) -> bool:
    """True where a pickle in the file names a function or class that plain tensors do not need. Runs nothing."""
    try:
        if not _is_zip(path):
            with path.open("rb") as file:
                return _names_foreign_code(file)
        with zipfile.ZipFile(path) as archive:
            tables = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return any(_names_foreign_code(io.BytesIO(archive.read(name))) for name in tables)
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def _names_foreign_code(stream: IO[bytes]) -> bool:
    """Reads pickle after pickle (torch's old format holds several) up to the first byte that is none."""
    strings: list[str] = []
    try:
        while True:  # until genops meets the end
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ("GLOBAL", "INST") and not str(argument).startswith(PLAIN_MODULES):
                    return True
                if opcode.name == "STACK_GLOBAL" and not ".".join(strings[-2:]).startswith(PLAIN_MODULES):
                    return True
                if isinstance(argument, str):
                    strings = [*strings[-1:], argument]
    except Exception:  # noqa: BLE001 - noise instead of a pickle: nothing more can be said about it
        return False


def _plain_names(raw: Mapping[str, object]) -> StateDict:
    foreign = [str(name) for name, value in raw.items() if not (isinstance(value, Tensor) and isinstance(name, str))]
    if foreign:
        raise WeightsMismatch(f"The checkpoint holds entries that are not tensors: {_some(foreign)}.")
    named = {name.removeprefix("module."): value for name, value in raw.items() if isinstance(value, Tensor)}
    return {name: tensor for name, tensor in named.items() if not name.startswith(UNUSED_PREFIXES)}


def load_towers(state: StateDict, config: ModelConfig) -> DualTower:
    """Checked tensors in a float32 network on the CPU, ready for inference.

    Raises WeightsMismatch for missing, unexpected or misshapen tensors, WeightsDegenerate for values no training leaves.
    """
    with torch.device("meta"):  # no memory and no random numbers for parameters that are replaced at once
        towers = DualTower(config)
    expected = {name: tensor.shape for name, tensor in towers.state_dict().items()}
    state = {**state, **_resampled_positions(state, expected.get(POSITION_EMBEDDING))}
    return filled(towers, state)


def filled(module: M, state: StateDict) -> M:
    """``module``, made on the meta device, with exactly the tensors of ``state`` in float32, ready for inference.

    Raises WeightsMismatch for missing, unexpected or misshapen tensors, WeightsDegenerate for values no training leaves.
    """
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    check_names_and_shapes({name: tensor.shape for name, tensor in state.items()}, expected)
    check_values(state)
    # copied, since what was read is still mapped from the file: who rewrites that must not change what runs
    float32 = {name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}
    module.load_state_dict(float32, strict=True, assign=True)
    return module.eval().requires_grad_(requires_grad=False)


def check_names_and_shapes(found: Mapping[str, torch.Size], expected: Mapping[str, torch.Size]) -> None:
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} is {list(found[name])} instead of {list(expected[name])}"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != expected[name]
    ]
    complaints = (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
    told = [f"{len(names)} {word} ({_some(names)})" for word, names in complaints if names]
    if told:
        raise WeightsMismatch(f"The checkpoint does not fit this encoder: tensors {'; '.join(told)}.")


def check_values(state: StateDict) -> None:
    """Refuses tensors that are not finite, and weights that are mostly exact zeros."""
    whole = [name for name, tensor in state.items() if not tensor.is_floating_point()]
    if whole:
        raise WeightsMismatch(f"The checkpoint holds whole numbers where weights belong, in {_some(whole)}.")
    bad = [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise WeightsDegenerate(f"The checkpoint holds values that are not numbers, in {_some(bad)}.")
    empty = [name for name, tensor in state.items() if _mostly_zero(name, tensor)]
    if empty:
        raise WeightsDegenerate(f"The checkpoint is zero-filled in {_some(empty)}: the download did not finish.")


def _mostly_zero(name: str, tensor: Tensor) -> bool:
    if tensor.numel() == 0 or (tensor.ndim < 2 and not name.endswith("weight")):
        return False  # biases may well be zero
    return int(torch.count_nonzero(tensor)) < (1 - MAX_ZERO_SHARE) * tensor.numel()


def _resampled_positions(state: StateDict, expected: torch.Size | None) -> StateDict:
    """A position embedding of another square grid, brought to ours (bilinear, no antialias)."""
    positions = state.get(POSITION_EMBEDDING)
    if positions is None or expected is None or positions.shape == expected:
        return {}
    if positions.ndim != 3 or positions.shape[0] != 1 or positions.shape[2] != expected[2]:
        return {}  # told by the shape check
    old, new = (_grid_side(shape[1] - 1) for shape in (positions.shape, expected))
    if old is None or new is None:
        return {}
    class_token, grid = positions[:, :1].float(), positions[:, 1:].float()
    grid = grid.reshape(1, old, old, -1).permute(0, 3, 1, 2)  # [1, width, old, old]
    grid = functional.interpolate(grid, size=(new, new), mode="bilinear", antialias=False, align_corners=False)
    grid = grid.permute(0, 2, 3, 1).reshape(1, new * new, -1)
    return {POSITION_EMBEDDING: torch.cat([class_token, grid], dim=1)}


def _grid_side(patches: int) -> int | None:
    side = round(patches**0.5)
    return side if side * side == patches and side > 0 else None


def config_from_metadata(metadata: Mapping[str, str]) -> ModelConfig:
    """The sizes that a trained export carries in its own header. Raises WeightsError where they are absent."""
    try:
        return ModelConfig(**json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise WeightsError("The checkpoint does not say its sizes: it was not exported by embedder.training.") from exc


def _some(names: Iterable[str], most: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
