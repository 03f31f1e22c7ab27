"""What is kept of uploaded files: tells it, brings older files to the present setting, makes a key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from webapp import wiring
from webapp.accounts.operator import operator
from webapp.library import age, jobs, rekeeping
from webapp.library.management.telling import one_sentence, print_json


class Command(BaseCommand):
    help = "Tell what is kept of uploaded files; with --apply, bring all of them to what ORIGINALS says now."
    requires_system_checks: tuple[str, ...] = ()  # --new-key makes what the checks would ask for

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="change what is kept otherwise; may be stopped and run again")
        parser.add_argument("--rotate", action="store_true", help="with --apply: also what an older key of the key file encrypts")
        parser.add_argument("--background", action="store_true", help="with --apply: leave the work to a worker, as a job")
        parser.add_argument("--new-key", type=Path, metavar="FILE", help="only write a new age key into a new file")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, apply: bool, rotate: bool, new_key: Path | None, **given: Any) -> None:
        if new_key is not None:
            self._make_key(new_key)
            return
        if rotate and (not apply or settings.ORIGINALS != "encrypt"):
            raise CommandError("--rotate goes with --apply, where ORIGINALS is encrypt.")
        if apply and given["background"]:
            job = jobs.start(rekeeping.JOB, user=operator(), arguments={"rotate": rotate})
            self.stdout.write(f"job {job.pk}: a worker changes what is kept")
            return
        try:
            with one_sentence():
                report = _apply(rotate=rotate) if apply else rekeeping.Report()
        except OSError as exc:  # no key, or no room: what was changed stays changed
            raise CommandError(str(exc)) from exc
        finally:
            wiring.forget()
        self._tell(report, apply=apply, as_json=given["json"])

    def _make_key(self, path: Path) -> None:
        try:
            public = age.new_key(path)
        except OSError as exc:
            raise CommandError(f"{path}: {exc.strerror}.") from exc
        self.stdout.write(f"{path}: a new key, {public}")
        self.stdout.write("Keep a copy where no backup of the archive lies: without it, no encrypted original can be read.")

    def _tell(self, report: rekeeping.Report, *, apply: bool, as_json: bool) -> None:
        counts, waiting = rekeeping.counts(), rekeeping.to_change().count()
        left = rekeeping.left_by_reason(report)
        if as_json:
            print_json(
                {"setting": settings.ORIGINALS, "kept": counts, "otherwise": waiting, "changed": report.changed, "left": left}
            )
        else:
            self.stdout.write(", ".join(f"{count} {name}" for name, count in counts.items()))
            for why, count in left.items():
                self.stdout.write(f"{count} left as they were: {why}")
            if apply:
                self.stdout.write(f"{report.changed} changed")
            elif waiting:
                self.stdout.write(f"{waiting} are kept otherwise than ORIGINALS={settings.ORIGINALS} says: --apply changes them")
        if report.left:
            sys.exit(1)


def _apply(*, rotate: bool) -> rekeeping.Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("originals", total=None)
        return rekeeping.rekeep(rotate=rotate, progress=lambda done, total: shown.update(task, completed=done, total=total))
