"""What people do to many images at once, as jobs: trying again, moving, embedding anew, throwing away, bringing back, deleting.

Each works through its images in slices, asks for every slice what its user may change at that moment, and looks for what is left
to do, so that it may be cut off anywhere and run again. Which images: those of an upload, of a selection, of a collection's tab,
or of the trash, as they were when the job was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

import search.errors
from embedder import errors
from webapp.accounts.models import User
from webapp.library import bulk, jobs, leases, pipeline, sending, trash, versions
from webapp.library.jobs import Refused, Work, runner
from webapp.library.models import Collection, Embedding, Image, ItemState, Job, JobState, State, Upload, UploadItem
from webapp.library.models.images import ImageQuerySet
from webapp.library.shelves import Tab
from webapp.library.slicing import slices

AT_ONCE = 200
ENCODED_AT_ONCE = 32  # a slice takes a processor seconds, and has to end within the job's lease
MOST_NAMED = 10_000  # images whose ids one job carries
RETRY, MOVE, REEMBED, THROW_AWAY, BRING_BACK, DELETE = "retry", "move", "reembed", "throw-away", "bring-back", "delete"
NOT_YOURS = "{} stayed as {}: you may not change {}, or somebody has meanwhile."
LEFT = "Whoever asked for this may not act here any more: nothing more is done."


class TooMany(ValueError):
    """A selection is too large for one job; the sentence is for people."""


# --- which images -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Which:
    """One of: ``upload``; ``images`` by their ids; ``collection`` with a ``tab``; ``trash``, of ``collection`` or of all."""

    upload: Upload | None = None
    images: Sequence[UUID] | None = None
    collection: Collection | None = None
    tab: Tab = Tab.ALL
    trash: bool = False

    def start(self, kind: str, *, user: User, **arguments: Any) -> Job:
        """The caller has checked that ``user`` may ask for it; the job asks again. Raises TooMany."""
        return jobs.start(
            kind,
            user=user,
            upload=self.upload,
            collection=self.upload.collection if self.upload else self.collection,
            arguments=self._told() | arguments,
        )

    def _told(self) -> dict[str, Any]:
        if self.upload is not None:
            return {"of": "upload"}
        if self.images is not None:
            if len(self.images) > MOST_NAMED:
                raise TooMany(f"At most {MOST_NAMED:,} images at a time: {len(self.images):,} are selected.")
            return {"of": "images", "images": [str(pk) for pk in self.images]}
        if self.trash:
            return {"of": "trash"}
        if self.collection is None:
            raise ValueError("a job needs images")
        return {"of": "collection", "tab": self.tab.slug}


def move_arguments(upload: Upload, target: Collection) -> dict[str, str]:
    """``out_of`` where they all lie in the upload's own collection, so that the move can be taken back."""
    home = upload.collection_id
    elsewhere = upload.items.filter(image__isnull=False, state=ItemState.ACCEPTED).exclude(image__collection=home).exists()
    return {"into": str(target.pk)} | ({} if elsewhere or target.pk == home else {"out_of": str(home)})


def _images(job: Job) -> ImageQuerySet:
    """All that the job is about, whoever may change them: each slice is narrowed when its turn comes. Raises Refused."""
    of = job.arguments.get("of")
    if of == "upload":
        accepted = UploadItem.objects.filter(upload=job.upload_id, state=ItemState.ACCEPTED, image__isnull=False)
        return Image.objects.filter(pk__in=accepted.values("image"), stored_at__lte=job.made_at)
    if of == "images":
        return Image.objects.all()
    if of == "collection" and job.collection_id:
        tab = Tab.of(job.arguments["tab"])
        return Image.objects.filter(collection=job.collection_id, state__in=tab.states, stored_at__lte=job.made_at)
    if of == "trash":
        within = Q(collection=job.collection_id) if job.collection_id else Q()
        return Image.objects.filter(within, state=State.TRASHED, trashed_at__lte=job.made_at)
    raise Refused("This version does not know which images are meant.")


