"""Brings what is kept of older files to what settings.ORIGINALS says now: each new file is checked before its old one goes.

May be cut off anywhere and run again, beside a running site: a row changes between its new file's arrival and its old one's end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Count

from embedder import errors
from webapp import wiring
from webapp.library import age, files, jobs, originals, paging, pixels, store
from webapp.library.leases import unclaimed
from webapp.library.models import Image, Kept, State
from webapp.library.models.images import ImageQuerySet
from webapp.library.verify_files import digest_of

WANTED = {originals.KEEP: Kept.ORIGINAL, originals.ENCRYPT: Kept.ENCRYPTED, originals.PIXELS: Kept.PIXELS}
JOB = "originals"
IDS_A_STEP = 500
Progress = Callable[[int, int], None]


class _NotTheSame(Exception):
    """What was written does not give back what was kept: the old file stays."""


@dataclass(kw_only=True)
class Report:
    """``left``: images that could not be changed, with why; their files are as they were."""

    changed: int = 0
    left: list[tuple[UUID, str]] = field(default_factory=list)


def counts() -> dict[str, int]:
    """Images by what is kept of them."""
    found = Image.objects.order_by().values_list("kept").annotate(count=Count("pk"))
    return dict.fromkeys(Kept.values, 0) | dict(found)


def to_change(*, rotate: bool = False) -> ImageQuerySet:
    """What is kept otherwise than the setting says and can be changed. What only the pixels are left of stays as it is.

    ``rotate``: what is encrypted too, with whichever key.
    """
    wanted = WANTED[settings.ORIGINALS]
    idle = Image.objects.filter(unclaimed()).exclude(kept=Kept.PIXELS)
    if wanted == Kept.PIXELS:  # what waits is done by the pipeline, what failed by drop_failed()
        idle = idle.exclude(state=State.STORED).exclude(decoded_at=None)
    return idle if rotate and wanted == Kept.ENCRYPTED else idle.exclude(kept=wanted)


def rekeep(*, rotate: bool = False, progress: Progress = lambda _done, _total: None) -> Report:
    """Raises age.KeyUnusable where there is no key at all, errors.SandboxUnavailable, OSError where the disk is full or
    the store away.
    """
    originals.check_key()
    report, todo = Report(), to_change(rotate=rotate)
    total = todo.count()
    for done, image in enumerate(_one_by_one(todo), start=1):
        try:
            report.changed += _change(image)
        except (age.WrongKey, errors.ImageError, FileNotFoundError, _NotTheSame) as exc:
            report.left.append((image.pk, _why(exc)))
        progress(done, total)
    return report


def _why(exc: Exception) -> str:
    if isinstance(exc, FileNotFoundError):
        return "its file is missing"
    return str(exc)


def _one_by_one(todo: ImageQuerySet) -> Iterator[Image]:
    """Each once, read anew when its turn comes."""
    last = UUID(int=0)
    while ids := list(todo.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:IDS_A_STEP]):
        for pk in ids:
            if image := todo.filter(pk=pk).first():
                yield image
        last = ids[-1]


def _change(image: Image) -> bool:
    wanted = WANTED[settings.ORIGINALS]
    if wanted == Kept.PIXELS:
        return _to_pixels(image)
    if image.kept == wanted and _has_newest_key(originals.place(Kept.ENCRYPTED, image.pk)):
        return False
    old, new = originals.place(image.kept, image.pk), originals.place(wanted, image.pk)
    with files.incoming() as (draft, file):
        source, _ = originals.opened(image)
        with source:
            originals.write(source, file)
        file.flush()
        files.force(file)
        _check(draft, image, encrypted=wanted == Kept.ENCRYPTED)
        store.current().put(draft, new)
    return _replace(image, wanted, old, new)


def _check(draft: Path, image: Image, *, encrypted: bool) -> None:
    """That what was written gives back what was received. Raises _NotTheSame."""
    with age.opened(draft.open("rb"), newest_key_only=True) if encrypted else draft.open("rb") as file:
        if digest_of(file) != image.sha256:
            raise _NotTheSame("its bytes are not those that were received: bring the original back from a backup")


def _has_newest_key(name: str) -> bool:
    try:
        age.opened(store.current().open(name)[1], newest_key_only=True).close()
    except age.WrongKey:
        return False
    return True


def _to_pixels(image: Image) -> bool:
    if paging.waiting_pages(image).exists():
        raise _NotTheSame("further pages are still to be taken out of it")
    with originals.located(image) as (source, page):
        rows = wiring.get_sandbox().decode(source, limits=wiring.decode_limits(), page=page)[1]
    if pixels.digest_of(rows) != image.pixels_sha256:
        raise _NotTheSame("it is decoded to other pixels than those that were embedded")
    originals.write_pixels(image.pk, rows)
    with store.current().local(files.pixels_alone(image.pk)) as path:
        written = wiring.get_sandbox().decode(path, limits=wiring.decode_limits())[1]
    if pixels.digest_of(written) != image.pixels_sha256:
        raise _NotTheSame("the pixels were not written as they are")
    return _replace(image, Kept.PIXELS, originals.place(image.kept, image.pk), files.pixels_alone(image.pk))


def _replace(image: Image, wanted: Kept, old: str, new: str) -> bool:
    """The row, then the old file; the new one goes again where the image was changed or deleted meanwhile."""
    if not Image.objects.filter(unclaimed(), pk=image.pk, kept=image.kept).update(kept=wanted):
        if new != old:
            store.current().delete(new)
        return False
    if new != old:
        store.current().delete(old)
    return True


@jobs.runner(JOB)
def rekeep_as_job(work: jobs.Work) -> str:
    """The same in a worker; each image that is left is a row of the report."""
    rotate = bool(work.arguments.get("rotate"))
    work.count(to_change(rotate=rotate).count())
    try:
        report = rekeep(rotate=rotate, progress=lambda _done, _total: work.step())
    except age.KeyUnusable as exc:
        raise jobs.Refused(str(exc)) from exc
    for pk, why in report.left:
        work.note({"image": str(pk), "reason": why})
    left = f", {len(report.left)} left as they were" if report.left else ""
    return f"Originals: {report.changed} changed{left}."


def left_by_reason(report: Report) -> dict[str, int]:
    return dict(Counter(why for _, why in report.left))
