"""An upload's own page: its counts, how fast it goes, and a page of its lines, those that matter most first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.db.models import QuerySet

from webapp.library import job_pages
from webapp.library.job_pages import JobView
from webapp.library.leases import waiting
from webapp.library.meters import Segment, segments
from webapp.library.models import ItemState, JobState, State, Upload, UploadItem
from webapp.library.receipts import LATELY_S, Receipt, ReceiptItem, archives, item_receipt, lines, lines_in, receipt
from webapp.library.spans import span

LINES_A_PAGE = 50
ARCHIVES_SHOWN = 20
MANY = 20_000
JOBS_SHOWN = 5
TAKING_IN = ("unpack", "import")
ORDER = ("failed", "held", "running", "pending", "duplicate", "attached", "cancelled", "deleted", "ready")
BAR = ("ready", "duplicate", "attached", "running", "held", "failed", "cancelled")
LABELS = {
    "ready": "searchable",
    "duplicate": "duplicate",
    "attached": "read beside images",
    "held": "to review",
    "failed": "failed",
    "cancelled": "cancelled",
    "running": "in work",
    "pending": "not received yet",
    "deleted": "deleted",
}


# --- how it goes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    state: str
    label: str
    n: int


@dataclass(frozen=True)
class ReceiptPage:
    """What is asked for again every two seconds: counts, pace and jobs; no line of the list."""

    receipt: Receipt
    jobs: list[JobView]

    @classmethod
    def of(cls, upload: Upload) -> ReceiptPage:
        told = upload.jobs.exclude(kind__in=TAKING_IN, state=JobState.DONE)  # what came of it stands with its archive
        return cls(receipt(upload), job_pages.views(job_pages.shown(told)[:JOBS_SHOWN]))

    @property
    def upload(self) -> Upload:
        return self.receipt.upload

    @property
    def counts(self) -> list[Count]:
        """Those that are not nought, and always how many are searchable."""
        return [Count(state, LABELS[state], n) for state, n in self.receipt.counts.items() if n or state == "ready"]

    @property
    def bar(self) -> list[Segment]:
        return segments({state: self.receipt.counts[state] for state in BAR}, of=self.receipt.total)

    @property
    def settled(self) -> bool:
        """Nothing will change any more unless somebody does something."""
        return self.receipt.done and not any(view.is_open for view in self.jobs)

    @property
    def every_s(self) -> int:
        """Counting takes about half a second for 100,000 lines: a large upload is not asked for every two."""
        return 2 if self.receipt.total <= MANY else 10

    @property
    def digest(self) -> str:
        """Another one when a line may have changed."""
        return "-".join(str(n) for n in self.receipt.counts.values())

    @property
    def may_cancel(self) -> bool:
        counts = self.receipt.counts
        return self.upload.cancelled_at is None and bool(counts["pending"] + counts["running"])

    @property
    def is_stopped(self) -> bool:
        """An archive or a folder of it was not looked through to its end, by a full disk for example."""
        return any(view.job.kind in TAKING_IN and view.job.state == JobState.FAILED for view in self.jobs)

    @property
    def images(self) -> int:
        """That came of it and are still there."""
        return sum(self.receipt.counts[state] for state in ("ready", "held", "failed", "running"))

    @cached_property
    def pace(self) -> float:
        """Images a second over the last minute, or since the upload began."""
        age = (self.receipt.at - self.upload.made_at).total_seconds()
        return self.receipt.lately / max(1.0, min(LATELY_S, age))

    @property
    def pace_told(self) -> str:
        return f"{self.pace:.1f} images/s" if self.pace >= 1 else f"{60 * self.pace:.0f} images a minute"

    @property
    def time_left(self) -> str:
        """ "" while nothing can be said."""
        return span(self.receipt.left / self.pace) if self.pace and self.receipt.left else ""

    @cached_property
    def ahead(self) -> int | None:
        """Images of the whole archive that are decoded before this upload's next one; None where none of it waits for that."""
        first = self.receipt.next_stored_at
        return None if first is None else waiting(State.STORED).order_by().filter(stored_at__lt=first).count()


