"""The whole site from a backup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from webapp import wiring
from webapp.library.management.telling import one_sentence, print_json
from webapp.operating.backup import BackupUnusable, Restored, SiteInUse, restore
from webapp.operating.backup.databases import DatabaseFailed
from webapp.operating.management.bars import bars
from webapp.unlogged import told

AGAIN = "The site is incomplete now: put that right and run the command again with --force."


class Command(BaseCommand):
    help = "Restore the whole site from a backup: into an empty one, or with --force in the place of what is there."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a backup, or a folder of backups: then the newest of them")
        parser.add_argument("--force", action="store_true", help="over a site that is not empty; what is there is set aside")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, folder: Path, force: bool, **given: Any) -> None:
        done = _done(folder, force=force)
        if given["json"]:
            print_json(done.as_dict())
        else:
            self._tell(done)
        if not done.verify.clean:
            sys.exit(1)

    def _tell(self, done: Restored) -> None:
        self.stdout.write(f"{done.backup} of {done.made_at}: {done.files} files; the index was {done.index}")
        for place in done.set_aside:
            self.stdout.write(f"what was there lies in {place} now: delete it when nothing is missing")
        if done.secret_key == "another":  # noqa: S105  a word about it
            self.stdout.write("SECRET_KEY is not the backup's: everybody signs in again.")
        for name, n in done.verify.counts.items():
            if n:
                self.stdout.write(f"{n} {name.replace('_', ' ')}: {', '.join(done.verify.examples[name])}")
        self.stdout.write("all agrees" if done.verify.clean else "there are disagreements: manage.py verify")


def _done(folder: Path, *, force: bool) -> Restored:
    try:
        with one_sentence(), bars() as progress:
            return restore(folder, force=force, progress=progress)
    except (BackupUnusable, SiteInUse) as exc:
        raise CommandError(str(exc)) from exc
    except DatabaseFailed as exc:
        raise CommandError(f"{exc} {AGAIN}") from exc
    except DatabaseError as exc:
        raise CommandError(f"The database cannot be used: {told(exc)}.") from exc
    except OSError as exc:
        raise CommandError(f"{exc.filename or folder}: {exc.strerror}. {AGAIN}") from exc
    finally:
        wiring.forget()
