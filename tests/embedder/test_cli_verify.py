"""verify tells each check, compares with expected vectors, and fails for what it must not pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from embedder.__main__ import main
from embedder.commands.shared import FAILED, OK, USAGE
from embedder.golden import ENTRIES
from tests.embedder import tiny_clip, tiny_mini
from tests.embedder.conftest import GOLDEN
from tests.embedder.tiny import TINY, state_dict


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("mini")
    tiny_mini.save_weights(folder)
    tiny_mini.save_tokenizer(folder)
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def verify(capsys):
    """Runs the command; returns its exit code and its checks by name."""

    def run(*arguments: object) -> tuple[int, dict[str, dict[str, object]]]:
        code = main(["verify", "--json", "--device", "cpu", *map(str, arguments)])
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] is (code == OK)
        return code, {check["name"]: check for check in told["checks"]}

    return run


def mini(folder: Path) -> list[object]:
    return ["--encoder", "mini", "--weights", folder / "mini.safetensors", "--tokenizer", folder / "tokenizer.json"]


def golden(folder: Path) -> list[object]:
    return ["--golden", folder / "golden.npz", "--images", folder]


def test_a_whole_checkpoint_passes_every_check(verify, folder):
    code, checks = verify(*mini(folder))
    assert code == OK
    assert list(checks) == ["file", "sha256", "names and shapes", "values", "tokenizer", "self test"]
    assert {check["state"] for check in checks.values()} == {"passed"}


def test_counts_are_told(verify, folder):
    _, checks = verify(*mini(folder))
    state = state_dict()
    assert str(checks["names and shapes"]["detail"]).startswith(f"{len(state)} tensors")
    assert str(checks["values"]["detail"]).startswith(f"{sum(t.numel() for t in state.values()):,} values")


def test_people_read_one_line_a_check(folder, capsys):
    assert main(["verify", *map(str, mini(folder))]) == OK
    told = capsys.readouterr()
    assert told.out == ""
    assert sum(line.startswith("passed") for line in told.err.splitlines()) == 6


def test_another_sha256_fails(verify, folder):
    code, checks = verify(*mini(folder), "--sha256", "0" * 64)
    assert (code, checks["sha256"]["state"]) == (FAILED, "failed")
    assert "values" not in checks


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda state: state.pop("logit_scale"), "names and shapes"),
        (lambda state: state["visual.proj_contrast"].zero_(), "values"),
    ],
    ids=["missing", "zeros"],
)
def test_a_bad_tensor_fails_the_check_it_belongs_to(verify, folder, monkeypatch, spoil, name):
    state = state_dict()
    spoil(state)
    torch.save(state, folder / "conch.bin")
    monkeypatch.setattr("embedder.conch.CONCH", TINY)
    code, checks = verify("--weights", folder / "conch.bin", "--tokenizer", folder / "tokenizer.json")
    assert (code, checks[name]["state"]) == (FAILED, "failed")


def test_a_missing_file_fails(verify, tmp_path):
    code, checks = verify("--weights", tmp_path / "absent")
    assert (code, list(checks)) == (FAILED, ["file"])


def test_conch_without_its_tokenizer_is_checked_as_far_as_it_goes(verify, folder, monkeypatch):
    torch.save(state_dict(), folder / "conch.bin")
    monkeypatch.setattr("embedder.conch.CONCH", TINY)
    monkeypatch.delenv("CONCH_TOKENIZER", raising=False)
    code, checks = verify("--weights", folder / "conch.bin")
    assert code == OK
    assert checks["tokenizer"]["state"] == "not checked"
    assert checks["self test"]["state"] == "passed"


def test_a_damaged_tokenizer_fails(verify, folder):
    (folder / "tokenizer.json").write_text("{")
    code, checks = verify(*mini(folder))
    assert (code, checks["tokenizer"]["state"]) == (FAILED, "failed")


def test_a_clip_folder_is_verified_too(verify, tmp_path):
    code, checks = verify("--encoder", "clip", "--weights", tiny_clip.save_folder(tmp_path))
    assert (code, checks["self test"]["state"]) == (OK, "passed")


# --- expected vectors ------------------------------------------------------------------------------------------------


def test_every_entry_is_compared_and_its_error_told(verify, folder):
    tiny_mini.save_golden(folder)
    code, checks = verify(*mini(folder), *golden(folder))
    assert code == OK
    assert all(float(str(checks[name]["largest_error"])) <= 2e-5 for name in ENTRIES)


def test_a_difference_past_the_tolerance_fails_with_its_size(verify, folder):
    tiny_mini.save_golden(folder, shift=3e-5)
    code, checks = verify(*mini(folder), *golden(folder))
    assert (code, checks["image_proj1_norm1"]["state"]) == (FAILED, "failed")
    assert checks["image_proj1_norm1"]["largest_error"] == pytest.approx(3e-5, abs=2e-6)
    assert checks["text_norm1"]["state"] == "passed"


def test_expected_values_that_are_no_numbers_fail(verify, folder):
    tiny_mini.save_golden(folder, shift=float("nan"))
    assert verify(*mini(folder), *golden(folder))[0] == FAILED


def spoil_golden(folder: Path, **entries: np.ndarray) -> None:
    with np.load(tiny_mini.save_golden(folder)) as stored:
        kept = dict(stored) | entries
    np.savez(folder / "golden.npz", **kept)


def test_another_shape_is_told(verify, folder):
    spoil_golden(folder, text_norm1=np.zeros((2, 7), np.float32))
    code, checks = verify(*mini(folder), *golden(folder))
    assert code == FAILED
    assert "shape" in str(checks["golden"]["detail"])


def test_an_entry_that_nobody_knows_fails(verify, folder):
    spoil_golden(folder, caption=np.zeros(3))
    code, checks = verify(*mini(folder), *golden(folder))
    assert code == FAILED
    assert "caption" in str(checks["golden"]["detail"])


def test_an_image_that_is_absent_is_named(verify, folder):
    tiny_mini.save_golden(folder)
    (folder / "1.png").unlink()
    code, checks = verify(*mini(folder), *golden(folder))
    assert code == FAILED
    assert "1.png" in str(checks["golden"]["detail"])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and no more", b"no archive"])
def test_expected_vectors_that_cannot_be_read_are_told(verify, folder, data):
    tiny_mini.save_golden(folder)
    (folder / "golden.npz").write_bytes(data)
    assert verify(*mini(folder), *golden(folder))[1]["golden"]["state"] == "failed"


def test_a_single_array_is_no_file_of_expected_vectors(verify, folder):
    with (folder / "golden.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert verify(*mini(folder), *golden(folder))[1]["golden"]["state"] == "failed"


def test_expected_vectors_without_images_are_a_usage_error(folder, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["verify", "--golden", "golden.npz"])
    assert caught.value.code == USAGE


@pytest.mark.fullsize
@pytest.mark.xdist_group("fullsize")
def test_a_file_of_the_released_size_equals_the_reference_in_every_entry(verify, synthetic, tmp_path, monkeypatch):
    path = tmp_path / "pytorch_model.bin"
    torch.save(synthetic.state_dict(seed=0), path)
    monkeypatch.delenv("CONCH_TOKENIZER", raising=False)
    code, checks = verify("--weights", path, "--golden", GOLDEN / "expected_seed0.npz", "--images", GOLDEN)
    path.unlink()  # 800 MB
    assert code == OK
    assert set(ENTRIES) <= set(checks)
