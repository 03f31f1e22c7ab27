"""embed: rows in the order of names, a bad file costs only itself, an interrupted run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder import errors, load_encoder, open_rgb
from embedder.__main__ import main
from embedder.commands.embed import Job
from embedder.commands.shared import FAILED, INTERRUPTED, OK, USAGE
from embedder.commands.vectors import VectorFile
from embedder.fake import FakeEncoder
from tests.embedder.tiny import pictures


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Five fields, in folders and beside them."""
    folder = tmp_path / "archive"
    (folder / "case 1" / "deep").mkdir(parents=True)
    for number, image in enumerate(pictures(5)):
        place = (folder, folder / "case 1", folder / "case 1" / "deep")[number % 3]
        image.save(place / f"{number}.png")
    return folder


def embed(*arguments: object) -> int:
    return main(["embed", "--encoder", "fake", *map(str, arguments)])


def lines(target: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in target.with_suffix(".jsonl").read_text().splitlines()]


def arrays(target: Path) -> dict[str, np.ndarray]:
    with np.load(target, allow_pickle=False) as stored:
        return dict(stored)


def test_each_image_has_its_row_under_its_name(archive, tmp_path):
    target = tmp_path / "vectors.npz"
    assert embed(archive, "--to", target) == OK
    search, encoder = arrays(target)["search"], load_encoder("fake")
    assert search.shape == (5, 512)
    for line in lines(target):
        expected = encoder.encode_images([open_rgb(line["path"])])[0]
        np.testing.assert_allclose(search[line["row"]], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("space", "names"), [("probe", {"probe"}), ("both", {"search", "probe"})])
def test_each_space_is_an_array(archive, tmp_path, space, names):
    embed(archive, "--to", tmp_path / "v.npz", "--space", space)
    assert set(arrays(tmp_path / "v.npz")) == names | {"about"}


def test_the_file_says_which_encoder_made_it(archive, tmp_path):
    embed(archive, "--to", tmp_path / "v.npz")
    about = json.loads(str(arrays(tmp_path / "v.npz")["about"]))
    assert about["encoder"]["fingerprint"] == load_encoder("fake").spec.fingerprint


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_the_rows_do_not_depend_on_the_batch(archive, tmp_path, batch):
    embed(archive, "--to", tmp_path / "one.npz")
    embed(archive, "--to", tmp_path / "other.npz", "--batch", batch)
    np.testing.assert_array_equal(arrays(tmp_path / "one.npz")["search"], arrays(tmp_path / "other.npz")["search"])


def test_a_bad_file_costs_only_itself_and_its_reason_is_told(archive, tmp_path, capsys):
    (archive / "broken.png").write_bytes((archive / "0.png").read_bytes()[:300])
    (archive / "empty.png").touch()
    assert embed(archive, archive / "absent.png", "--to", tmp_path / "v.npz", "--json") == FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["failed"]) == (5, 3)
    assert told["reasons"]["empty"] == 1
    failed = [line for line in lines(tmp_path / "v.npz") if "row" not in line]
    assert {Path(line["path"]).name for line in failed} == {"broken.png", "empty.png", "absent.png"}


def test_failures_may_be_allowed(archive, tmp_path):
    (archive / "empty.png").touch()
    assert embed(archive, "--to", tmp_path / "v.npz", "--allow-failures") == OK


def test_hidden_files_in_folders_are_passed_over(archive, tmp_path):
    (archive / ".DS_Store").write_bytes(b"\0\0")
    assert embed(archive, "--to", tmp_path / "v.npz") == OK


def test_an_empty_folder_gives_no_rows_and_fails(tmp_path):
    (tmp_path / "empty").mkdir()
    assert embed(tmp_path / "empty", "--to", tmp_path / "v.npz") == FAILED
    assert arrays(tmp_path / "v.npz")["search"].shape == (0, 512)


def test_a_name_without_npz_is_a_usage_error(archive, capsys):
    with pytest.raises(SystemExit) as caught:
        embed(archive, "--to", "vectors.csv")
    assert caught.value.code == USAGE


def test_a_target_that_cannot_be_written_is_told(archive, tmp_path, capsys):
    (tmp_path / "taken").touch()
    assert embed(archive, "--to", tmp_path / "taken" / "v.npz", "--json") == FAILED
    assert json.loads(capsys.readouterr().out)["ok"] is False


# --- interrupted runs ------------------------------------------------------------------------------------------------


class Interrupted(FakeEncoder):
    """Someone presses Ctrl-C during the third batch."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 2

    def encode_images(self, images, *, space="search"):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().encode_images(images, space=space)


@pytest.fixture
def interrupted(archive, tmp_path: Path, monkeypatch) -> Path:
    """The target of a run that ended after two of five images."""
    target = tmp_path / "v.npz"
    with monkeypatch.context() as patch:
        patch.setattr("embedder.fake.FakeEncoder", Interrupted)
        assert embed(archive, "--to", target, "--batch", 1) == INTERRUPTED
    assert not target.exists()
    return target


def test_an_interrupted_run_goes_on_where_it_ended(archive, interrupted, tmp_path, capsys):
    assert embed(archive, "--to", interrupted, "--json") == OK
    told = json.loads(capsys.readouterr().out)
    assert (told["kept"], told["embedded"], told["rows"]) == (2, 3, 5)
    embed(archive, "--to", tmp_path / "fresh.npz")
    np.testing.assert_array_equal(arrays(interrupted)["search"], arrays(tmp_path / "fresh.npz")["search"])
    assert not interrupted.with_name("v.npz.part").exists()


def test_a_row_cut_short_by_a_crash_is_made_again(archive, interrupted, tmp_path):
    part = interrupted.with_name("v.npz.part")
    data = (part / "search.f32").read_bytes()
    (part / "search.f32").write_bytes(data[:-100])
    (part / "names.jsonl").write_text((part / "names.jsonl").read_text() + '{"path": "arch')
    embed(archive, "--to", interrupted)
    embed(archive, "--to", tmp_path / "fresh.npz")
    np.testing.assert_array_equal(arrays(interrupted)["search"], arrays(tmp_path / "fresh.npz")["search"])


def test_vectors_whose_names_were_not_written_are_dropped(archive, interrupted, tmp_path):
    part = interrupted.with_name("v.npz.part")
    with (part / "search.f32").open("ab") as file:
        file.write(b"\0" * 512 * 4)
    embed(archive, "--to", interrupted)
    np.testing.assert_allclose(np.linalg.norm(arrays(interrupted)["search"], axis=1), 1, rtol=0, atol=1e-5)
    assert len(arrays(interrupted)["search"]) == 5


def test_another_space_begins_anew(archive, interrupted, capsys):
    embed(archive, "--to", interrupted, "--space", "both", "--json")
    assert json.loads(capsys.readouterr().out)["kept"] == 0


def test_the_encoder_itself_failing_is_no_files_fault(archive, tmp_path):
    class Broken(FakeEncoder):
        def encode_images(self, images, *, space="search"):
            raise errors.DeviceError("The device has too little memory for even one input.")

    with VectorFile(tmp_path / "v.npz", about={}, dims={"search": 512}) as vectors, pytest.raises(errors.DeviceError):
        Job(Broken(), vectors, open_rgb, space="search", batch=2).run([archive / "0.png"])
