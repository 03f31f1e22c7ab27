"""Words beside an image: a .txt with its caption, a .json with its fields, called as the image is.

Which came first makes no difference, and neither does receiving one twice. A table's row about the image says it better, an
upload's defaults say it worse, and what a person has changed since stays.
"""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from webapp.library import identity, leases, review
from webapp.library.field_rules import EXTRA, OWN, Rules, as_metadata, folded
from webapp.library.metadata import MAX_EXTRA, BadMetadata, Metadata
from webapp.library.models import Caption, Image, ItemState, Kind, UploadItem, text_key
from webapp.library.sending import send_changed
from webapp.library.slicing import slices
from webapp.library.tables.decoding import NoText, decoded
from webapp.library.tables.mapping import FIELD_CALLED, IDENTITY, IGNORED, OURS, letters

SUFFIXES = (".txt", ".json")
OTHERS = (".csv", ".tsv", ".xls", ".xlsx", ".xlsm", ".ods", ".zip", ".xml", ".md", ".pdf", ".html", ".htm", ".ini", ".log", ".db")
MOST_BYTES = 1 << 20
WORDS = ("stain", "organ", "finding", "case", "slide", "mpp")
DEEPEST, MOST_VALUES = 4, 1000
BY_JSON = "caption from json"  # in an image's item: the caption that a .txt is to replace, whichever came first


class BadSidecar(ValueError):
    """It cannot be read; the sentence says why."""


# --- which image ------------------------------------------------------------------------------------------------------


def pair(names: Iterable[str]) -> dict[str, str]:
    """Sidecar -> its image, both as named: ``a.txt`` or ``a.jpg.txt`` beside ``a.jpg``, in any case and composition of letters.

    One that several images could be meant by has none.
    """
    beside: dict[str, list[str]] = defaultdict(list)
    sidecars = []
    for name in names:
        if _suffix(name) in SUFFIXES:
            sidecars.append(name)
        elif _suffix(name) not in OTHERS:
            for key in {_plain(name), _stem(name)}:
                beside[key].append(name)
    found = {name: beside.get(_stem(name), []) for name in sidecars}
    return {name: images[0] for name, images in found.items() if len(images) == 1}


def link(items: Sequence[UploadItem]) -> None:
    """Writes down which image's item each sidecar among these saved items belongs to, so that none has to be looked for."""
    by_name = {item.name: item for item in items}
    linked = []
    for sidecar, image in pair(by_name).items():
        item = by_name[sidecar]
        if item.kind == Kind.SIDECAR and item.parent_id == by_name[image].parent_id:
            item.metadata = {"beside": by_name[image].pk}
            linked.append(item)
    for some in slices(linked):
        UploadItem.objects.bulk_update(some, ["metadata"])


def _suffix(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2]
    return "." + last.rpartition(".")[2].lower() if "." in last[1:] else ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/").casefold()


def _stem(name: str) -> str:
    suffix = _suffix(name)
    return _plain(name)[: -len(suffix)] if suffix else _plain(name)


def _image_item(item: UploadItem) -> UploadItem | None:
    """The item of the image that this sidecar belongs to."""
    linked = item.metadata.get("beside") if isinstance(item.metadata, dict) else None
    beside = UploadItem.objects.filter(upload=item.upload_id, parent=item.parent_id).exclude(kind=Kind.SIDECAR)
    if linked is not None:
        return beside.filter(pk=linked).first()
    names = {row.name: row.pk for row in beside.only("pk", "name")}
    image = pair([item.name, *names]).get(item.name)
    return beside.filter(pk=names[image]).first() if image else None


# --- what it says -----------------------------------------------------------------------------------------------------


def read(name: str, data: bytes, rules: Rules) -> Metadata:
    """Raises BadSidecar."""
    if len(data) > MOST_BYTES:
        raise BadSidecar(f"The file is larger than {MOST_BYTES // 1024:,} KB, which no text beside an image is.")
    try:
        text, _ = decoded(data)
    except NoText as bad:
        raise BadSidecar(f"The file {bad}: save it as UTF-8.") from None
    if not text.strip():
        raise BadSidecar("The file is empty.")
    told = _fields(text, rules) if _suffix(name) == ".json" else {"caption": text}
    try:
        kept = {field: rules.checked(field, value) for field, value in told.items()}
    except BadMetadata as bad:
        raise BadSidecar(str(bad)) from bad
    return as_metadata(kept)


def _fields(text: str, rules: Rules) -> dict[str, Any]:
    try:
        said = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except RecursionError:
        raise BadSidecar("The JSON is nested too deeply.") from None
    except json.JSONDecodeError as exc:
        raise BadSidecar(f"The file is not JSON: line {exc.lineno:,}, column {exc.colno:,}.") from None
    except ValueError as exc:
        raise BadSidecar(str(exc) if isinstance(exc, BadSidecar) else "The JSON has a number that is too long.") from None
    if not isinstance(said, dict):
        raise BadSidecar("The JSON is not an object of names and values.")
    told: dict[str, Any] = {}
    for name, value in _flat(said, "", 1):
        field = _called(name, rules)
        if field in told and field != IGNORED:
            raise BadSidecar(f"The JSON says {field[:40]} twice.")
        told[field] = value
        if len(told) > MAX_EXTRA + len(OWN):
            raise BadSidecar(f"The JSON has more than {MAX_EXTRA} fields.")
    told.pop(IGNORED, None)
    return told


