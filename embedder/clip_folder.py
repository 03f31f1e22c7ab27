"""A CLIP-family checkpoint in transformers' folder layout -> its checked parts. Nothing is downloaded and no code in it is run.

config.json, model.safetensors or pytorch_model.bin, tokenizer.json or vocab.json + merges.txt, preprocessor_config.json.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from embedder.errors import TokenizerError, WeightsMismatch, WeightsNotFound
from embedder.files import chosen_path
from embedder.tokenizer import BytePairTokenizer, check_vocabulary, parse, read_file
from embedder.torchvision_shim import ensure_torchvision

VARIABLE = "CLIP_WEIGHTS"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there; the same tensors in both
NO_TOKEN = -1  # fills token rows; 0 is a word in this vocabulary
LEGACY_END = 2  # early exports name this number as the end mark and mean the vocabulary's highest
BICUBIC = 3  # Pillow's number


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """What the folder says of its input: the side of the square, and mean and deviation of each channel over 0…1."""

    side_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def find_folder(path: Path | None) -> Path:
    """``path``, else $CLIP_WEIGHTS. Raises WeightsNotFound with what to do."""
    chosen = chosen_path(path, VARIABLE)
    if chosen is None:
        raise WeightsNotFound(f"No CLIP checkpoint is configured: give its folder or set {VARIABLE}.")
    if not chosen.is_dir():
        raise WeightsNotFound(f"The CLIP checkpoint is not a folder at the configured path: check the path or set {VARIABLE}.")
    return chosen


def find_weights(folder: Path) -> Path:
    """The one file of tensors. Raises WeightsNotFound."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    if list(folder.glob("*.index.json")):
        raise WeightsNotFound("The CLIP checkpoint is split into several weight files: save it again as one file.")
    raise WeightsNotFound(f"The folder holds no {' and no '.join(WEIGHT_FILES)}: download the checkpoint again.")


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """One table of settings. Raises WeightsNotFound where it is absent, WeightsMismatch where it is no table."""
    try:
        table = json.loads((folder / name).read_bytes())
    except OSError as exc:
        raise WeightsNotFound(f"The folder's {name} cannot be read ({exc.strerror}): download the checkpoint again.") from exc
    except ValueError as exc:
        raise WeightsMismatch(f"The folder's {name} is damaged: download it again.") from exc
    if not isinstance(table, dict):
        raise WeightsMismatch(f"The folder's {name} holds no table of settings.")
    return table


# --- preprocessing -------------------------------------------------------------------------------------------------


def read_pixels(folder: Path) -> Pixels:
    """Raises WeightsNotFound, and WeightsMismatch for any pipeline but ours: short side bicubic, centre square, normalise."""
    settings = _image_settings(folder)
    side = _side(settings.get("crop_size"), "height", "width")
    rules = {
        "do_resize": settings.get("do_resize", True) is True,
        "do_center_crop": settings.get("do_center_crop", True) is True,
        "do_rescale": settings.get("do_rescale", True) is True,
        "do_normalize": settings.get("do_normalize", True) is True,
        "rescale_factor": _is_byte_scale(settings.get("rescale_factor", 1 / 255)),
        "resample": settings.get("resample", BICUBIC) == BICUBIC,
        "crop_size": side is not None,
        "size": side is not None and _side(settings.get("size"), "shortest_edge") == side,
    }
    wrong = [f"{name} {settings.get(name)!r}" for name, fits in rules.items() if not fits]
    if wrong or side is None:
        raise WeightsMismatch(
            f"The folder's preprocessing is not read ({', '.join(wrong)}): only the short side resized bicubically to the "
            "side of the centre crop, rescaled by 1/255 and normalised."
        )
    return Pixels(side_px=side, mean=_three(settings, "image_mean"), std=_three(settings, "image_std"))


def _image_settings(folder: Path) -> dict[str, Any]:
    """Newer exports keep the same settings as a part of processor_config.json."""
    if not (folder / "preprocessor_config.json").is_file() and (folder / "processor_config.json").is_file():
        inner = read_json(folder, "processor_config.json").get("image_processor")
        return inner if isinstance(inner, dict) else {}
    return read_json(folder, "preprocessor_config.json")


def _is_byte_scale(factor: object) -> bool:
    return isinstance(factor, float) and abs(factor * 255 - 1) < 1e-6


def _side(value: object, *names: str) -> int | None:
    """A side in pixels, told as a number or as a table with exactly ``names``, all alike; None for anything else."""
    sides = list(value.values()) if isinstance(value, dict) and set(value) == set(names) else [value]
    side = sides[0]
    return side if isinstance(side, int) and side > 0 and all(other == side for other in sides) else None


def _three(settings: dict[str, Any], name: str) -> tuple[float, float, float]:
    values = settings.get(name)
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(value, (int, float)) for value in values):
        raise WeightsMismatch(f"The folder's preprocessing has no {name} of three channels.")
    first, second, third = (float(value) for value in values)
    return first, second, third


# --- tokenizer -----------------------------------------------------------------------------------------------------


def read_tokenizer(source: Path, *, context_length: int, vocabulary: int, end: int) -> BytePairTokenizer:
    """The tokenizer in a folder, or a tokenizer.json given by path. ``end``: the model's own number of the end mark.

    Raises TokenizerError where it is absent, damaged, or not the model's.
    """
    reader, data = _reader(source)
    check_vocabulary(reader, vocabulary)
    expected = max(reader.get_vocab().values()) if end == LEGACY_END else end
    marks = reader.encode("").ids
    if len(marks) != 2 or marks[1] != expected:
        raise TokenizerError("The tokenizer does not put the model's start and end marks around a prompt.")
    return BytePairTokenizer(
        reader,
        sha256=hashlib.sha256(data).hexdigest(),
        context_length=context_length,
        width=context_length,
        end=expected,
        pad=NO_TOKEN,
    )


def _reader(source: Path) -> tuple[Tokenizer, bytes]:
    """The tokenizer and the bytes that made it."""
    whole = source / "tokenizer.json" if source.is_dir() else source
    if whole.is_file() or not source.is_dir():
        data = read_file(whole)
        return parse(data), data
    vocabulary, merges = read_file(source / "vocab.json"), read_file(source / "merges.txt")
    return _from_parts(vocabulary, merges), vocabulary + merges


def _from_parts(vocabulary: bytes, merges: bytes) -> Tokenizer:
    """OpenAI's two files, read by the rules that every CLIP shares."""
    ensure_torchvision()
    from transformers import CLIPTokenizerFast

    try:
        numbers = {str(word): int(number) for word, number in json.loads(vocabulary).items()}
        lines = merges.decode().removeprefix("#version: 0.2").splitlines()
        pairs = [(first, second) for first, second in (line.split() for line in lines if line)]
        shared = CLIPTokenizerFast(vocab=numbers, merges=pairs)
        return Tokenizer.from_str(shared.backend_tokenizer.to_str())
    except Exception as exc:  # the library raises bare Exception for pairs that its words do not hold
        raise TokenizerError("The tokenizer's vocab.json and merges.txt are damaged or do not belong together.") from exc
