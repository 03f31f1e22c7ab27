"""What a table would change about images that are there already: looked at before it is done, and done the same way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from webapp.accounts.models import User
from webapp.library.field_rules import EXTRA
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, Image, UploadItem, text_key
from webapp.library.portrait import LABELS, sentence_case, shown
from webapp.library.slicing import slices
from webapp.library.tables import RowError, Said, SaidRow
from webapp.library.tables.mapping import Match, as_id
from webapp.library.tables.said import error, same_path

PREVIEWED = 20
CAPTION = "caption"
BETWEEN_CAPTIONS = " | "  # of one cell, as the tray's table writes several


@dataclass(frozen=True, kw_only=True)
class Change:
    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A row and an image that it is about."""

    row: SaidRow
    image: UUID


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``errors``: of rows that cannot be taken; ``strangers``: of rows that name no image here. ``silent``: images that no row
    names. ``total``: rows of the table.
    """

    planned: Sequence[Planned]
    errors: Sequence[RowError]
    strangers: Sequence[RowError]
    silent: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """``changed``: images that would change; ``same``: images that say it all already. ``lines``: of the first rows."""

    changed: int
    same: int
    lines: Sequence[tuple[SaidRow, UUID, Sequence[Change]]]


# --- which row is about which image -----------------------------------------------------------------------------------


def plan(collection: Collection, said: Said, *, user: User) -> Plan:
    """Of the images in ``collection`` that ``user`` may edit."""
    images = Image.objects.editable_by(user).filter(collection=collection)
    by_id = said.mapping is not None and said.mapping.match == Match.ID
    found = _by_id(images.values_list("pk", flat=True), said) if by_id else _by_name(images, said)
    planned, errors = [], list(said.errors)
    strangers: list[RowError] = []
    for row in said.rows:
        about = found.get(row.number, {})
        if not about:
            strangers.append(_error(said, row, f"No image of this collection is called «{row.key[:80]}»."))
        elif (meant := _meant(row, about, said)) is None:
            text = f"«{row.key[:80]}» is the name of {len(about)} images: write it with its path, or its id."
            errors.append(_error(said, row, text))
        else:
            planned += [Planned(row=row, image=pk) for pk in meant]
    planned, contradictions = _once(planned, said)
    errors = sorted([*errors, *contradictions], key=lambda each: each.row)
    named = {each.image for each in planned}
    return Plan(planned=planned, errors=errors, strangers=strangers, silent=images.count() - len(named), total=said.total)


Found = dict[int, dict[UUID, set[str]]]  # row's number -> images that it may be about -> how they are called


def _by_id(known: Iterable[UUID], said: Said) -> Found:
    here = set(known)
    return {row.number: {pk: {row.key}} for row in said.rows if (pk := as_id(row.key)) in here and pk is not None}


def _by_name(images: Any, said: Said) -> Found:
    """By every name that an image was sent under, in this collection or before it was moved here."""
    found: Found = defaultdict(lambda: defaultdict(set))
    sent: set[UUID] = set()
    items = UploadItem.objects.filter(image__in=images.order_by().values("pk")).exclude(name="")
    for name, image in items.values_list("name", "image").iterator(2000):
        sent.add(image)
        if row := said.row_of(name):
            found[row.number][image].add(name)
    for image, name in images.order_by().values_list("pk", "name").iterator(2000):
        if image not in sent and (row := said.row_of(name)):
            found[row.number][image].add(name)
    return found


def _meant(row: SaidRow, about: Mapping[UUID, set[str]], said: Said) -> list[UUID] | None:
    """None where it is not clear. Several pages of one file are meant together."""
    if len(about) == 1:
        return list(about)
    by_path = said.mapping is not None and said.mapping.match == Match.PATH
    exactly = [pk for pk, names in about.items() if by_path and any(same_path(row.key, name) for name in names)]
    if len(exactly) == 1:
        return exactly
    pages = Image.objects.filter(pk__in=(exactly or list(about))[:500]).exclude(page=None).values_list("pk", flat=True)
    return list(pages) if len(pages) == len(exactly or about) else None


def _once(planned: Sequence[Planned], said: Said) -> tuple[list[Planned], list[RowError]]:
    """An image that came in under two names may have two rows: both or none."""
    rows: dict[UUID, list[SaidRow]] = defaultdict(list)
    for each in planned:
        rows[each.image].append(each.row)
    unclear = {row.number: row for about in rows.values() if len({_key(row.metadata) for row in about}) > 1 for row in about}
    text = "Another row is about the same image under another name, and says something else."
    errors = [_error(said, row, text) for row in unclear.values()]
    kept: dict[UUID, Planned] = {}
    for each in planned:
        if each.row.number not in unclear:
            kept.setdefault(each.image, each)
    return list(kept.values()), errors


def _key(metadata: Metadata) -> str:
    return repr(sorted(metadata.as_dict().items()))


def _error(said: Said, row: SaidRow, text: str) -> RowError:
    return error(row.number, said.mapping.key_column if said.mapping else "", row.key, text, said.headings, row.cells)


# --- what it would change ---------------------------------------------------------------------------------------------


def wanted(image: Image, metadata: Metadata) -> Iterator[tuple[str, Any]]:
    """(field, its value) as the image will say it: what the row leaves empty stays, tags are added to those there are."""
    for name in LABELS:
        told = getattr(metadata, name)
        if name == "tags" and told:
            yield name, list(dict.fromkeys((*image.tags, *told)))
        elif name != "tags" and told not in ("", None):
            yield name, told
    for name, told in metadata.extra.items():
        yield f"{EXTRA}{name}", told


def captions(metadata: Metadata) -> list[str]:
    """Several of one cell."""
    return [text for each in metadata.caption.split(BETWEEN_CAPTIONS) if (text := each.strip())]


def changes(image: Image, known: Iterable[str], metadata: Metadata) -> list[Change]:
    """``known``: keys of the captions that the image has."""
    found = []
    for name, after in wanted(image, metadata):
        further = name.removeprefix(EXTRA) if name.startswith(EXTRA) else ""
        before = image.metadata.get(further, "") if further else getattr(image, name)
        if before != after:
            label = sentence_case(further) if further else LABELS[name]
            found.append(Change(label=label, before=shown(name, before), after=shown(name, after)))
    keys = set(known)
    found += [Change(label="Caption", before="", after=text) for text in captions(metadata) if text_key(text) not in keys]
    return found


def preview(planned: Sequence[Planned], n: int = PREVIEWED) -> Preview:
    changed = 0
    lines: list[tuple[SaidRow, UUID, Sequence[Change]]] = []
    for some in slices(planned):
        images = {
            each.pk: each for each in Image.objects.filter(pk__in=[each.image for each in some]).prefetch_related("captions")
        }
        for each in some:
            image = images.get(each.image)
            found = changes(image, [caption.key for caption in image.captions.all()], each.row.metadata) if image else []
            changed += bool(found)
            if len(lines) < n:
                lines.append((each.row, each.image, found))
    return Preview(changed=changed, same=len(planned) - changed, lines=lines)
