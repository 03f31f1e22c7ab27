"""What the terminal answers, on its own and beside a running site."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from tests.webapp.conftest import picture, run_tasks
from webapp import running
from webapp.accounts.models import ApiToken
from webapp.accounts.operator import operator
from webapp.explore.management import answers
from webapp.explore.management.commands import status as status_command
from webapp.library.models import Term, TermKind, Vocabulary
from webapp.running import Running


@pytest.fixture
def told(capfd):
    """told("search", "red", …): what the command prints with --json."""

    def run(*arguments: str):
        capfd.readouterr()
        call_command(*arguments, "--json")
        return json.loads(capfd.readouterr().out)

    return run


@pytest.fixture
def brown_file(tmp_path):
    path = tmp_path / "brown.png"
    path.write_bytes(picture("brown"))
    return str(path)


@pytest.fixture
def site(live_server, monkeypatch):
    """A running site on this data folder."""
    there = Running(url=live_server.url, pid=1, token=ApiToken.issue(operator(), "server.json")[1])
    for module in (answers, status_command):
        monkeypatch.setattr(module, "read_running", lambda: there)
    return there


@pytest.mark.django_db
def test_words_are_searched_without_a_running_site(told, make_image):
    image = make_image("brown", stain="DAB", caption="brown nuclei")
    make_image("blue")
    hit = told("search", "brown nuclei")["hits"][0]
    assert (hit["image"], hit["stain"], hit["caption"]) == (str(image.pk), "DAB", "brown nuclei")
    assert -1 <= hit["score"] <= 1


@pytest.mark.django_db
def test_a_picture_and_filters_are_searched_without_a_running_site(told, make_image, brown_file, collection):
    make_image("brown", stain="DAB")
    make_image("pink", stain="H&E")
    hits = told("search", "--picture", brown_file, "--stain", "H&E", "--collection", "Kidneys")["hits"]
    assert [hit["stain"] for hit in hits] == ["H&E"]


WISHES = ("tissue", "--plus", "blue", "--minus", "red~0.5", "--finding-is", "glands", "--every-image", "--without-case", "S9")


@pytest.mark.django_db
def test_concepts_and_judged_images_are_searched_without_a_running_site(told, make_image):
    red, blue = make_image("red"), make_image("blue")
    hits = told("search", *WISHES, "--like", str(blue.pk), "--dislike", str(red.pk))["hits"]
    assert [hit["image"] for hit in hits] == [str(blue.pk), str(red.pk)]


@pytest.mark.filterwarnings("ignore:No directory at")  # whitenoise: a session's server is older than a test's settings
@pytest.mark.django_db(transaction=True)
def test_a_running_site_is_asked_with_all_parts(told, site, make_image, brown_file):
    red, blue = make_image("red"), make_image("blue")
    judged = ("--like", str(blue.pk), "--dislike", str(red.pk))
    assert [hit["image"] for hit in told("search", *WISHES, *judged)["hits"]] == [str(blue.pk), str(red.pk)]
    assert told("search", *WISHES, *judged, "--picture", brown_file)["hits"][0]["image"] == str(blue.pk)
    assert told("search", "--image", str(red.pk), "--crop", "0,0,500,500")["seen"] == [0, 0, 32, 32]


@pytest.mark.django_db
def test_a_file_is_described_without_a_running_site(told, make_image, brown_file):
    make_image("red", caption="a red field")
    assert [hit["text"] for hit in told("describe", brown_file)["hits"]] == ["a red field"]


@pytest.mark.django_db
def test_the_status_says_that_nothing_runs(told, make_image):
    make_image("red")
    answer = told("status")
    assert (answer["running"], answer["encoder"]["state"]) == (None, "not loaded")
    assert answer["coverage"]["ready"] == 1


@pytest.mark.filterwarnings("ignore:No directory at")  # whitenoise: a session's server is older than a test's settings
@pytest.mark.django_db(transaction=True)
def test_beside_a_running_site_its_api_answers(told, site, make_image, brown_file):
    brown = make_image("brown", caption="brown nuclei")
    make_image("blue", caption="blue nuclei")
    assert told("search", "brown", "--limit", "1")["hits"][0]["image"] == str(brown.pk)
    assert told("search", "--picture", brown_file)["hits"][0]["image"] == str(brown.pk)
    assert told("describe", brown_file)["hits"][0]["text"] == "brown nuclei"
    assert told("describe", str(brown.pk))["hits"][0]["text"] == "blue nuclei"
    assert told("status")["running"] == site.url


@pytest.mark.filterwarnings("ignore:No directory at")  # whitenoise: a session's server is older than a test's settings
@pytest.mark.django_db(transaction=True)
def test_what_the_running_site_refuses_is_one_sentence(site, make_image):
    make_image("red")
    with pytest.raises(CommandError, match="nothing of this name"):
        call_command("search", "--image", "00000000-0000-4000-8000-000000000000")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("search",), "words or with a picture"),
        (("search", "--minus", "red"), "only what is not wanted"),
        (("search", "red", "--like", "nonsense"), "an id that is none"),
        (("search", "red", "--plus", "fat~9"), "weighs between"),
        (("search", "red", "--collection", "Nowhere"), "no collection 'Nowhere'"),
        (("search", "--picture", "/nowhere.png"), "cannot be read"),
        (("describe", "/nowhere.png"), "cannot be read"),
        (("search", "red"), "being built"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(arguments, sentence, db):
    with pytest.raises(CommandError, match=sentence):
        call_command(*arguments)


@pytest.mark.django_db
def test_a_token_is_printed_once_and_opens_the_api(alice, client, capsys):
    call_command("token", "alice", "--name", "notebook")
    token = capsys.readouterr().out.strip()
    header = {"authorization": f"Bearer {token}"}
    assert client.get("/api/v1/collections", headers=header).status_code == 200
    assert not ApiToken.objects.filter(sha256=token).exists()
    call_command("token", "alice", "--revoke", "notebook")
    assert client.get("/api/v1/collections", headers=header).status_code == 401


@pytest.mark.django_db
def test_a_token_for_nobody_is_refused():
    with pytest.raises(CommandError, match="no active user"):
        call_command("token", "nobody")


@pytest.mark.django_db
def test_a_vocabulary_is_loaded_from_a_file(team_a, tmp_path):
    path = tmp_path / "ours.csv"
    path.write_text("term,kind\ncolitis,finding\ncolon,planet\n", encoding="utf-8")
    with pytest.raises(CommandError, match="1 lines"):
        call_command("load_vocabulary", str(path), "--team", "Team A")
    assert (Vocabulary.objects.get().name, Term.objects.get().text) == ("ours", "colitis")


@pytest.mark.django_db
def test_the_bundled_vocabulary_is_loaded_and_searched(told, make_image, brown_file):
    call_command("load_vocabulary")
    make_image("red")
    run_tasks()
    hits = told("describe", brown_file, "--limit", "3")["hits"]
    assert {hit["kind"] for hit in hits} <= set(TermKind.values)
    assert len(hits) == 3


def test_a_site_that_has_ended_is_not_asked(data_folder):
    running.write_running(Running(url="http://127.0.0.1:1", pid=2**22 + 1, token="cnv_x"))
    assert running.read_running() is None