def _flat(said: Mapping[str, Any], above: str, depth: int) -> Iterator[tuple[str, Any]]:
    """``{"scanner": {"name": "x"}}`` is «scanner.name»: x. Lists of values become one, parted by semicolons."""
    if depth > DEEPEST:
        raise BadSidecar(f"The JSON is nested more than {DEEPEST} deep.")
    for name, value in said.items():
        full = f"{above}.{name}" if above else name
        if isinstance(value, dict):
            yield from _flat(value, full, depth + 1)
        elif isinstance(value, list):
            if len(value) > MOST_VALUES or any(isinstance(each, (dict, list)) for each in value):
                raise BadSidecar(f"{full[:40]} is a list of more than words and numbers.")
            yield full, "; ".join(str(each) for each in value if each is not None)
        else:
            yield full, value


def _called(name: str, rules: Rules) -> str:
    if folded(name) in rules.defined:
        return rules.kept_name(name)
    bare = letters(name)
    if field := FIELD_CALLED.get(bare):
        return field
    return (
        IGNORED
        if bare in OURS or bare in ("file", "filename", "name", "path") or IDENTITY.search(bare)
        else rules.kept_name(name)
    )


def _refuse_constant(told: str) -> Any:
    raise BadSidecar(f"The JSON has {told}, which is no number.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        raise BadSidecar("The JSON names a field twice.")
    return said


# --- taking it in -----------------------------------------------------------------------------------------------------


def receive(item: UploadItem, data: bytes) -> UploadItem:
    """The item ends attached, or failed with the reason; its image's item keeps the words until the image is there."""
    if item.state != ItemState.PENDING:
        return item
    image_item = _image_item(item)
    if image_item is None:
        return _refuse(item, "no_image", "No image beside it has its name, or several have.")
    try:
        said = read(item.name, data, Rules.of(item.upload.collection))
    except BadSidecar as bad:
        return _refuse(item, "sidecar", str(bad))
    item.bytes = len(data)
    return _attach(item, image_item.pk, said)


def _refuse(item: UploadItem, reason: str, text: str) -> UploadItem:
    item.state, item.reason, item.reason_text = ItemState.FAILED, reason, text[:300]
    item.save(update_fields=["state", "reason", "reason_text"])
    return item


def _attach(item: UploadItem, image_item: int, said: Metadata) -> UploadItem:
    with transaction.atomic():
        beside = UploadItem.objects.select_for_update(of=("self",)).select_related("image", "upload").get(pk=image_item)
        if beside.state in (ItemState.FAILED, ItemState.CANCELLED):
            return _refuse(item, "no_image", "The image beside it was not taken.")
        told = ""
        if beside.state == ItemState.DUPLICATE:
            told = "Its image was there already: nothing about it was changed."
        else:
            _say(beside, said, by_json=_suffix(item.name) == ".json")
        item.state, item.image, item.reason_text, item.received_at = ItemState.ATTACHED, beside.image, told, timezone.now()
        item.save(update_fields=["state", "image", "bytes", "reason_text", "received_at"])
    return item


def _say(beside: UploadItem, said: Metadata, *, by_json: bool) -> None:
    by_json_before = str(beside.metadata.get(BY_JSON, ""))
    known = Metadata.from_mapping(beside.metadata)  # the table's words, and another sidecar's
    if by_json_before and not by_json:
        known = replace(known, caption="")
    beside.metadata = known.merged_over(said).as_dict()
    if by_json and not known.caption:
        beside.metadata[BY_JSON] = said.caption
    beside.save(update_fields=["metadata"])
    if beside.image is not None:
        defaults = Metadata.from_mapping(beside.upload.defaults)
        image = Image.objects.select_for_update(of=("self",)).get(pk=beside.image.pk)
        _add_to(image, beside, said, known, worse=[defaults.caption, by_json_before])


def _add_to(image: Image, beside: UploadItem, said: Metadata, known: Metadata, *, worse: Sequence[str]) -> None:
    """To an image that has come in already: over the defaults, under the table and what people have written since."""
    defaults = Metadata.from_mapping(beside.upload.defaults)
    edited = {entry["field"] for change in image.changes.all() for entry in change.entries}
    new: dict[str, Any] = {
        name: value
        for name in WORDS
        if (value := getattr(said, name)) not in ("", None)
        and getattr(known, name) in ("", None)
        and getattr(image, name) in ("", None, getattr(defaults, name))
    }
    new["tags"] = list(dict.fromkeys((*image.tags, *said.tags)))
    further = {name: told for name, told in said.extra.items() if name not in known.extra and f"{EXTRA}{name}" not in edited}
    new["metadata"] = image.metadata | further
    changes = {name: value for name, value in new.items() if name not in edited and value != getattr(image, name)}
    for name, value in changes.items():
        setattr(image, name, value)
    image.save(update_fields=[*changes])
    gone = [] if known.caption or "caption" in edited else _change_caption(beside, image, said.caption, worse)
    leases.unsent([image.pk])
    review.hold_found({image.pk: identity.found_in_words(said)})
    transaction.on_commit(partial(send_changed, gone))


def _change_caption(beside: UploadItem, image: Image, caption: str, worse: Sequence[str]) -> list[UUID]:
    """Which ones went for it: those of the defaults, and a .json's where a .txt has one too."""
    if not caption:
        return []
    replaced = image.captions.filter(key__in=[text_key(each) for each in worse if each])
    gone = list(replaced.values_list("pk", flat=True))
    replaced.delete()
    if not image.captions.exists():
        Caption.objects.create(image=image, text=caption, made_by=beside.upload.user)
    return gone
