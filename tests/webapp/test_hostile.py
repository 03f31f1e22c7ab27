"""Whatever somebody sends, by whichever way: it ends within a minute and says why, and nothing but images is left of it.

The archives are hostile_zips.py's, the images and tables hostile_files.py's.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from embedder import Sandbox
from tests.webapp import hostile_zips as zips
from tests.webapp.conftest import picture, run_tasks
from tests.webapp.hostile_files import FILES, FORMULA, HTML, TABLES
from tests.webapp.test_tus import Sender
from tests.webapp.ways import Files, Way, beside, by_form, by_page, by_zip
from webapp import wiring
from webapp.library import files
from webapp.library.models import Image, ItemState, Upload
from webapp.library.receipts import receipt
from webapp.spreadsheets import FORMULA as BEGINS_A_FORMULA

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:PIL"), pytest.mark.timeout(300)]

MEMORY_BYTES = 3 * 2**29  # 1.5 GiB: this process and its decoders together
END_S = 60.0
DIED = {"decoder_crash", "timeout", "memory", "sandbox", "internal"}
KEPT = re.compile(r"files/(originals|display|thumbnails)/[0-9a-f]{2}/[0-9a-f-]{36}(\.jpg|\.png)?|vectors/.*")
PAGES = ("", "/state", "/lines", "/failures.csv", "/errors.csv")


# --- watching -----------------------------------------------------------------------------------------------------------


def memory_of(pid: int | str, what: str) -> int:
    """VmRSS or VmHWM, its peak, in bytes; 0 where the process has ended."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024
    return 0


@dataclass
class Watch:
    """The largest sum of what this process grew by and of the peaks of its decoders, sampled every few milliseconds."""

    sandbox: Sandbox
    peak: int = 0
    before: int = field(default_factory=lambda: memory_of("self", "VmRSS"))
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.004):
            grown = memory_of("self", "VmRSS") - self.before
            self.peak = max(self.peak, grown + sum(memory_of(pid, "VmHWM") for pid in self.sandbox.pids()))


def everything_in(folder: Path) -> dict[str, int]:
    """Size of every file, -1 for folders and what is neither."""
    return {str(path.relative_to(folder)): path.stat().st_size if path.is_file() else -1 for path in folder.rglob("*")}


