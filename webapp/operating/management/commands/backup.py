"""The whole site into a folder, while it runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from webapp import wiring
from webapp.library.management.telling import one_sentence, print_json
from webapp.library.quotas import size
from webapp.operating.backup import BackupUnusable, Made, back_up
from webapp.operating.backup.databases import DatabaseFailed
from webapp.operating.management.bars import bars
from webapp.unlogged import told


class Command(BaseCommand):
    help = "Back the whole site up into a folder while it runs: database, files, key. Unchanged files are not copied again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="each backup is a folder in it, named after its time")
        parser.add_argument("--index", action="store_true", help="with snapshots of the index, which saves making it anew")
        parser.add_argument("--keep", type=int, default=0, metavar="N", help="of all backups only the newest N stay")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, folder: Path, index: bool, keep: int, **given: Any) -> None:
        if keep < 0:
            raise CommandError("--keep is 1 or more, or 0 for all.")
        made = _made(folder, index=index, keep=keep)
        if given["json"]:
            print_json(asdict(made))
        else:
            self.stdout.write(f"{made.backup}: {made.files} files, {size(made.bytes)}; {made.copied} of them copied now")


def _made(folder: Path, *, index: bool, keep: int) -> Made:
    try:
        with one_sentence(), bars() as progress:
            return back_up(folder, with_index=index, keep=keep, progress=progress)
    except (BackupUnusable, DatabaseFailed) as exc:
        raise CommandError(str(exc)) from exc
    except DatabaseError as exc:
        raise CommandError(f"The database cannot be used: {told(exc)}.") from exc
    except OSError as exc:
        raise CommandError(f"{exc.filename or folder}: {exc.strerror}.") from exc
    finally:
        wiring.forget()
