"""The demo's archive: drawn fields with captions, put in the way that every file comes in."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embedder.samples import write_archive
from webapp.accounts import demo, operator
from webapp.accounts.models import User
from webapp.explore.encoding import encoder_state
from webapp.library.coverage import coverage_of
from webapp.library.ingest import NewFile, accept, start_upload
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, Visibility

IMAGES = 248  # eight of each tissue
NAME = "Drawn sample archive"
DESCRIPTION = "Synthetic fields of 31 tissues and stains, drawn by this program: nothing here comes from a patient."
LOOK_EVERY_S = 0.5


def refuse_real_archives() -> None:
    """Raises CommandError where the data folder is somebody's own: a demo signs visitors in without a password."""
    others = User.objects.exclude(username__in=(demo.NAME, operator.NAME)).exists()
    if others and not User.objects.filter(username=demo.NAME).exists():
        raise CommandError(
            f"{settings.CONCHIVE_DATA} is a real archive: start it with `manage.py up`, or name another folder in CONCHIVE_DATA."
        )


def fill(*, images: int = IMAGES) -> Collection:
    """The demo's collection with at least ``images`` images, all of them searchable or failed on return.

    A worker must be running. A fill that was cut short is taken up: files that are there already count as duplicates.
    """
    collection, _ = Collection.objects.get_or_create(
        team=demo.team(),
        name=NAME,
        defaults={"description": DESCRIPTION, "visibility": Visibility.TEAM, "made_by": demo.user()},
    )
    with _progress() as progress:
        if coverage_of(collection).total < images:
            _draw_and_add(collection, images, progress)
        _wait(collection, progress)
    return collection


def _draw_and_add(collection: Collection, images: int, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix="demo-", dir=settings.CONCHIVE_DATA) as folder:
        paths = list(progress.track(write_archive(Path(folder), images=images), total=images, description="drawing"))
        said = dict(_rows(Path(folder) / "captions.csv"))
        announced = [NewFile(path.name, path.stat().st_size) for path in paths]
        upload = start_upload(user=demo.user(), collection=collection, source="demo", files=announced)
        taking = zip(upload.items.order_by("pk"), paths, strict=True)
        for item, path in progress.track(taking, total=images, description="storing"):
            accept(item, path, metadata=said[path.name])


def _rows(table: Path) -> Iterator[tuple[str, Metadata]]:
    """File name -> what captions.csv says about it."""
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["file"], Metadata.from_mapping(row)


def _wait(collection: Collection, progress: Progress) -> None:
    task = progress.add_task("embedding", total=None)
    while True:
        now = coverage_of(collection)
        progress.update(task, total=now.total, completed=now.total - now.running)
        if not now.running:
            return
        if (state := encoder_state()).startswith("failed"):
            raise CommandError(f"The encoder cannot be loaded ({state}), so nothing can be embedded.")
        time.sleep(LOOK_EVERY_S)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        yield progress