def _slices(job: Job, left: ImageQuerySet, size: int) -> Iterator[list[UUID]]:
    """Ids of ``left``, each once, in handfuls; what is acted on meanwhile may drop out of it."""
    if job.arguments.get("of") == "images":
        for named in slices(job.arguments["images"], size):
            yield list(left.filter(pk__in=named).values_list("pk", flat=True))
        return
    last: UUID | None = None
    while some := list((left.filter(pk__gt=last) if last else left).order_by("pk").values_list("pk", flat=True)[:size]):
        yield some
        last = some[-1]


def _count(job: Job, left: ImageQuerySet) -> int:
    if job.arguments.get("of") == "images":
        return sum(left.filter(pk__in=named).count() for named in slices(job.arguments["images"], AT_ONCE))
    return left.count()


def _each(work: Work, left: ImageQuerySet, act: Callable[[User, list[UUID]], int], *, at_once: int = AT_ONCE) -> tuple[int, int]:
    """(changed, stayed as they were). ``act``: on one slice, of which it changes what its user may change; how many."""
    job = work.job
    before, handled, changed = job.done, 0, 0
    work.count(before + _count(job, left), done=before)
    for some in _slices(job, left, at_once):
        changed += act(_user(job), some)
        handled += len(some)
        work.step(len(some))
    return before + changed, handled - changed


def _user(job: Job) -> User:
    """Whoever asked, as they are now. Raises Refused."""
    user = User.objects.filter(pk=job.user_id or 0, is_active=True).first()
    if user is None:
        raise Refused(LEFT)
    return user


def _said(changed: int, what: str, stayed: int, why: str = "") -> str:
    """ "12 images are in the trash. 1 stayed …" """
    told = f"{changed:,} image{'' if changed == 1 else 's'} {'is' if changed == 1 else 'are'} {what}."
    if not stayed:
        return told
    it = ("it was", "it") if stayed == 1 else ("they were", "them")
    return f"{told} {why.format(f'{stayed:,}') if why else NOT_YOURS.format(f'{stayed:,}', *it)}"


# --- the work ---------------------------------------------------------------------------------------------------------


@runner(RETRY)
def retry(work: Work) -> str:
    """Failed images, from the beginning."""
    tried, stayed = _each(work, _images(work.job).filter(state=State.FAILED), _retry)
    return _said(
        tried, "tried again", stayed, "{} stayed failed: the same file has come in again since, or is not yours to change."
    )


def _retry(user: User, ids: list[UUID]) -> int:
    with transaction.atomic():
        tried = leases.retry(Image.objects.editable_by(user).filter(pk__in=ids))
        if tried:
            transaction.on_commit(partial(sending.send_prepare, ids))
    return tried


@runner(MOVE)
def move(work: Work) -> str:
    """Into the collection ``into``; only out of the collection ``out_of``, where one is named."""
    job = work.job
    into = UUID(job.arguments["into"])
    left = _images(job).exclude(collection=into).exclude(state=State.TRASHED)
    if out_of := job.arguments.get("out_of"):
        left = left.filter(collection=out_of)

    def act(user: User, ids: list[UUID]) -> int:
        target = Collection.objects.editable_by(user).filter(pk=into).first()
        if target is None:
            raise Refused("The collection to move them to is not yours to change any more: nothing more is moved.")
        done = bulk.move(user, ids, target)
        for pk in done.duplicates:
            _note(work, pk, "The same file lies there already.")
        return done.changed

    moved, stayed = _each(work, left, act)
    return _said(moved, "moved", stayed, "{} stayed: the same file lies there already, or they are not yours to change.")


