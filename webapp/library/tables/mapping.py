"""Which column names the file, and which field each other one is: kept per collection, guessed from headings where it is new."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from collections.abc import Mapping as Mappings
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from webapp.library.field_rules import OWN, Rules, folded
from webapp.library.measures import unit_called
from webapp.library.metadata import MAX_EXTRA
from webapp.library.models import Collection, TableMapping
from webapp.library.tables.shaping import FILE_NAME
from webapp.library.tables.sheet import BadTable, Sheet, shown

Match = TableMapping.Match
IGNORED = ""  # the field of a column that is left out

# letters and digits of headings, in the order of what is most likely the file
KEYS = (
    "file", "filename", "path", "filepath", "relativepath", "image", "imagename", "imagefile", "imagepath", "imagefilename",
    "tile", "tilename", "picture", "name",
)  # fmt: skip
IDS = ("id", "imageid", "uuid")
SYNONYMS = {
    "caption": ("caption", "captions", "description", "legend", "figurelegend"),
    "stain": ("stain", "stains", "staining", "stainname", "stainingmethod"),
    "organ": ("organ", "site", "tissue", "tissuetype", "anatomicsite", "organsite", "location"),
    "finding": ("finding", "findings", "diagnosis", "dx"),
    "case": ("case", "caseid", "caseno", "casenumber", "accession", "accessionid", "accessionno", "accessionnumber"),
    "slide": ("slide", "slideid", "slideno", "slidenumber", "slidename"),
    "mpp": ("mpp", "µmpx", "umpx", "µmpixel", "umpixel", "µmperpixel", "umperpixel", "micronsperpixel", "micrometresperpixel",
            "micrometersperpixel", "pixelsize", "resolution"),
    "tags": ("tags", "tag", "keywords", "labels"),
}  # fmt: skip
FIELD_CALLED = {heading: name for name, headings in SYNONYMS.items() for heading in headings}
OURS = ("row", "whatiswrong", "collection")  # columns that tables from here have and that say nothing about the image
IDENTITY = re.compile(
    r"patient(?!s?free)|surname|(first|last|family|given|maiden)name|birth|\bdob\b|^dob|mrn|ssn|socialsecurity|insurance|"
    r"address|phone|e?mail|medicalrecord"
)
UNIT = re.compile(r"[(\[]([^()\[\]]{1,20})[)\]]\s*$")


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """``columns``: heading -> field: one of the archive's own, a name for a further one, or IGNORED. ``key_column`` is none
    of them; "" where nothing names the file yet.
    """

    match: str
    key_column: str
    columns: Mappings[str, str]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"match": self.match, "key_column": self.key_column, "columns": dict(self.columns)}


def mapping_for(collection: Collection | None, sheet: Sheet, wanted: Mappings[str, Any] | None = None) -> Mapping:
    """What was ``wanted`` ({"match", "key_column", "columns"}, as as_dict() gives it), else guessed(). Raises BadTable."""
    mapping = guessed(collection, sheet)
    if wanted:
        mapping = _wanted(sheet, wanted, mapping, Rules.of(collection))
    if not mapping.key_column:
        raise BadTable("The table has no column that names the file: call one of them «file».")
    return mapping


def keep(collection: Collection, mapping: Mapping) -> None:
    """For the collection's next table. Columns that this table did not have are remembered from earlier ones."""
    known = TableMapping.objects.filter(collection=collection).first()
    columns = (known.columns if known else {}) | dict(mapping.columns)
    columns = {heading: name for heading, name in columns.items() if heading != mapping.key_column}
    if len(columns) > MAX_EXTRA * 5:
        columns = dict(mapping.columns)
    told = {"match": mapping.match, "key_column": mapping.key_column[:200], "columns": columns}
    TableMapping.objects.update_or_create(collection=collection, defaults=told)


def unit_of(heading: str) -> str:
    """What bare numbers below it are in: «depth (mm)»."""
    found = UNIT.search(heading)
    return unit_called(found[1]) if found else ""


# --- guessing ---------------------------------------------------------------------------------------------------------


def guessed(collection: Collection | None, sheet: Sheet) -> Mapping:
    """As the collection's last table was read, and by their headings for columns that it did not have.

    ``key_column`` is "" where nothing looks like it names files.
    """
    rules = Rules.of(collection)
    known = TableMapping.objects.filter(collection=collection).first() if collection else None
    key, match = _key(sheet, known)
    taken: set[str] = set()
    columns, notes = {}, []
    for heading in sheet.headings:
        if heading == key:
            continue
        name = _remembered(heading, known)
        if name is None:
            name = _field(heading, rules)
            if name == IGNORED and IDENTITY.search(letters(heading)):
                notes.append(f"«{heading}» is left out: it sounds like what identifies a patient.")
        if name in taken or (match == Match.ID and letters(heading) in KEYS):
            name = IGNORED
        columns[heading] = name
        taken |= {name} - {IGNORED}
    return Mapping(match=match, key_column=key, columns=columns, notes=(*sheet.notes, *notes))