@pytest.fixture(autouse=True)
def watched(quick_folder: Path, data_folder: Path, monkeypatch, settings) -> Iterator[Watch]:
    """Around every test: where files could escape to, what is left in the archive's own folder, memory."""
    outside = quick_folder / "outside"
    for name in ("temporary", "current"):
        (outside / name).mkdir(parents=True)
    (outside / "current" / "good.png").write_bytes(b"mine")
    monkeypatch.setattr(tempfile, "tempdir", str(outside / "temporary"))
    monkeypatch.chdir(outside / "current")
    before = everything_in(outside)
    with Sandbox(workers=1) as decoders, Watch(decoders) as watch:
        monkeypatch.setattr(wiring, "get_sandbox", lambda: decoders)
        yield watch
    assert everything_in(outside) == before
    assert {path.name for path in quick_folder.iterdir()} == {"outside", data_folder.name}
    assert list(settings.UPLOADS.iterdir()) == []
    left = [str(path.relative_to(data_folder)) for path in data_folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert [name for name in left if not KEPT.fullmatch(name)] == []
    assert watch.peak < MEMORY_BYTES


@pytest.fixture
def browser(signed_in, alice) -> Client:
    client: Client = signed_in(alice)
    return client


# not packed: what is packed very well already would be refused as it should be, and never looked at
WAYS: dict[str, Way] = {"form": by_form, "page": by_page, "zip": partial(by_zip, method=zipfile.ZIP_STORED)}


def ended(upload: Upload) -> dict[str, tuple[str, str]]:
    """name -> (state, reason) of every line, once all is done."""
    started = time.monotonic()
    run_tasks()
    assert time.monotonic() - started < END_S
    told = receipt(upload)
    assert told.done
    assert [item.name for item in told.items if item.state == "failed" and not item.reason_text] == []
    return {item.name: (item.state, item.reason) for item in told.items}


def answer_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def pages_answer(browser: Client, upload: Upload) -> None:
    for page in PAGES:
        answer = browser.get(f"/uploads/{upload.pk}{page}", headers={"HX-Request": "true"})
        assert answer.status_code in (200, 286, 404), page  # 286: htmx asks no more; 404: no table came with it
    assert browser.get(f"/collections/{upload.collection_id}").status_code == 200


# --- images -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_what_only_looks_like_an_image_ends_with_its_reason(browser, collection, way):
    sent = {hostile.name: hostile.make() for hostile in FILES.values()}
    upload = WAYS[way](browser, collection, sent | {"good.png": picture("tan", seed=9)}, None)
    found = ended(upload)
    assert found.pop("good.png") == ("ready", "")
    assert set(found) == set(sent)
    said = {what: found[hostile.name] for what, hostile in FILES.items()}
    wrong = {what: told for what, told in said.items() if (told[1] or told[0].replace("ready", "")) not in FILES[what].ends}
    assert wrong == {}
    assert {reason for _state, reason in said.values()} & DIED == set()
    pages_answer(browser, upload)
    for image in Image.objects.filter(collection=collection):
        assert_shown_as_an_image_alone(browser, image)


def assert_shown_as_an_image_alone(browser: Client, image: Image) -> None:
    """What somebody else would open is made anew; the file itself is given to editors, to be kept and not to be shown."""
    assert browser.get(f"/images/{image.pk}").status_code == 200
    for kind in ("display", "thumbnail"):
        shown = browser.get(f"/images/{image.pk}/{kind}")
        if shown.status_code != 404:  # one that failed has none
            assert (shown["Content-Type"], shown["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
            content = answer_of(shown)
            assert content.startswith(b"\xff\xd8")
            assert HTML not in content
    given = browser.get(f"/images/{image.pk}/original")
    given.close()
    assert (given["Content-Type"], given["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert given["Content-Disposition"].startswith("attachment")


# --- archives -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["form", "page"])
def test_every_hostile_archive_is_refused_with_its_reason(browser, collection, way):
    for what, (make, reason) in zips.REFUSED.items():
        upload = WAYS[way](browser, collection, {"slides.zip": make()}, None)
        assert (what, ended(upload)) == (what, {"slides.zip": ("failed", reason)})
        pages_answer(browser, upload)
    assert not Image.objects.exists()
    assert everything_in(files.root() / files.ARCHIVES) == {}


LIES: dict[str, tuple[Callable[[], bytes], str]] = {
    "less than it says": (lambda: zips.lying(10_000), "lying_size"),
    "more than it says": (lambda: zips.lying(10), "lying_size"),
    "50 megabytes more than it says": (lambda: zips.lying(1000, real=bytes(50_000_000)), "lying_size"),
    "another checksum": (lambda: zips.lying(len(zips.GOOD["a.png"]), crc=7), "checksum"),
    "an archive by another name": (lambda: zips.packed({"a.png": zips.packed()}), "nested"),
}


@pytest.mark.parametrize("way", ["form", "page"])
def test_a_file_that_is_not_what_its_archive_says_fails_alone(browser, collection, way):
    for what, (make, reason) in LIES.items():
        upload = WAYS[way](browser, collection, {"slides.zip": make()}, None)
        assert (what, ended(upload)) == (what, {"a.png": ("failed", reason)})
        pages_answer(browser, upload)
    assert not Image.objects.exists()


NAMES = [
    "../../evil.png", "/etc/evil.png", "C:\\evil.png", "con.png", "a\0b.png",
    "\u202egnp.png", "\ud800.png", "x" * 3000 + ".png",
]  # fmt: skip


def test_a_name_that_leads_elsewhere_is_a_name_and_nothing_more(browser, collection):
    """By tus, whose client may say any name; browsers and Django's form reader leave the last part alone."""
    sent = [(name, picture(seed=number)) for number, name in enumerate(NAMES)]
    sender = Sender(browser)
    for item, (_name, data) in zip(sender.announce(collection, *sent), sent, strict=True):
        assert sender.patch(item["address"], data).status_code == 204
    upload = collection.uploads.get()
    assert {state for state, _reason in ended(upload).values()} == {"ready"}
    assert receipt(upload).counts["ready"] == len(NAMES)
    pages_answer(browser, upload)


# --- tables -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", TABLES)
def test_a_hostile_table_is_read_or_refused_before_anything_is_kept(browser, collection, what):
    table, is_read = TABLES[what]
    form = {"files": [SimpleUploadedFile("good.png", picture())]}
    listed = {"files": json.dumps([["good.png", 100, ""]])}
    by_form_told = browser.post(f"/collections/{collection.pk}/upload", form | beside(table))
    checked = browser.post(f"/collections/{collection.pk}/check", listed | beside(table))
    announced = browser.post(f"/collections/{collection.pk}/announce", listed | beside(table))
    statuses = (by_form_told.status_code, checked.status_code, announced.status_code)
    assert statuses == ((302, 200, 201) if is_read else (422, 422, 422))
    assert Upload.objects.count() == (2 if is_read else 0)
    if not is_read:
        assert announced.json()["detail"].count(".") >= 1
    for upload in Upload.objects.all():
        upload.items.filter(state=ItemState.PENDING).delete()
        ended(upload)
        pages_answer(browser, upload)


@pytest.mark.parametrize("what", TABLES)
def test_a_hostile_table_in_an_archive_costs_itself_alone(browser, collection, what):
    table, is_read = TABLES[what]
    upload = WAYS["zip"](browser, collection, {"good.png": picture()}, table)
    found = ended(upload)
    assert found["good.png"] == ("ready", "")
    assert found["captions.csv"] == (("attached", "") if is_read else ("failed", "bad_table"))
    pages_answer(browser, upload)


def test_no_table_that_goes_out_begins_a_formula(browser, collection):
    table, _ = TABLES["formulas"]
    form = {"files": [SimpleUploadedFile("good.png", picture()), SimpleUploadedFile("=1+1.png", b"no picture")]}
    answer = browser.post(f"/collections/{collection.pk}/upload", form | beside(table))
    run_tasks()
    image = Image.objects.get(name="good.png")
    assert image.captions.get().text == FORMULA
    receipt_page = answer["Location"]
    told = [answer_of(browser.get(f"{receipt_page}/{name}.csv")) for name in ("errors", "failures")]
    told.append(answer_of(browser.post("/selected/csv", {"images": str(image.pk)})))
    for content in told:
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
        assert len(rows) >= 2
        assert [cell for row in rows for cell in row if cell.startswith(BEGINS_A_FORMULA)] == []


SIDECARS = {
    "json": [b"[" * 200_000, b'{"caption": ' * 50_000, b"\0" * 100, b"\xff\xfe\0", b'{"mpp": 1e999}', b'{"mpp": NaN}', b"[]"],
    "txt": [b"\0" * 100, b"\xff\xfe\0", b"x" * 900_000, FORMULA.encode(), b"\x81\x8d", HTML],
}


@pytest.mark.parametrize("suffix", SIDECARS)
def test_hostile_words_beside_an_image_cost_themselves_alone(browser, collection, suffix):
    sent: Files = {}
    for number, words in enumerate(SIDECARS[suffix]):
        sent |= {f"{number}.png": picture(seed=number), f"{number}.{suffix}": words}
    upload = by_form(browser, collection, sent, None)
    found = ended(upload)
    assert {state for name, (state, _) in found.items() if name.endswith(".png")} <= {"ready", "held"}
    assert {state for name, (state, _) in found.items() if name.endswith(suffix)} <= {"attached", "failed"}
    pages_answer(browser, upload)
