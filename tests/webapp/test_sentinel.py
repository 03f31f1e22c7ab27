"""A patient's name in many places of many files: it comes out nowhere but to editors, and in the original they download.

The name is made up. Each file carries it in one place; all are held, then all released, so that what follows is looked at too.
"""

from __future__ import annotations

import base64
import csv
import io
import logging
import zipfile
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from search import Scope
from tests.embedder.conftest import SHARED as DATA
from tests.embedder.named import NAMED, SENTINEL
from tests.webapp.conftest import add, picture, run_tasks
from tests.webapp.test_review import program
from webapp.accounts.models import AuditEvent, User
from webapp.celery import app
from webapp.library import files, identity, index, review
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, Image, ImageChange, Job, State
from webapp.library.models.collections import Visibility

pytestmark = [pytest.mark.usefixtures("patterns"), pytest.mark.filterwarnings("ignore::UserWarning")]
SHARED = DATA / "data" / "inputs" / "06_phi"
HEADERS = ("EXIF artist", "XMP", "IPTC", "PNG zTXt", "JPEG comment", "TIFF description", "DICOM patient")


def spellings() -> list[bytes]:
    """The name as bytes could carry it: in the codings of text, in an address, in base64 at each of its three offsets."""
    plain = SENTINEL.encode()
    coded = [base64.b64encode(bytes(offset) + plain)[4:-4] for offset in range(3)]
    parts = [b"DOE-JANE", b"DOE^JANE", b"19570312", b"MRN00417"]
    return [plain, SENTINEL.encode("utf-16-le"), SENTINEL.encode("utf-16-be"), quote(SENTINEL).encode(), *coded, *parts]


def says(data: bytes) -> bool:
    upper = data.upper()
    return any(spelling.upper() in upper for spelling in spellings() if spelling.isascii()) or any(s in data for s in spellings())


def sent_files() -> dict[str, bytes]:
    """One file a place; the last three carry it in their name, in what is said about them, and in a zip."""
    endings = {"PNG zTXt": "png", "TIFF description": "tif", "DICOM patient": "dcm"}
    made = {f"{number}.{endings.get(where, 'jpg')}": NAMED[where][1]() for number, where in enumerate(HEADERS)}
    made[f"biopsies/{SENTINEL}/{SENTINEL}.png"] = picture("brown", seed=1)
    made["said.png"] = picture("brown", seed=2)
    made["slides.zip"] = packed()
    return made


