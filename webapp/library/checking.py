"""What would become of files, told before a byte moves: their names, sizes and checksums against the archive and each other.

Nothing is written. What lies in collections that the asker does not see is neither compared nor told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol
from uuid import UUID

from webapp.accounts.models import Team, User
from webapp.library import identity, quotas, sidecars, tables
from webapp.library.kinds import NewFile, kinds, last_part, may_be_image
from webapp.library.metadata import Metadata
from webapp.library.models import REPLACEABLE, Collection, Image, Kind
from webapp.library.models.collections import CollectionQuerySet
from webapp.library.models.images import ImageQuerySet
from webapp.library.slicing import slices


class Verdict(StrEnum):
    """NEW, IDENTITY, ATTACHED and ARCHIVE are sent, the others end where they are."""

    NEW = "new"
    DUPLICATE = "duplicate"
    TWICE = "twice"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    IDENTITY = "identity"
    ATTACHED = "attached"
    ARCHIVE = "archive"


SENT = frozenset({Verdict.NEW, Verdict.IDENTITY, Verdict.ATTACHED, Verdict.ARCHIVE})


class Said(Protocol):
    """A table about files."""

    def of(self, name: str) -> Metadata:
        """What it says of a file; nothing where it does not name it."""

    def keys(self) -> list[tuple[int, str]]:
        """(row, what it calls its file)"""

    def unused(self, names: Iterable[str]) -> list[tuple[int, str]]:
        """Those of keys() that name none of these files."""

    def unnamed(self, names: Iterable[str]) -> list[str]:
        """Those of the files that no row names."""


@dataclass(frozen=True)
class ByName:
    """What a sender says of each file itself; no table, so nothing of it can name a file that is not there."""

    told: Mapping[str, Metadata]

    def of(self, name: str) -> Metadata:
        return self.told.get(name, Metadata())

    def keys(self) -> list[tuple[int, str]]:
        return list(enumerate(self.told, 1))

    def unused(self, names: Iterable[str]) -> list[tuple[int, str]]:
        del names
        return []

    def unnamed(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if self.of(name) == Metadata()]


@dataclass(frozen=True)
class Checked:
    """``image``: the one that a duplicate repeats. ``held``: it waits for a review before it is searchable."""

    name: str
    bytes: int | None
    verdict: Verdict
    text: str = ""
    image: UUID | None = None
    held: bool = False
    kind: Kind = Kind.FILE

    @property
    def is_sent(self) -> bool:
        return self.verdict in SENT


@dataclass(frozen=True)
class Check:
    """``files`` in the order in which they were asked about. ``refusal``: why none of them may start; empty otherwise.

    ``rows_for_archives``: how many rows of the table name none of them and may be about what comes out of an archive.
    """

    files: list[Checked]
    rows_without_file: list[tuple[int, str]] = field(default_factory=list)
    files_without_row: list[str] = field(default_factory=list)
    refusal: str = ""
    reason: str = ""
    rows_for_archives: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Of those verdicts that there are."""
        return dict(Counter(str(each.verdict) for each in self.files))


def check(collection: Collection, files: Sequence[NewFile], *, user: User | None, said: Said | None = None) -> Check:
    """``user``: whose other collections may be named; must be known to be an editor of ``collection``."""
    try:
        quotas.check_count(len(files))
    except quotas.NoRoom as many:
        return Check([], refusal=many.text, reason=many.reason)
    judged = _judged(collection, files, user)
    compared = _compared(judged, said)
    try:
        check_room(collection.team, judged)
    except quotas.NoRoom as full:
        return replace(compared, refusal=full.text, reason=full.reason)
    return compared


def check_room(team: Team, judged: Iterable[Checked]) -> None:
    """For what is to be sent. Raises quotas.NoRoom."""
    sent = [each for each in judged if each.is_sent]
    total = sum(each.bytes or 0 for each in sent)
    if sent:
        quotas.check(team, bytes=total, files=len(sent))
        quotas.check_disk(total)


# --- one file -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """What there is already: by checksum, here and in other collections in sight; sizes by name, here."""

    here: Mapping[str, UUID]
    elsewhere: Mapping[str, str]
    sizes: Mapping[str, set[int]]


def _judged(collection: Collection, files: Sequence[NewFile], user: User | None) -> list[Checked]:
    known, rules = _known(collection, files, user), identity.for_names()
    seen: dict[str, str] = {}
    judged: list[Checked] = []
    for file, kind in zip(files, kinds([file.name for file in files]), strict=True):
        verdict, text, image = refused(file, kind) or _repeated(file, known, seen) or _taken(file, kind, known, rules)
        judged.append(Checked(file.name, file.bytes, verdict, text, image, held=verdict == Verdict.IDENTITY, kind=kind))
        if file.sha256 and judged[-1].is_sent:
            seen[file.sha256] = file.plain
    return judged