@runner(REEMBED)
def reembed(work: Work) -> str:
    """Searchable images again by the encoder of now; they stay searchable by their old vectors meanwhile. New ones go first."""
    since = work.job.started_at

    def act(user: User, ids: list[UUID]) -> int:
        if leases.waiting(State.DECODED).exists():
            pipeline.embed()
            work.step(0)
        mine = Image.objects.editable_by(user).filter(pk__in=ids)
        pipeline.embed_anew(since=since, images=mine, limit=len(ids))
        target = versions.target()
        fingerprint = target.fingerprint if target else ""
        anew = Embedding.objects.filter(region__image=OuterRef("pk"), fingerprint=fingerprint, made_at__gte=since)
        return mine.filter(Exists(anew)).count()

    try:
        ready = _images(work.job).filter(state=State.READY)
        seen, stayed = _each(work, ready, act, at_once=ENCODED_AT_ONCE)
    except (errors.EmbedderError, versions.ForeignEncoder, search.errors.SearchError) as exc:
        raise Refused("Encoder or index cannot be had just now: start it again when they are there.") from exc
    return _said(seen, "embedded again", stayed)


@runner(THROW_AWAY)
def throw_away(work: Work) -> str:
    gone, stayed = _each(work, _images(work.job).exclude(state=State.TRASHED), _throw_away)
    return _said(gone, "in the trash", stayed)


def _throw_away(user: User, ids: list[UUID]) -> int:
    return len(trash.throw_away(Image.objects.filter(pk__in=ids), user=user))


@runner(BRING_BACK)
def bring_back(work: Work) -> str:
    """What lies in the trash; ``job``: only what that job threw away."""
    job = work.job
    left = Image.objects.filter(state=State.TRASHED)
    if undone := Job.objects.filter(pk=job.arguments.get("job")).first():
        left = left.filter(trashed_by=undone.user_id, trashed_at__gte=undone.started_at)
        if undone.ended_at:
            left = left.filter(trashed_at__lte=undone.ended_at)
        within = UploadItem.objects.filter(upload=undone.upload_id, state=ItemState.ACCEPTED, image__isnull=False)
        if undone.upload_id:
            left = left.filter(pk__in=within.values("image"))
        elif undone.collection_id:
            left = left.filter(collection=undone.collection_id)
    else:
        left = _images(job).filter(state=State.TRASHED)

    def act(user: User, ids: list[UUID]) -> int:
        brought = trash.bring_back(Image.objects.filter(pk__in=ids), user=user)
        for pk in brought.same:
            _note(work, pk, "The same file has come in again.")
        return len(brought.back)

    back, stayed = _each(work, left, act)
    return _said(back, "back", stayed, "{} stayed in the trash: the same file has come in again, or is not yours to bring back.")


@runner(DELETE)
def delete(work: Work) -> str:
    """For good, out of the trash."""
    gone, stayed = _each(work, _images(work.job).filter(state=State.TRASHED), _delete)
    return _said(gone, "deleted for good", stayed)


def _delete(user: User, ids: list[UUID]) -> int:
    return trash.delete_for_good(Image.objects.filter(pk__in=ids), user=user)


def _note(work: Work, image: UUID, text: str) -> None:
    """Once, also where the work is done again."""
    row = {"image": str(image), "text": text}
    if row not in work.job.report[-AT_ONCE * 2 :]:
        work.note(row)


# --- taking back ------------------------------------------------------------------------------------------------------


def can_undo(job: Job) -> bool:
    """Throwing away, and a move whose images all lay in one collection; once it has ended, by itself or by a person."""
    if job.state not in (JobState.DONE, JobState.CANCELLED, JobState.FAILED) or not job.done or job.arguments.get("undone"):
        return False
    return job.kind == THROW_AWAY or (job.kind == MOVE and bool(job.arguments.get("out_of")))


def undo(job: Job, *, user: User) -> Job:
    """Another job, with the rights of ``user``. The caller has asked can_undo()."""
    with transaction.atomic():
        told = {name: job.arguments[name] for name in ("of", "images", "tab") if name in job.arguments}
        if job.kind == THROW_AWAY:
            kind, told = BRING_BACK, told | {"job": str(job.pk)}
        else:
            kind, told = MOVE, told | {"into": job.arguments["out_of"], "out_of": job.arguments["into"], "job": str(job.pk)}
        Job.objects.filter(pk=job.pk).update(arguments=job.arguments | {"undone": True})
        return jobs.start(kind, user=user, upload=job.upload, collection=job.collection, arguments=told)
