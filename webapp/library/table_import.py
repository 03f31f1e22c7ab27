"""The jobs that import a table over images, and take such an import back: one change of an image's history a row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import editing, identity, jobs, mass_editing, review, table_drafts
from webapp.library.editing import Draft, EditedMeanwhile
from webapp.library.field_rules import Rules
from webapp.library.jobs import Refused, Work, runner
from webapp.library.metadata import BadMetadata
from webapp.library.models import Collection, Image, ImageChange, Job, JobState, Source, text_key
from webapp.library.slicing import slices
from webapp.library.table_drafts import Gone
from webapp.library.table_plan import Plan, Planned, captions, plan, wanted
from webapp.library.tables import BadTable, RowError, Said, keep, mapping_for, validated
from webapp.library.tables.said import error

IMPORT, TAKE_BACK = "table", "table-undo"
AT_ONCE = 100  # images a transaction
NO_RIGHT = "You may not change this collection any more."
NO_TABLE = "The table is not there any more: send it again."


def start(draft: table_drafts.Draft, *, user: User, collection: Collection) -> Job:
    """``user`` must already be known to be an editor of ``collection``. Raises BadTable, table_drafts.Gone."""
    sheet = draft.opened()
    mapping = mapping_for(collection, sheet, draft.wanted or None)
    chosen = table_drafts.Draft(draft.number, draft.name, draft.sheet, mapping.as_dict())
    with transaction.atomic():
        keep(collection, mapping)
        job = jobs.start(IMPORT, user=user, collection=collection)
        record(user, "table-import", collection, job=str(job.pk), rows=len(sheet.rows))
        table_drafts.hand_over(chosen, job)
    return job


def take_back(job: Job, *, user: User) -> Job:
    """``job``: an import into a collection that ``user`` edits."""
    record(user, "table-taken-back", job.collection, job=str(job.pk))
    return jobs.start(TAKE_BACK, user=user, collection=job.collection, arguments={"job": str(job.pk)})


def standing(job: Job, *, user: User) -> int:
    """How many images still say what this import made them say, in their history."""
    return _changes(job).filter(image__in=Image.objects.editable_by(user), undone_by=None).count()


# --- the import -------------------------------------------------------------------------------------------------------


@runner(IMPORT)
def import_table(work: Work) -> str:
    """Again after an interruption: what the images say already is no change."""
    user, collection = _allowed(work)
    try:
        said, planned = _planned(work, user, collection)
    except Gone as exc:
        if work.job.total is not None and work.job.done >= work.job.total:  # it was interrupted after its last step
            return _sentence(work.job, work.job.total)
        raise Refused(NO_TABLE) from exc
    rules = Rules.of(collection)
    work.job.report.clear()
    work.count(len(planned.planned))
    for some in slices(planned.planned, AT_ONCE):
        with transaction.atomic():
            images = mass_editing.locked([each.image for each in some], user=user)
            drafted = [(each, _draft(work, user, images.get(each.image), each, said, rules)) for each in some]
            kept = [(each, draft) for each, draft in drafted if draft]
            mass_editing.keep([draft for _, draft in kept], user=user)
            patterns = identity.for_names()
            review.hold_found({each.image: identity.found_in_words(each.row.metadata, patterns) for each, _ in kept})
        work.step(len(some))
    for each_error in (*planned.errors, *planned.strangers):
        work.note(each_error.as_dict())
    work.finish()
    table_drafts.forget(work.job.pk)
    return _sentence(work.job, len(planned.planned))


def _allowed(work: Work) -> tuple[User, Collection]:
    """Asked again when the work begins: a right may have ended since."""
    job = work.job
    if job.user is None or not job.user.is_active or job.collection is None:
        raise Refused(NO_RIGHT)
    if not Collection.objects.editable_by(job.user).filter(pk=job.collection.pk).exists():
        raise Refused(NO_RIGHT)
    return job.user, job.collection


def _planned(work: Work, user: User, collection: Collection) -> tuple[Said, Plan]:
    try:
        draft = table_drafts.load(work.job.pk)
        sheet = draft.opened()
        said = validated(sheet, mapping_for(collection, sheet, draft.wanted), collection, required=False)
    except BadTable as bad:
        raise Refused(str(bad)) from bad
    return said, plan(collection, said, user=user)


def _draft(work: Work, user: User, image: Image | None, each: Planned, said: Said, rules: Rules) -> Draft | None:
    """None where the row is not taken, which the report then says."""
    if image is None:
        work.note(_not_done(each, said, "The image is gone, or you may not change it any more."))
        return None
    evidence = {"job": str(work.job.pk), "row": each.row.number}
    draft = Draft(image, user, source=Source.TABLE, evidence=evidence, rules=rules)
    try:
        return mass_editing.drafted(draft, partial(_say, each), captions=bool(each.row.metadata.caption))
    except BadMetadata as bad:
        work.note(_not_done(each, said, str(bad)))
        return None


def _say(each: Planned, draft: Draft) -> None:
    for name, told in list(wanted(draft.image, each.row.metadata)):
        draft.set(name, told)
    known = {caption.key for caption in draft.image.captions.all()}
    for text in captions(each.row.metadata):
        if text_key(text) not in known:
            draft.add_caption(text)


def _not_done(each: Planned, said: Said, text: str) -> dict[str, object]:
    return error(each.row.number, "", each.row.key, text, said.headings, each.row.cells).as_dict()


def _sentence(job: Job, named: int) -> str:
    changed, lines = _changes(job).count(), len({row["row"] for row in job.report})
    told = [f"{counted(changed, 'image')} changed."]
    if same := named - changed:
        told.append(f"{counted(same, 'other')} that the table names stayed as before.")
    if lines:
        told.append(f"{counted(lines, 'row')} could not be taken.")
    return " ".join(told)


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _changes(job: Job) -> QuerySet[ImageChange]:
    return ImageChange.objects.filter(source=Source.TABLE, evidence__job=str(job.pk))


# --- taking it back ---------------------------------------------------------------------------------------------------


@runner(TAKE_BACK)
def take_table_back(work: Work) -> str:
    """Image by image: what somebody has changed since stays, and is told."""
    user, collection = _allowed(work)
    imported = Job.objects.filter(pk=str(work.arguments["job"]), kind=IMPORT, collection=collection).first()
    if imported is None:
        raise Refused("The import is not there any more.")
    if imported.state in (JobState.WAITING, JobState.RUNNING):
        raise Refused("The import has not ended yet: cancel it first.")
    work.job.report.clear()
    changes = list(_changes(imported).filter(undone_by=None).order_by("image").values_list("pk", flat=True))
    work.count(len(changes))
    taken_back = 0
    for some in slices(changes, AT_ONCE):
        with transaction.atomic():
            taken_back += mass_editing.keep(_undone(work, user, some), user=user)
        work.step(len(some))
    stayed = len(changes) - taken_back
    told = f"Taken back for {counted(taken_back, 'image')}."
    return f"{told} {stayed:,} had been changed since and stayed as before." if stayed else told


def _undone(work: Work, user: User, pks: Sequence[int]) -> list[Draft]:
    changes = ImageChange.objects.filter(pk__in=pks, undone_by=None).select_related("image")
    by_image = {change.image_id: change for change in changes}
    images = mass_editing.locked(by_image, user=user)
    drafts = []
    for pk, change in by_image.items():
        try:
            draft = Draft(images[pk], user, source=Source.UNDO)
            captions_too = any(entry["field"] == mass_editing.CAPTION for entry in change.entries)
            drafts.append(mass_editing.drafted(draft, partial(_take_back, change), captions=captions_too))
        except (KeyError, EditedMeanwhile, BadMetadata):
            text, name = "It was changed again since, and stays as it is.", change.image.name
            work.note(RowError(row=0, column="", value=name, text=text, cells=[("file", name)]).as_dict())
    return drafts


def _take_back(change: ImageChange, draft: Draft) -> None:
    editing.take_back(draft, change)
