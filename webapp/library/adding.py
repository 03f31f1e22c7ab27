"""Files from this machine's disks into a collection: by this process, or by the one that serves the data folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from webapp.accounts.models import Team, User
from webapp.client import Client
from webapp.library import files, ingest, sidecars, tables, working
from webapp.library.kinds import ARCHIVES, IMAGES, NewFile, plain
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, Upload
from webapp.library.receipts import receipt
from webapp.library.tables import RowError, Said

SUFFIXES = IMAGES | ARCHIVES  # of files in folders; one that is named itself is always tried
CAPTIONS = ("captions.csv", "captions.xlsx", "metadata.csv", "metadata.xlsx")  # the first of them in a folder speaks of its files
LOOK_EVERY_S = 0.5
FIRST_TEAM = "Lab"


@dataclass(frozen=True)
class Found:
    """``name``: the path below the folder that was named, with slashes; what a captions file calls it."""

    path: Path
    name: str

    def announced(self, *, hashed: bool = False) -> NewFile:
        """``hashed``: read once for its checksum; without one where it cannot be read."""
        return NewFile(self.name, self.path.stat().st_size, _digest(self.path) if hashed else "")


def find_files(paths: Sequence[Path]) -> Iterator[Found]:
    """Images in the order of their names; hidden files and folders are left out. Raises FileNotFoundError."""
    for path in paths:
        if path.is_dir():
            yield from _in_folder(path)
        elif path.exists():
            yield Found(path, path.name)
        else:
            raise FileNotFoundError(path)


def _in_folder(folder: Path) -> Iterator[Found]:
    """Images, archives, and words that lie beside an image of their name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _hidden(path.relative_to(folder))]
    names = [path.relative_to(folder).as_posix() for path in files]
    wanted = {name for name in names if Path(name).suffix.lower() in SUFFIXES}
    beside = {words for words, image in sidecars.pair(names).items() if image in wanted}
    yield from (Found(path, name) for path, name in zip(files, names, strict=True) if name in wanted | beside)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _digest(path: Path) -> str:
    try:
        with files.open_regular(path) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def collection_called(name: str, *, team: str | None, user: User | None) -> Collection:
    """By name or id; made where there is none, or without ``user`` only thought of. Raises LookupError where unclear."""
    found = [each for each in Collection.objects.select_related("team") if name in (each.name, str(each.pk))]
    found = [each for each in found if team in (None, each.team.name)]
    if len(found) > 1:
        raise LookupError(f"Several collections are called {name!r}: name the team with --team.")
    if found:
        return found[0]
    if user is None:
        return Collection(team=Team.objects.filter(**{"name": team} if team else {}).first() or Team(name=FIRST_TEAM), name=name)
    return Collection.objects.create(team=_team(team), name=name, made_by=user)


def _team(name: str | None) -> Team:
    if name is None and Team.objects.count() > 1:
        raise LookupError("Name the team of the new collection with --team.")
    if name is None:
        return Team.objects.first() or Team.objects.create(name=FIRST_TEAM)
    return Team.objects.get_or_create(name=name)[0]


# --- tables beside them -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """What one table says of the files, or each folder's own."""

    tables: Sequence[Said] = ()

    @classmethod
    def read(cls, paths: Sequence[Path], collection: Collection, names: Sequence[str]) -> Words:
        """Raises BadTable, and OSError."""
        return cls([_said(path, collection).among(names) for path in paths])

    def of(self, name: str) -> Metadata:
        return next((told for table in self.tables if (told := table.of(name)) != Metadata()), Metadata())

    def keys(self) -> list[tuple[int, str]]:
        return [key for table in self.tables for key in table.keys()]  # noqa: SIM118  no mapping, a table

    def unused(self, names: Iterable[str]) -> list[tuple[int, str]]:
        listed = list(names)
        return [row for table in self.tables for row in table.unused(listed)]

    def unnamed(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if all(table.row_of(name) is None for table in self.tables)]

    @property
    def errors(self) -> list[RowError]:
        return [error for table in self.tables for error in table.errors]

    def keep_errors(self, upload: Upload) -> None:
        upload.table_errors = [error.as_dict() for error in self.errors]
        upload.save(update_fields=["table_errors"])


