"""What the site's tests share: a data folder, a cast, and images that go the real way with the fake encoder.

The cast: alice edits for team A, bob views it, carol owns it; charlie owns team B and must never see anything of A's.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import override_settings
from PIL import Image as Pictures

import search.errors
from embedder import Encoder, Sandbox
from embedder.fake import FakeEncoder
from tests.webapp.buckets import bucket  # noqa: F401  a fixture
from webapp import wiring
from webapp.accounts.models import Membership, Role, Team, User
from webapp.library import files, ingest, jobs, pixels, sending, working
from webapp.library.identity_defaults import DEFAULTS
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, IdentityPattern, Image, Upload, UploadItem, Visibility

PASSWORD = "a long enough password"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One decoder for the whole run: starting it takes longer than most tests."""
    with Sandbox(workers=1) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def static_root(tmp_path_factory) -> Iterator[None]:
    """A folder that exists, before a live server starts: whitenoise warns of a missing one, and a clean clone has built none."""
    with override_settings(STATIC_ROOT=str(tmp_path_factory.mktemp("static"))):
        yield


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """In memory where the system has such a place: making an index forces hundreds of small files onto the disk."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def data_folder(settings, monkeypatch, quick_folder: Path, sandbox: Sandbox) -> Iterator[Path]:
    """An empty data folder, the fake encoder, and nothing kept from another test."""
    settings.CONCHIVE_DATA = quick_folder / "data"
    settings.UPLOADS = settings.CONCHIVE_DATA / "uploads"
    settings.UPLOADS.mkdir(parents=True)
    settings.FILE_UPLOAD_TEMP_DIR = str(settings.UPLOADS)
    settings.CONCHIVE_ENCODER = "fake"
    settings.QDRANT_URL = ""
    settings.DECODE_WORKERS = 0  # threads beside the test's own could not see its database
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    settings.RATES = dict.fromkeys(settings.RATES, "")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    wiring.forget()
    pixels.forget_held()
    sending.forget_outage()
    monkeypatch.setattr(wiring, "get_sandbox", lambda: sandbox)  # not forgotten with the rest: that would close it for all
    cache.clear()
    yield settings.CONCHIVE_DATA
    wiring.forget()


# --- the cast ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def team_a(db) -> Team:
    return Team.objects.create(name="Team A")


@pytest.fixture
def team_b(db) -> Team:
    return Team.objects.create(name="Team B")


def _member(name: str, team: Team, role: Role) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    Membership.objects.create(user=user, team=team, role=role)
    return user


@pytest.fixture
def alice(team_a: Team) -> User:
    """An editor of team A."""
    return _member("alice", team_a, Role.EDITOR)


@pytest.fixture
def bob(team_a: Team) -> User:
    """A viewer of team A."""
    return _member("bob", team_a, Role.VIEWER)


@pytest.fixture
def carol(team_a: Team) -> User:
    """An owner of team A."""
    return _member("carol", team_a, Role.OWNER)


@pytest.fixture
def charlie(team_b: Team) -> User:
    """An owner of team B, an outsider to A."""
    return _member("charlie", team_b, Role.OWNER)


@pytest.fixture
def collection(team_a: Team, alice: User) -> Collection:
    """Team A's, seen by all of the team."""
    return Collection.objects.create(team=team_a, name="Kidneys", made_by=alice, visibility=Visibility.TEAM)


@pytest.fixture
def foreign_collection(team_b: Team, charlie: User) -> Collection:
    """Team B's."""
    return Collection.objects.create(team=team_b, name="Livers", made_by=charlie, visibility=Visibility.TEAM)


@pytest.fixture
def patterns(db) -> None:
    """The identity patterns: a test with real transactions empties every table after itself, and no migration comes again."""
    IdentityPattern.objects.bulk_create([IdentityPattern(**asdict(each)) for each in DEFAULTS], ignore_conflicts=True)


# --- images -----------------------------------------------------------------------------------------------------------