def _key(sheet: Sheet, known: TableMapping | None) -> tuple[str, str]:
    """(heading, how it names the file)"""
    if known and (found := _heading(sheet, known.key_column)):
        return found, known.match
    by_letters = {letters(heading): heading for heading in reversed(sheet.headings)}
    for ids in IDS:
        if ids in by_letters and _all_ids(sheet, by_letters[ids]):
            return by_letters[ids], Match.ID
    named = [by_letters[key] for key in KEYS if key in by_letters]
    likely = [*(each for each in named if _names_files(sheet, each)), *named]
    likely += [each for each in sheet.headings if _names_files(sheet, each)]
    if not likely:
        return "", Match.PATH
    return likely[0], Match.PATH if any("/" in told or "\\" in told for told in _column(sheet, likely[0])) else Match.NAME


def _heading(sheet: Sheet, wanted: str) -> str:
    return next((each for each in sheet.headings if folded(each) == folded(wanted)), "")


def _column(sheet: Sheet, heading: str) -> Iterator[str]:
    """What its first cells say."""
    index = sheet.headings.index(heading)
    return (told for row in sheet.rows[:200] if (told := shown(row.cells[index])))


def _all_ids(sheet: Sheet, heading: str) -> bool:
    told = list(_column(sheet, heading))
    return bool(told) and all(as_id(each) for each in told)


def as_id(told: str) -> UUID | None:
    try:
        return UUID(told)
    except ValueError:
        return None


def _names_files(sheet: Sheet, heading: str) -> bool:
    told = list(_column(sheet, heading))
    return bool(told) and sum(bool(FILE_NAME.search(each)) for each in told) * 2 > len(told)


def _remembered(heading: str, known: TableMapping | None) -> str | None:
    columns = known.columns if known else {}
    return next((str(name) for told, name in columns.items() if folded(told) == folded(heading)), None)


def _field(heading: str, rules: Rules) -> str:
    """As it is defined; a synonym; else a field of its own, called as the heading is."""
    bare = UNIT.sub("", heading).strip() or heading
    for told in (heading, bare):
        if folded(told) in rules.defined:
            return rules.kept_name(told)
        if name := FIELD_CALLED.get(letters(told)):
            return name
    bare_letters = letters(heading)
    if bare_letters in OURS or IDENTITY.search(bare_letters):
        return IGNORED
    return rules.kept_name(bare)


def letters(heading: str) -> str:
    plain = unicodedata.normalize("NFKC", heading).casefold().replace("μ", "µ")
    return "".join(letter for letter in plain if letter.isalnum())


# --- what a person chose ----------------------------------------------------------------------------------------------


def _wanted(sheet: Sheet, wanted: Mappings[str, Any], guess: Mapping, rules: Rules) -> Mapping:
    key = _heading(sheet, str(wanted.get("key_column") or guess.key_column))
    match = str(wanted.get("match") or guess.match)
    told = wanted.get("columns")
    if match not in Match.values or not isinstance(told or {}, dict):
        raise BadTable("How the table's columns are read could not be understood.")
    if not key:
        raise BadTable(f"The table has no column «{str(wanted.get('key_column'))[:60]}».")
    chosen = {folded(str(heading)): str(name or "") for heading, name in (told or {}).items()}
    columns = {
        heading: _kept_name(chosen[folded(heading)], rules) if folded(heading) in chosen else guess.columns.get(heading, IGNORED)
        for heading in sheet.headings
        if heading != key
    }
    _refuse_twice(columns)
    return Mapping(match=match, key_column=key, columns=columns, notes=guess.notes)


def _kept_name(name: str, rules: Rules) -> str:
    plain = " ".join(name.split())
    return plain.lower() if plain.lower() in OWN else rules.kept_name(plain)


def _refuse_twice(columns: Mappings[str, str]) -> None:
    seen: dict[str, str] = {}
    for heading, name in columns.items():
        if name != IGNORED and name in seen:
            raise BadTable(f"«{seen[name]}» and «{heading}» cannot both be {name}: leave one of them out.")
        seen[name] = heading
    if len({name for name in columns.values() if name not in (IGNORED, *OWN)}) > MAX_EXTRA:
        raise BadTable(f"At most {MAX_EXTRA} fields beyond the archive's own are kept: leave some columns out.")