# --- its lines --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    row: UploadItem
    item: ReceiptItem

    @property
    def label(self) -> str:
        return "waiting" if self.item.state == "pending" else LABELS[self.item.state]

    @property
    def tag(self) -> str:
        return "working" if self.item.state in ("running", "pending", "held") else self.item.state

    @property
    def steps(self) -> list[tuple[str, datetime]]:
        """Those that were reached. Of a duplicate only its own: the other image's are on that image's page."""
        row, image = self.row, self.row.image if self.row.state == ItemState.ACCEPTED else None
        way = [("Announced", row.made_at), ("Received", row.received_at)]
        if image is not None:
            way += [
                ("Stored", image.stored_at),
                ("Decoded", image.decoded_at),
                ("Embedded", image.embedded_at),
                ("Searchable", image.ready_at),
                ("Failed", image.failed_at),
                ("Thrown away", image.trashed_at),
            ]
        return [(label, at) for label, at in way if at is not None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """``state``: one of receipts.STATES or "" for all; ``find``: in names; ``within``: the archive or file it came out of."""

    state: str = ""
    find: str = ""
    within: int | None = None
    page: int = 1

    @classmethod
    def of(cls, told: dict[str, str]) -> Asked:
        """Anything unknown means all."""
        state, within, page = told.get("state", ""), told.get("within", ""), told.get("page", "")
        return cls(
            state=state if state in LABELS else "",
            find=told.get("find", "").strip()[:200],
            within=int(within) if within.isdecimal() and len(within) < 16 else None,
            page=max(1, int(page)) if page.isdecimal() and len(page) < 9 else 1,
        )

    @property
    def label(self) -> str:
        """Of the state, in words."""
        return LABELS.get(self.state, "")

    def address(self, **other: object) -> str:
        told = {"state": self.state, "find": self.find, "within": self.within, "page": self.page} | other
        return "?" + urlencode({name: value for name, value in told.items() if value and (name, value) != ("page", 1)})


@dataclass(frozen=True)
class LinesPage:
    """``n``: how many lines the filter leaves in all."""

    asked: Asked
    lines: list[Line]
    n: int
    parent: UploadItem | None = None

    @property
    def pages(self) -> int:
        return max(1, -(-self.n // LINES_A_PAGE))

    @property
    def here(self) -> str:
        return self.asked.address()

    @property
    def previous(self) -> str:
        return self.asked.address(page=self.asked.page - 1) if self.asked.page > 1 else ""

    @property
    def next(self) -> str:
        return self.asked.address(page=self.asked.page + 1) if self.asked.page < self.pages else ""


def lines_page(upload: Upload, told: Receipt, asked: Asked) -> LinesPage:
    """Of each state a slice by itself, in ORDER: unless something is searched for, only lines that are shown are read."""
    parent = None if asked.within is None else UploadItem.objects.filter(upload=upload, pk=asked.within).first()
    states = [asked.state] if asked.state else list(ORDER)
    narrowed = bool(asked.find or parent)
    sets = [(state, _narrowed(lines_in(upload, state), asked, parent)) for state in states]
    counts = {state: rows.count() if narrowed else told.counts[state] for state, rows in sets}
    shown = _slice(sets, counts, (asked.page - 1) * LINES_A_PAGE)
    return LinesPage(asked, [Line(row, item_receipt(row)) for row in shown], sum(counts.values()), parent)


def _narrowed(rows: QuerySet[UploadItem], asked: Asked, parent: UploadItem | None) -> QuerySet[UploadItem]:
    if asked.find:
        rows = rows.filter(name__icontains=asked.find)
    return rows if parent is None else rows.filter(parent=parent)


def _slice(sets: Iterable[tuple[str, QuerySet[UploadItem]]], counts: dict[str, int], skip: int) -> list[UploadItem]:
    found: list[UploadItem] = []
    for state, rows in sets:
        wanted = LINES_A_PAGE - len(found)
        if skip >= counts[state]:
            skip -= counts[state]
        elif wanted:
            found += rows.select_related("image", "parent").order_by("pk")[skip : skip + wanted]
            skip = 0
    return found


def parents(upload: Upload) -> list[tuple[UploadItem, int]]:
    """Archives and files of several pages, the first of them, with how many lines came out of each."""
    return list(archives(upload, limit=ARCHIVES_SHOWN))


def unsent(upload: Upload) -> int:
    """Lines that were refused before an image came of them: trying again means sending them again."""
    return lines(upload).filter(state=ItemState.FAILED).count()
