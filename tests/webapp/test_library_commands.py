from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.embedder.test_tiff_pages import THREE
from tests.webapp.conftest import on_disk, picture
from webapp import wiring
from webapp.accounts.models import ApiToken, User
from webapp.library import adding, files
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, Image, State

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, one of them in a folder below, one broken file, captions, and what is no image."""
    (tmp_path / "below").mkdir()
    captions = b"file,caption,stain\na.png,brown nuclei,IHC\nbelow/b.png,pink stroma,\n"
    images = {"a.png": picture("brown", seed=1), "below/b.png": picture("pink", seed=2), ".hidden.png": picture()}
    for name, data in {**images, "broken.jpg": b"broken", "notes.txt": b"notes", "captions.csv": captions}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def _told(capsys, *arguments: object, exits: int = 0):
    capsys.readouterr()
    if exits:
        with pytest.raises(SystemExit) as ended:
            call_command(*map(str, arguments))
        assert ended.value.code == exits
    else:
        call_command(*map(str, arguments))
    return json.loads(capsys.readouterr().out)


def test_add_takes_folders_with_their_captions_to_the_end(folder, capsys):
    told = _told(capsys, "add", folder, "--collection", "Kidneys", "--stain", "H&E", "--json", exits=1)
    assert told["counts"] == {"ready": 2, "failed": 1}
    assert [(Path(item["path"]).name, item["state"], item["reason"]) for item in told["items"]] == [
        ("a.png", "ready", ""), ("b.png", "ready", ""), ("broken.jpg", "failed", "unsupported_type"),
    ]  # fmt: skip
    first, second = (Image.objects.get(pk=item["image"]) for item in told["items"][:2])
    assert (first.stain, first.captions.get().text, second.stain) == ("IHC", "brown nuclei", "H&E")


def test_add_tells_of_each_page_of_a_file(tmp_path, capsys):
    (tmp_path / "three.tif").write_bytes(THREE)
    (tmp_path / "z.png").write_bytes(picture())
    told = _told(capsys, "add", tmp_path, "--collection", "Kidneys", "--json")
    assert told["counts"] == {"ready": 4}
    assert [Path(item["path"]).name for item in told["items"]][2:] == ["three.tif, page 2", "three.tif, page 3"]


def test_a_name_in_another_coding_than_the_systems_is_taken(tmp_path, capsys):
    path = tmp_path / os.fsdecode(b"M\xfcller.png")
    path.write_bytes(picture())
    told = _told(capsys, "add", tmp_path, "--collection", "Kidneys", "--json")
    assert [(item["path"], item["state"]) for item in told["items"]] == [(str(path), "ready")]
    assert Image.objects.get().name == "M�ller.png"
    path.write_bytes(b"broken")
    with pytest.raises(SystemExit):
        call_command("add", str(tmp_path), "--collection", "Kidneys")
    assert "M\\udcfcller.png: unsupported_type" in capsys.readouterr().out


def test_the_process_that_serves_is_told_names_that_text_can_hold(tmp_path, collection):
    class Serving:
        def post(self, _path, body):
            self.told = json.dumps(body, ensure_ascii=False).encode()
            return {"items": []}

    path = tmp_path / os.fsdecode(b"M\xfcller.png")
    path.write_bytes(picture())
    serving = Serving()
    adding.There(serving).start(collection, [adding.Found(path, path.name)], Metadata(), adding.Words())  # type: ignore[arg-type]
    assert json.loads(serving.told)["files"][0]["name"] == "M�ller.png"


def test_adding_the_same_files_again_adds_nothing(folder, capsys):
    first = _told(capsys, "add", folder / "a.png", "--collection", "Kidneys", "--json")
    again = _told(capsys, "add", folder / "a.png", "--collection", "Kidneys", "--json")
    assert (again["counts"], again["items"][0]["image"]) == ({"duplicate": 1}, first["items"][0]["image"])


def test_a_dry_run_tells_and_writes_nothing(folder, capsys):
    _told(capsys, "add", folder / "a.png", "--collection", "Kidneys", "--json")
    told = _told(capsys, "add", folder, "--collection", "Kidneys", "--dry-run", "--json")
    assert told["counts"] == {"duplicate": 1, "new": 2}
    assert Image.objects.count() == 1


def test_a_dry_run_makes_no_collection(folder, capsys):
    _told(capsys, "add", folder, "--collection", "New", "--dry-run", "--json")
    assert not Collection.objects.exists()


def test_add_need_not_wait(folder, capsys):
    told = _told(capsys, "add", folder / "a.png", "--collection", "Kidneys", "--no-wait", "--json")
    assert told["counts"] == {"running": 1}
    assert Image.objects.get().state == State.STORED


def test_a_path_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CommandError, match="There is no"):
        call_command("add", str(tmp_path / "absent"), "--collection", "Kidneys")


def test_captions_without_a_file_column_are_one_sentence(folder):
    (folder / "captions.csv").write_text("caption\nbrown\n")
    with pytest.raises(CommandError, match="file"):
        call_command("add", str(folder), "--collection", "Kidneys")


def test_an_unclear_collection_is_one_sentence(folder, collection, team_b):
    Collection.objects.create(team=team_b, name=collection.name)
    with pytest.raises(CommandError, match="--team"):
        call_command("add", str(folder), "--collection", collection.name)


def test_verify_says_clean_or_what_is_not(make_image, capsys):
    image = make_image()
    assert _told(capsys, "verify", "--json")["clean"]
    on_disk(files.thumbnail(image.pk)).unlink()
    assert _told(capsys, "verify", "--json", exits=1)["counts"]["derivatives_missing"] == 1
    assert _told(capsys, "verify", "--json", "--repair")["clean"]


def test_verify_names_its_findings_to_people(make_image, capsys):
    image = make_image()
    on_disk(files.original(image.pk)).unlink()
    with pytest.raises(SystemExit):
        call_command("verify")
    assert f"1 originals missing: {image.pk}" in capsys.readouterr().out


def test_reindex_makes_the_index_anew(make_image, capsys):
    make_image(caption="brown nuclei")
    assert _told(capsys, "reindex", "--json") == {"regions": 1, "texts": 1, "encoded": 0}
    assert _told(capsys, "verify", "--json")["clean"]


def test_reindex_of_nothing_is_one_sentence(db):
    with pytest.raises(CommandError, match="Nothing has been embedded"):
        call_command("reindex")


# --- the same through the API, for commands beside a running site -----------------------------------------------------


@pytest.fixture
def operator_headers(db) -> dict[str, str]:
    token = ApiToken.issue(User.objects.create_superuser("root"), "test")[1]
    return {"Authorization": f"Bearer {token}"}


def test_an_operator_verifies_and_repairs_by_the_api(make_image, client, operator_headers):
    image = make_image()
    on_disk(files.thumbnail(image.pk)).unlink()
    ask = {"content_type": "application/json", "headers": operator_headers}
    assert not client.post("/api/v1/upkeep/verify", {}, **ask).json()["clean"]
    assert client.post("/api/v1/upkeep/verify", {"repair": True}, **ask).json()["clean"]


def test_an_operator_reindexes_by_the_api(make_image, client, operator_headers):
    make_image()
    told = client.post("/api/v1/upkeep/reindex", {}, content_type="application/json", headers=operator_headers).json()
    assert told == {"regions": 1, "texts": 0, "encoded": 0}


@pytest.mark.parametrize("address", ["/api/v1/upkeep/verify", "/api/v1/upkeep/reindex"])
def test_upkeep_is_for_operators_only(client, carol, address):
    headers = {"Authorization": f"Bearer {ApiToken.issue(carol, 'test')[1]}"}
    assert client.post(address, {}, content_type="application/json", headers=headers).status_code == 403
    assert client.post(address, {}, content_type="application/json").status_code == 401


def test_an_index_that_is_away_is_an_outage_of_upkeep(make_image, client, operator_headers, monkeypatch):
    import search

    make_image()

    def away():
        raise search.errors.IndexUnavailable("the engine does not answer")

    monkeypatch.setattr(wiring.get_image_index(), "versions", away)
    answer = client.post("/api/v1/upkeep/verify", {}, content_type="application/json", headers=operator_headers)
    assert answer.status_code == 503


# --- admin ------------------------------------------------------------------------------------------------------------

PAGES = (
    "library/collection",
    "library/image",
    "library/upload",
    "library/vocabulary",
    "library/knownencoder",
    "accounts/auditevent",
)


@pytest.mark.parametrize("page", PAGES)
def test_the_admin_lists_the_archive_for_superusers_only(make_image, client, alice, page):
    make_image()
    client.force_login(alice)
    assert client.get(f"/admin/{page}/").status_code == 302
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(f"/admin/{page}/").status_code == 200
