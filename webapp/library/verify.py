"""Whether rows, files, vectors and indexes agree; and putting right what can be.

Each check finds ids or paths that disagree; its repair brings them back to the pipeline, or removes what belongs to nobody. What
only a backup can bring back (a lost or changed original) is never repaired away: it stays in the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from webapp.library import verify_files, verify_index, verify_rows
from webapp.library.models import Image, State

EXAMPLES = 5
Found = Sequence[Any]


@dataclass(frozen=True)
class Check:
    """``repair`` None: a person has to act."""

    name: str
    find: Callable[[], Found]
    repair: Callable[[Found], object] | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """``counts``: every check, 0 where all agrees. ``waiting``: images still on their way, which is no disagreement."""

    counts: dict[str, int]
    waiting: int
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not any(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        return {"clean": self.clean, "counts": self.counts, "waiting": self.waiting, "examples": self.examples}


def checks(*, deep: bool = False) -> list[Check]:
    """``deep`` reads every original to compare its checksum."""
    return [
        Check("work_stuck", verify_rows.stuck, verify_rows.end_stuck),
        Check("originals_missing", verify_files.originals_missing, None),
        Check("originals_changed", lambda: verify_files.originals_changed(deep=deep), None),
        Check("originals_surplus", verify_files.originals_surplus, verify_files.remove),
        Check("derivatives_missing", verify_files.derivatives_missing, verify_files.draw_again),
        Check("files_without_row", verify_files.files_without_row, verify_files.remove),
        Check("regions_missing", verify_rows.regions_missing, verify_rows.decode_again),
        Check("vectors_missing", verify_rows.vectors_missing, verify_rows.embed_again),
        Check("vectors_damaged", verify_rows.vectors_damaged, verify_rows.forget_vectors),
        Check("points_missing", verify_index.points_missing, verify_index.send_points_again),
        Check("points_surplus", verify_index.points_surplus, verify_index.delete_points),
        Check("points_outdated", verify_index.points_outdated, verify_index.mark_points_unsent),
        Check("texts_missing", verify_index.texts_missing, verify_index.mark_texts_unsent),
        Check("texts_surplus", verify_index.texts_surplus, verify_index.delete_texts),
    ]


def verify(*, deep: bool = False) -> Report:
    """Looks only. May raise search.errors."""
    found = {check.name: check.find() for check in checks(deep=deep)}
    waiting = Image.objects.filter(state__in=[State.STORED, State.DECODED, State.EMBEDDED]).count()
    examples = {name: [str(each) for each in each_found[:EXAMPLES]] for name, each_found in found.items() if each_found}
    return Report(counts={name: len(each_found) for name, each_found in found.items()}, waiting=waiting, examples=examples)


def repair(*, deep: bool = False) -> int:
    """Puts right what can be, one check after the other, since one repair is the next one's find; how many it touched.

    Images that went back into the pipeline still have to be worked on.
    """
    touched = 0
    for check in checks(deep=deep):
        if check.repair is not None and (found := check.find()):
            check.repair(found)
            touched += len(found)
    return touched
