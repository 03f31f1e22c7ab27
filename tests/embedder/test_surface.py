from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from embedder import EncoderSpec, errors, load_encoder

SPEC = load_encoder("fake").spec


def test_the_surface_imports_neither_torch_nor_pillow_nor_numpy():
    code = "import sys, embedder; sys.exit(bool({'torch', 'PIL', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_encoder_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"conch.*fake"):
        load_encoder("clop")


def test_conch_without_weights_says_what_to_do(monkeypatch):
    monkeypatch.delenv("CONCH_WEIGHTS", raising=False)
    with pytest.raises(errors.WeightsNotFound, match="CONCH_WEIGHTS"):
        load_encoder("conch", device="cpu")


def test_an_absent_device_is_refused():
    with pytest.raises(errors.DeviceError, match="cuda:99"):
        load_encoder("conch", device="cuda:99")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(EncoderSpec)])
def test_the_fingerprint_changes_with_every_field(field):
    value = getattr(SPEC, field)
    changed = dataclasses.asdict(SPEC) | {field: value + 1 if isinstance(value, int) else value + "x"}
    assert EncoderSpec(**changed).fingerprint != SPEC.fingerprint


def test_the_fingerprint_is_hex_and_stable():
    assert int(SPEC.fingerprint, 16) >= 0
    assert dataclasses.replace(SPEC).fingerprint == SPEC.fingerprint


def test_every_error_has_its_own_reason():
    tree = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.EmbedderError)]
    assert len({error.reason for error in tree}) == len(tree)