def _said(path: Path, collection: Collection) -> Said:
    sheet = tables.read(path.read_bytes(), path.name)
    return tables.validated(sheet, tables.mapping_for(collection, sheet), collection)


# --- two ways in ------------------------------------------------------------------------------------------------------


class Way(Protocol):
    """How files get in. Items are ReceiptItems' fields: the files' own first, in their order, then those out of archives."""

    ids: list[int]  # of the files' own items

    def start(self, collection: Collection, found: Sequence[Found], defaults: Metadata, said: Words) -> None: ...
    def send(self, number: int, path: Path) -> None: ...
    def wait(self, tell: Callable[[list[dict[str, Any]]], None]) -> None: ...
    def items(self) -> list[dict[str, Any]]: ...


class Here:
    """Nothing serves the data folder: this process does the work itself, or in production hints to the workers."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._upload: Upload | None = None
        self.ids: list[int] = []

    def start(self, collection: Collection, found: Sequence[Found], defaults: Metadata, said: Words) -> None:
        announced = [each.announced() for each in found]
        self._upload = ingest.start_upload(
            user=self._user, collection=collection, source="command", files=announced, defaults=defaults, said=said
        )
        said.keep_errors(self._upload)
        self._rows = list(self._upload.items.select_related("upload__collection__team", "upload__user").order_by("pk"))
        self.ids = [row.pk for row in self._rows]

    def send(self, number: int, path: Path) -> None:
        ingest.accept(self._rows[number], path)

    def wait(self, tell: Callable[[list[dict[str, Any]]], None]) -> None:
        if settings.EMBEDDED:
            working.work(after_round=lambda: tell(self.items()))
            return
        while not all(item["done"] for item in self.items()):
            tell(self.items())
            time.sleep(LOOK_EVERY_S)

    def items(self) -> list[dict[str, Any]]:
        if self._upload is None:
            return []
        return [vars(item) | {"done": item.done} for item in receipt(self._upload).items]


class There:
    """Through the API of the process that serves the data folder: by tus, so that a large file survives a restart of it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._told: dict[str, Any] = {"items": [], "done": True}
        self.ids: list[int] = []

    def start(self, collection: Collection, found: Sequence[Found], defaults: Metadata, said: Words) -> None:
        files = [
            {"name": plain(each.name), "bytes": each.path.stat().st_size, "metadata": said.of(each.name).as_dict()}
            for each in found
        ]  # fmt: skip
        body = {"collection": str(collection.pk), "files": files, "defaults": defaults.as_dict(), "source": "command"}
        self._told = self._client.post("/uploads", body)
        self.ids = [item["id"] for item in self._told["items"]]
        self._addresses = [item["address"] for item in self._told["items"]]

    def send(self, number: int, path: Path) -> None:
        """What was refused when it was announced has no address, and is not sent."""
        if self._addresses[number]:
            self._client.send_file(self._addresses[number], path)

    def wait(self, tell: Callable[[list[dict[str, Any]]], None]) -> None:
        while not self._look()["done"]:
            tell(self._told["items"])
            time.sleep(LOOK_EVERY_S)
        tell(self._told["items"])

    def items(self) -> list[dict[str, Any]]:
        return list(self._look()["items"])

    def _look(self) -> dict[str, Any]:
        """All items, a page after the other."""
        told = self._client.get(f"/uploads/{self._told['id']}")
        items, after = list(told["items"]), told["next_after"]
        while after is not None:
            page = self._client.get(f"/uploads/{self._told['id']}?after={after}")
            items, after = items + list(page["items"]), page["next_after"]
        self._told = told | {"items": items}
        return self._told
