"""What the embedder's tests share: CONCH-shaped synthetic weights, small towers, golden vectors."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from embedder import Sandbox

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_IMAGES = ("square_448", "landscape_640x470", "portrait_300x520", "grey_450x450", "tiny_40x64")
SHARED = Path(os.environ.get("CONCHIVE_SHARED", Path(__file__).parents[3] / "shared"))
TOKENIZER = SHARED / "conch" / "conch_byte_level_bpe_uncased.json"


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    """What the reference implementation computes with the synthetic weights of seed 0."""
    with np.load(GOLDEN / "expected_seed0.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The script that makes CONCH-shaped weights."""
    spec = importlib.util.spec_from_file_location("synthetic_checkpoint", GOLDEN / "synthetic_checkpoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="session")
def conch_tokenizer() -> Path:
    if not TOKENIZER.is_file():
        pytest.skip("the CONCH tokenizer is not beside this repository (it may not be part of it)")
    return TOKENIZER