def packed() -> bytes:
    """A zip whose comment, whose member's comment and whose member's name say it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        member = zipfile.ZipInfo(f"{SENTINEL}/field.png")
        member.comment = archive.comment = SENTINEL.encode()
        archive.writestr(member, picture("brown", seed=3))
    return file.getvalue()


@pytest.fixture
def archive(collection, alice, caplog, signed_in):
    """All of them in a collection that everyone sees, sent by the form with a table of what is said."""
    sent = sent_files()  # before anybody listens: whoever writes a picture may say what with
    caplog.set_level(logging.DEBUG)
    Collection.objects.filter(pk=collection.pk).update(visibility=Visibility.EVERYONE)
    client = signed_in(alice)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerows([["file", "caption", "organ"], ["said.png", f"Kidney of {SENTINEL}", "kidney"]])
    form = {
        "files": [SimpleUploadedFile(name, data) for name, data in sent.items()],
        "table": SimpleUploadedFile("captions.csv", table.getvalue().encode()),
    }
    answer = client.post(f"/collections/{collection.pk}/upload", form)
    assert answer.status_code == 302
    run_tasks()
    return collection


def pages_of(collection: Collection) -> list[str]:
    """Every page and file that others could ask for, of every image that there is, whether or not they may see it."""
    pages = [
        "/",
        "/collections",
        f"/collections/{collection.pk}",
        "/not-searchable",
        "/review",
        "/describe",
        "/saved",
        "/selected",
    ]
    pages += [f"/collections/{collection.pk}?show={tab}" for tab in ("ready", "working", "held", "failed")]
    pages += ["/?q=kidney", f"/?q=kidney&collection={collection.pk}"]
    for image in Image.objects.all():
        base = f"/images/{image.pk}"
        pages += [base, *(f"{base}/{kind}" for kind in ("thumbnail", "display", "original", "history"))]
        pages += [
            f"{base}/neighbours",
            f"{base}/seen",
            f"/?image={image.pk}",
            f"/describe?image={image.pk}",
            f"/selected?images={image.pk}",
        ]
    return pages


def api_of(collection: Collection) -> list[str]:
    paths = [
        "collections",
        f"collections/{collection.pk}",
        "images?size=1000",
        "review",
        "status",
        "search?q=kidney",
        "vocabularies",
    ]
    for image in Image.objects.all():
        paths += [
            f"images/{image.pk}",
            *(f"images/{image.pk}/{part}" for part in ("display", "original", "changes")),
        ]
    paths += [f"uploads/{pk}" for pk in collection.uploads.values_list("pk", flat=True)]
    return [f"/api/v1/{path}" for path in paths]


def body(client: Client, address: str, form: dict[str, str] | None = None) -> bytes:
    answer = client.get(address) if form is None else client.post(address, form)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    answer.close()
    assert answer.status_code < 500, address
    return content + str(answer.headers).encode() + unzipped(content)


def unzipped(content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return b""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return packed.comment + b"".join(name.encode() + packed.read(name) for name in packed.namelist())


def tellers(collection: Collection, user: User, client: Client) -> list[str]:
    """Addresses whose answer to ``user`` says the name."""
    client.force_login(user)
    api = program(user)
    told = [address for address in pages_of(collection) if says(body(client, address))]
    chosen = {"images": ",".join(str(pk) for pk in Image.objects.values_list("pk", flat=True)), "originals": "on"}
    told += [address for address in ("/selected/csv", "/selected/zip") if says(body(client, address, chosen))]
    return told + [address for address in api_of(collection) if says(body(api, address))]


def release_all(user: User) -> None:
    """Though they should not have: what follows a release is to be looked at as well."""
    held = list(Image.objects.held_for(user).values_list("pk", flat=True))
    review.release(held, user=user)
    run_tasks()


# --- each kind of place -----------------------------------------------------------------------------------------------


def test_every_file_that_carries_the_name_is_held(archive):
    left = Image.objects.exclude(state__in=[State.HELD, State.FAILED])
    assert [image.name for image in left] == []
    assert Image.objects.filter(state=State.HELD).count() >= len(HEADERS) + 3
    assert not says(str(list(Image.objects.values_list("found_identity", flat=True))).encode())


@pytest.mark.parametrize("released", [False, True])
def test_nobody_else_is_told_the_name(archive, alice, bob, charlie, client, released):
    """A caption that somebody released with the name in it is what they published: it is taken out first."""
    if released:
        Image.objects.get(name="said.png").captions.all().delete()
        release_all(alice)
        assert Image.objects.filter(state=State.READY).exists()
    assert tellers(archive, bob, client) == []
    assert tellers(archive, charlie, client) == []
    client.logout()
    assert [address for address in pages_of(archive) if says(body(client, address))] == []


@pytest.mark.shared
def test_files_that_others_made_are_held_as_well(collection, alice, bob, client):
    if not SHARED.is_dir():
        pytest.skip("the shared files are not beside this repository")
    sent = {path.name: path.read_bytes() for path in sorted(SHARED.glob("*")) if "phi" in path.name.lower()}
    add(collection, sent, user=alice)
    run_tasks()
    assert len(sent) >= 7
    assert {image.name for image in Image.objects.exclude(state=State.HELD)} <= {"heic_exif_phi.heic"}
    release_all(alice)
    assert tellers(collection, bob, client) == []


def test_the_check_would_notice(archive, alice, client):
    told = tellers(archive, alice, client)
    assert {"/selected/csv", "/selected/zip"} <= set(told)
    assert any(address.endswith("/original") for address in told)


def test_derivatives_carry_no_metadata_at_all(archive, alice):
    release_all(alice)
    made = [path for kind in files.DERIVATIVES for _image, path in files.listed(kind)]
    assert len(made) >= 2 * (len(HEADERS) + 3)
    for path in made:
        data = path.read_bytes()
        assert not says(data)
        for marker in (b"Exif", b"http://ns.adobe.com", b"Photoshop", b"\xff\xfe"):
            assert marker not in data[:4096]


def test_no_log_line_says_the_name(archive, alice, caplog):
    release_all(alice)
    heard = [*caplog.get_records("setup"), *caplog.records]
    lines = [f"{record.getMessage()} {record.exc_text}" for record in heard]
    assert lines
    assert [line for line in lines if says(line.encode())] == []


def test_no_point_of_an_index_says_the_name(archive, alice):
    Image.objects.get(name="said.png").captions.all().delete()
    release_all(alice)
    for each in index.both().values():
        points = [point for batch in each.scroll_all(scope=Scope.everything(), size=500) for point in batch.points]
        assert not says(str(points).encode())


def test_nothing_but_originals_and_the_database_is_left_on_the_disk(archive, alice, data_folder):
    Image.objects.get(name="said.png").captions.all().delete()
    release_all(alice)
    kept = data_folder / "files" / "originals"
    left = [path for path in data_folder.rglob("*") if path.is_file() and kept not in path.parents]
    assert [path.name for path in left if says(path.read_bytes()) or says(str(path.relative_to(data_folder)).encode())] == []
    assert not any(says(path.name.encode()) for path in kept.rglob("*"))


def test_messages_to_the_workers_carry_ids_only(collection, alice, monkeypatch, client, django_capture_on_commit_callbacks):
    sent: list[str] = []

    def listen(_producer, name, message, **options):
        sent.append(f"{name} {message} {options}")

    monkeypatch.setattr(app.amqp, "send_task_message", listen)
    client.force_login(alice)
    form = {"files": [SimpleUploadedFile(f"{SENTINEL}.png", NAMED["PNG tEXt"][1]())]}
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/collections/{collection.pk}/upload", form)
        run_tasks()
        release_all(alice)
    assert len(sent) >= 2
    assert not any(says(message.encode()) for message in sent)


def test_what_is_written_down_about_people_says_no_names_of_files(archive, alice):
    release_all(alice)
    rows = [*AuditEvent.objects.values(), *ImageChange.objects.values(), *Job.objects.values("kind", "arguments", "message")]
    assert not says(str(rows).encode())


def test_what_is_said_about_an_image_is_searched_too(collection, alice):
    said = Metadata(caption="Doe, Jane: a nephritis", extra={"patient": SENTINEL}, case="S24-1234")
    assert identity.found_in_words(said) == [
        ["caption", "last name, first name"],
        ["other fields", "date of birth"],
        ["other fields", "medical record number"],
    ]