def picture(colour: str | tuple[int, int, int] = "pink", *, size: tuple[int, int] = (64, 64), seed: int = 0) -> bytes:
    """A PNG of one colour; ``seed`` makes its bytes differ from others by one corner."""
    drawn = Pictures.new("RGB", size, colour)
    drawn.putpixel((0, 0), (seed % 256, seed // 256 % 256, 7))
    packed = io.BytesIO()
    drawn.save(packed, "PNG")
    return packed.getvalue()


def add(collection: Collection, files: dict[str, bytes], *, user: User | None = None, **metadata: Any) -> Upload:
    """One upload of these files, accepted; nothing is decoded yet."""
    said = Metadata.from_mapping(metadata)
    announced = [ingest.NewFile(name, len(data)) for name, data in files.items()]
    upload = ingest.start_upload(user=user, collection=collection, source="api", files=announced)
    for item, data in zip(upload.items.order_by("pk"), files.values(), strict=True):
        ingest.accept(item, io.BytesIO(data), metadata=said)
    return upload


def added(collection: Collection, data: bytes, *, name: str = "field.png", **metadata: Any) -> UploadItem:
    """The item of a file that was just accepted, refused or found to be a duplicate."""
    item = add(collection, {name: data}, **metadata).items.select_related("image").first()
    assert item is not None
    return item


def stored(collection: Collection, data: bytes, *, name: str = "field.png", **metadata: Any) -> Image:
    """The image of a file that was just accepted."""
    image = added(collection, data, name=name, **metadata).image
    assert image is not None
    return image


def run_tasks() -> None:
    """Everything that waits is done, here and now."""
    working.work(threads=0)


def run_jobs() -> None:
    """The jobs alone: their images are accepted, and nobody decodes them."""
    while waiting := list(jobs.waiting().values_list("pk", flat=True)):
        for pk in waiting:
            jobs.run(pk)


def on_disk(name: str) -> Path:
    """Where the folder's store has a file of this name."""
    return files.root() / name


MakeImage = Callable[..., Image]


@pytest.fixture
def make_image(collection: Collection) -> MakeImage:
    """make_image("brown", caption=…, stain=…, collection=…, ready=True): an image that went the real way."""
    made = 0

    def make(
        colour: str | tuple[int, int, int] = "pink",
        *,
        size: tuple[int, int] = (64, 64),
        ready: bool = True,
        into: Collection | None = None,
        name: str = "",
        **metadata: Any,
    ) -> Image:
        nonlocal made
        made += 1
        data = picture(colour, size=size, seed=made)
        item = added(into or collection, data, name=name or f"{colour}-{made}.png", **metadata)
        assert item.image is not None
        if ready:
            run_tasks()
        return Image.objects.get(pk=item.image.pk)

    return make


@pytest.fixture
def broken_index(monkeypatch):
    """The vector index does not answer from here on."""

    def away(name: str):
        raise search.errors.IndexUnavailable(f"the index of {name} does not answer")

    monkeypatch.setattr(wiring, "_open_index", away)
    for name in ("get_image_index", "get_text_index"):
        if (made := wiring._MADE.pop(name, None)) is not None:
            made.close()  # type: ignore[attr-defined]


def told(answer: Any) -> str:
    """What a page says, as HTML."""
    return str(answer.content.decode())


@pytest.fixture
def signed_in(client):
    """signed_in(user) -> a test client that ``user`` has signed in with."""

    def sign_in(user: User):
        client.force_login(user)
        return client

    return sign_in


class OtherEncoder(FakeEncoder):
    """Another fingerprint, and vectors that point the other way."""

    spec = replace(FakeEncoder.spec, weights_sha256="f" * 64)

    def project(self, probe):
        return -super().project(probe)


@pytest.fixture
def other_encoder(monkeypatch) -> Callable[[], Encoder]:
    """other_encoder(): from now on this process has loaded another encoder."""

    def change() -> Encoder:
        encoder = OtherEncoder()
        monkeypatch.setitem(wiring._MADE, "get_encoder", encoder)
        return encoder

    return change
