"""What a machine without a network gets, but for what only a network can give."""

from __future__ import annotations

import subprocess
import tarfile

import pytest

from docker import bundle


@pytest.fixture
def offline(monkeypatch):
    """Packages are asked for, and not fetched."""
    asked: list[list[str]] = []
    monkeypatch.setattr(bundle, "_wheels", lambda target, parts: asked.append(parts))
    monkeypatch.setattr(bundle, "_pages", lambda target: target.write_bytes(b""))
    return asked


def test_sources_and_weights_are_taken_along_and_every_file_has_its_checksum(offline, tmp_path):
    (tmp_path / "conch").mkdir()
    (tmp_path / "conch" / "tokenizer.json").write_text("{}")
    (tmp_path / "model.bin").write_bytes(b"weights")
    bundle.make(tmp_path / "out", weights=[tmp_path / "conch", tmp_path / "model.bin"], parts=["base", "worker"])
    assert offline == [["base", "worker"]]
    with tarfile.open(tmp_path / "out" / "conchive.tar.gz") as sources:
        assert {"conchive/manage.py", "conchive/constraints.txt"} <= set(sources.getnames())
    told = (tmp_path / "out" / "WEIGHTS.txt").read_text()
    assert told.endswith("  conch/tokenizer.json\n  model.bin\n")
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=tmp_path / "out", check=True)


def test_without_weights_it_says_where_they_come_from(offline, tmp_path):
    bundle.make(tmp_path, weights=[], parts=["base"])
    told = (tmp_path / "WEIGHTS.txt").read_text()
    assert "gated" in told
    assert told.endswith("  nothing\n")
