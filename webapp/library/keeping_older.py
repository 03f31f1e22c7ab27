"""Of images that are the same file or have the same pixels the oldest is kept: many decisions at once, as a job."""

from __future__ import annotations

from uuid import UUID

from webapp.accounts.models import User
from webapp.library import jobs
from webapp.library.deciding import NotDone, decide, oldest_of_each
from webapp.library.duplicates import links
from webapp.library.models import Collection, Image, Job, Likeness
from webapp.library.slicing import slices

MOST = 5_000  # images thrown away by one job
EXACT = (Likeness.BYTES, Likeness.PIXELS)
Order = tuple[UUID, UUID]


def orders(user: User, likeness: Likeness, *, collection: Collection | None = None) -> list[Order]:
    """(the one to keep, one to throw away), at most MOST."""
    pairs = ((link.first, link.second) for link in links(user, likeness, collection=collection))
    return oldest_of_each(pairs, user=user)[:MOST]


def start(user: User, chosen: list[Order], *, collection: Collection | None, take_over: bool) -> Job:
    """What was confirmed and nothing else: pairs that are found meanwhile are not part of it.

    The job is its user's alone: how many it counts may tell of collections that other editors of ``collection`` do not see.
    """
    told = [[str(kept), str(thrown)] for kept, thrown in chosen]
    arguments = {"orders": told, "take_over": take_over, "about": str(collection.pk) if collection else ""}
    return jobs.start("keep-older", user=user, arguments=arguments, total=len(chosen))


@jobs.runner("keep-older")
def keep_older(work: jobs.Work) -> str:
    """May be run again: who is in the trash already has been decided on."""
    user = work.job.user
    if user is None:
        raise jobs.Refused("Whoever asked for it has left.")
    chosen = [(UUID(kept), UUID(thrown)) for kept, thrown in work.arguments["orders"]]
    work.count(len(chosen))
    gone = _in_trash(user, chosen)
    left = 0
    for kept, thrown in chosen:
        if thrown not in gone and not _kept(work, user, kept, thrown):
            left += 1
        work.step()
    return _sentence(len(chosen) - left, left)


def _kept(work: jobs.Work, user: User, kept: UUID, thrown: UUID) -> bool:
    try:
        decide(kept, thrown, "first", user=user, take_over=work.arguments["take_over"])
    except (Image.DoesNotExist, NotDone) as why:
        sentence = str(why) if isinstance(why, NotDone) else "The pair is no longer there."
        work.note({"image": str(thrown), "text": sentence})
        return False
    return True


def _in_trash(user: User, chosen: list[Order]) -> set[UUID]:
    ids = [thrown for _, thrown in chosen]
    trash = Image.objects.trash_of(user)
    return {pk for some in slices(ids) for pk in trash.filter(pk__in=some).values_list("pk", flat=True)}


def _sentence(done: int, left: int) -> str:
    told = f"The older of each was kept: {done:,} image{'' if done == 1 else 's'} in the trash."
    return told + (f" {left:,} stay: they had been changed since." if left else "")
