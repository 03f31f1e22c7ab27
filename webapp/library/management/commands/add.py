"""Adds images from disks to a collection, folders and all."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from webapp import wiring
from webapp.accounts.operator import operator
from webapp.client import Client, Refused
from webapp.library.adding import CAPTIONS, Found, Here, There, Way, Words, collection_called, find_files
from webapp.library.checking import check
from webapp.library.management.telling import one_sentence, print_json, writable
from webapp.library.metadata import BadMetadata, Metadata
from webapp.library.models import Collection
from webapp.library.quotas import NoRoom
from webapp.library.tables import BadTable
from webapp.running import read_running

MOST_ERRORS = 20  # of a table, told one by one
DEFAULTS = ("stain", "organ", "finding", "case", "slide", "mpp", "tags")


class Command(BaseCommand):
    help = "Add image files and folders to a collection; exit status 1 where a file failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image files, and folders with all below them")
        parser.add_argument("--collection", required=True, help="its name or id; made where there is none")
        parser.add_argument("--team", help="the collection's team, where that is not clear")
        parser.add_argument(
            "--captions", type=Path, metavar="TABLE", help=f"CSV or XLSX, a row a file; a folder's own {CAPTIONS[0]} by default"
        )
        for name in DEFAULTS:
            parser.add_argument(f"--{name}", default="", help="for files of which nothing else is said")
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be added")
        parser.add_argument("--no-wait", action="store_true", help="end when the files are in, not when they are searchable")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, paths: list[Path], **given: Any) -> None:
        try:
            found = list(find_files(paths))
            defaults = Metadata.from_mapping({name: given[name] for name in DEFAULTS})
            collection = _collection(found, given)
            words = Words.read(_tables(given["captions"], paths), collection, [each.name for each in found])
        except FileNotFoundError as exc:
            raise CommandError(f"There is no {exc.filename or exc}.") from exc
        except (BadTable, BadMetadata, LookupError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        self._tell_errors(words, found)
        if given["dry_run"]:
            self._answer(_dry_run(collection, found, words), as_json=given["json"], dry=True)
        else:
            self._answer(_add(collection, found, words, defaults, wait=not given["no_wait"]), as_json=given["json"])

    def _tell_errors(self, words: Words, found: Sequence[Found]) -> None:
        for error in words.errors[:MOST_ERRORS]:
            self.stderr.write(f"table, row {error.row}: {error.text}")
        if more := words.errors[MOST_ERRORS:]:
            self.stderr.write(f"table: {len(more)} more errors")
        if unused := words.unused(each.name for each in found):
            self.stderr.write(f"table: rows that name no file that is added: {len(unused):,}, {unused[0][1]} for example")

    def _answer(self, items: list[dict[str, Any]], *, as_json: bool, dry: bool = False) -> None:
        counts = dict(Counter(item["state"] for item in items))
        if as_json:
            print_json({"items": items, "counts": counts})
        else:
            for item in items:
                if item["state"] == "failed" or (dry and item["explanation"]):
                    told = f"{item['path']}: {item['reason'] or item['state']}: {item['explanation']}"
                    self.stdout.write(writable(told))
            self.stdout.write(", ".join(f"{n} {state}" for state, n in sorted(counts.items())))
        if counts.get("failed"):
            sys.exit(1)


def _collection(found: Sequence[Found], given: dict[str, Any]) -> Collection:
    if not found:
        raise CommandError("There are no image files.")
    return collection_called(given["collection"], team=given["team"], user=None if given["dry_run"] else operator())


def _tables(named: Path | None, paths: Sequence[Path]) -> list[Path]:
    if named is not None:
        return [named]
    own = ([path / name for name in CAPTIONS if (path / name).is_file()] for path in paths)
    return [tables[0] for tables in own if tables]


def _dry_run(collection: Collection, found: Sequence[Found], words: Words) -> list[dict[str, Any]]:
    """Nothing is written."""
    judged = check(collection, [each.announced(hashed=True) for each in found], user=None, said=words)
    if judged.refusal:
        raise CommandError(judged.refusal)
    return [
        {
            "path": str(each.path),
            "state": str(checked.verdict),
            "reason": "",
            "explanation": checked.text,
            "image": None if checked.image is None else str(checked.image),
        }
        for each, checked in zip(found, judged.files, strict=True)
    ]


def _add(
    collection: Collection, found: Sequence[Found], words: Words, defaults: Metadata, *, wait: bool
) -> list[dict[str, Any]]:  # fmt: skip
    running = read_running()
    way: Way = There(Client(running)) if running else Here(operator())
    try:
        with one_sentence():
            _send(way, collection, found, words, defaults, wait=wait)
            paths = dict(zip(way.ids, (str(each.path) for each in found), strict=True))
            return [_shape(paths.get(item["id"], item["name"]), item) for item in way.items()]
    except NoRoom as full:
        raise CommandError(full.text) from full
    finally:
        wiring.forget()


def _send(way: Way, collection: Collection, found: Sequence[Found], words: Words, defaults: Metadata, *, wait: bool) -> None:
    with _progress() as progress:
        storing = progress.add_task("storing", total=len(found))
        way.start(collection, found, defaults, words)
        for number, each in enumerate(found):
            _send_one(way, number, each)
            progress.advance(storing)
        if wait:
            embedding = progress.add_task("embedding", total=len(found))
            way.wait(lambda items: progress.update(embedding, completed=_done(items), total=len(items)))


def _done(items: Sequence[dict[str, Any]]) -> int:
    return sum(item["done"] for item in items)


def _send_one(way: Way, number: int, each: Found) -> None:
    try:
        way.send(number, each.path)
    except (Refused, FileNotFoundError, PermissionError) as exc:
        told = f"{each.path}: {exc}. What came before it is in; run the command again for the rest."
        raise CommandError(writable(told)) from exc


def _shape(path: str, item: dict[str, Any]) -> dict[str, Any]:
    """``path``: of a file out of an archive, its name there."""
    image = item["image"]
    return {
        "path": path,
        "state": item["state"],
        "reason": item["reason"],
        "explanation": item["reason_text"],
        "image": None if image is None else str(image),
    }


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(),
    )  # fmt: skip
