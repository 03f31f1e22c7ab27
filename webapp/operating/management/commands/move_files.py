"""The archive's lasting files from the data folder into a bucket, or back."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from webapp.library import store
from webapp.library.management.telling import one_sentence, print_json
from webapp.operating.management.bars import bars
from webapp.operating.moving import Move, Report

SHOWN = 20  # names of files that differ


class Command(BaseCommand):
    help = "Copy originals and pictures into the bucket that S3_BUCKET names, or back into the data folder; each is compared."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, choices=["s3", "folder"], help="where they are to lie")
        parser.add_argument(
            "--remove", action="store_true", help="once the site uses --to: what is the same in both goes where it lay"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count what would be copied")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, to: str, remove: bool, dry_run: bool, **given: Any) -> None:
        if not settings.S3_BUCKET:
            raise CommandError("S3_BUCKET names no bucket: set it for this command, also before the site uses it.")
        source, target = (store.folder(), store.in_bucket()) if to == "s3" else (store.in_bucket(), store.folder())
        try:
            with one_sentence(), bars() as progress:
                report = Move(source=source, target=target, remove=remove, dry=dry_run).run(progress)
        except OSError as exc:
            raise CommandError(f"{exc.strerror}. What has been copied is there: run it again for the rest.") from exc
        if given["json"]:
            print_json(asdict(report))
        else:
            self._tell(report, dry=dry_run)
        if report.differs:
            sys.exit(1)

    def _tell(self, report: Report, *, dry: bool) -> None:
        copied = "to be copied" if dry else "copied"
        self.stdout.write(f"{report.copied} {copied}, {report.there} there already, {report.removed} removed where they lay")
        if report.gone:
            self.stdout.write(f"{report.gone} were deleted meanwhile")
        for name in report.differs[:SHOWN]:
            self.stderr.write(f"{name}: the copy is not the same; the file stays where it was")