_Judgement = tuple[Verdict, str, UUID | None]


def refused(file: NewFile, kind: Kind) -> _Judgement | None:
    """Of a file that is not taken whatever is there already: the verdict, why, and no image."""
    most, setting = quotas.largest(kind)
    if file.bytes == 0:
        return Verdict.EMPTY, "The file is empty (0 bytes).", None
    if kind == Kind.FILE and not may_be_image(file.name):
        return Verdict.UNSUPPORTED, unsupported(file.plain), None
    if file.bytes is not None and file.bytes > most:
        return Verdict.TOO_LARGE, f"The file has {quotas.size(file.bytes)}; the limit is {quotas.size(most)} ({setting}).", None
    return None


def _repeated(file: NewFile, known: _Known, seen: Mapping[str, str]) -> _Judgement | None:
    if file.sha256 in known.here:
        return Verdict.DUPLICATE, "The same file is already in this collection.", known.here[file.sha256]
    if file.sha256 in seen:
        return Verdict.TWICE, f"The same bytes as {last_part(seen[file.sha256])} in this upload.", None
    return None


def _taken(file: NewFile, kind: Kind, known: _Known, rules: identity.Rules) -> _Judgement:
    if kind == Kind.ARCHIVE:
        return Verdict.ARCHIVE, "Its files are looked at when it has arrived.", None
    if kind == Kind.SIDECAR:
        return Verdict.ATTACHED, "Read beside its image.", None
    if found := identity.in_name(file.plain, rules):
        text = f"Its name looks like patient data ({', '.join(found)}): it is held for review."
        return Verdict.IDENTITY, text, None
    return Verdict.NEW, _remark(file, known), None


def _remark(file: NewFile, known: _Known) -> str:
    """What an uploader would want to know of a file that is taken all the same."""
    if file.sha256 in known.elsewhere:
        return f"Also in {known.elsewhere[file.sha256]}."
    sizes = known.sizes.get(last_part(file.plain), set())
    if not file.sha256 and file.bytes in sizes:
        return "A file of this name and size is there already; the bytes are compared when it arrives."
    return "Another file of this name is there already; both are kept." if sizes else ""


def unsupported(name: str) -> str:
    """Why a file of this name is not sent, and what to do instead."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in tables.SUFFIXES:
        return "A table is chosen beside the images, as the upload's table."
    if suffix in sidecars.SUFFIXES:
        return "Words beside an image are called as the image is; here no image is called so, or more than one."
    return f"Files of this kind ({suffix[:20]}) are not read: images, DICOM and zip archives are."


# --- what is known ------------------------------------------------------------------------------------------------------


def _known(collection: Collection, files: Sequence[NewFile], user: User | None) -> _Known:
    digests = {file.sha256 for file in files if file.sha256}
    visible = Collection.objects.none() if user is None else Collection.objects.visible_to(user).exclude(pk=collection.pk)
    here: dict[str, UUID] = {}
    elsewhere: dict[str, str] = {}
    sizes: dict[str, set[int]] = {}
    for some in slices(digests):
        alive = Image.objects.order_by().exclude(state__in=REPLACEABLE).filter(sha256__in=some)
        here |= dict(alive.filter(collection=collection).values_list("sha256", "pk"))
        elsewhere |= dict(_in_sight(alive, visible, user).values_list("sha256", "collection__name"))
    for some in slices({last_part(file.plain) for file in files}):
        named = Image.objects.order_by().exclude(state__in=REPLACEABLE).filter(collection=collection, name__in=some)
        for name, size in named.values_list("name", "bytes"):
            sizes.setdefault(name, set()).add(size)
    return _Known(here, elsewhere, sizes)


def _in_sight(images: ImageQuerySet, visible: CollectionQuerySet, user: User | None) -> ImageQuerySet:
    return images.none() if user is None else images.visible_to(user).filter(collection__in=visible)


# --- the table ----------------------------------------------------------------------------------------------------------


def _compared(judged: list[Checked], said: Said | None) -> Check:
    """The files with the rows that name none of them, and the images that no row names."""
    if said is None:
        return Check(judged)
    rows = said.unused(each.name for each in judged)
    images = (each for each in judged if each.verdict not in (Verdict.ATTACHED, Verdict.ARCHIVE, Verdict.UNSUPPORTED))
    names = said.unnamed(each.name for each in images)
    if any(each.verdict == Verdict.ARCHIVE for each in judged):  # what is in it nobody knows yet
        return Check(judged, files_without_row=names, rows_for_archives=len(rows))
    return Check(judged, rows, names)
