"""The review page: one held image at a time, large, with what was found and where; the others in a strip below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.library import review, trash
from webapp.library.models import Collection, Image, ItemState, Upload, UploadItem
from webapp.library.review import Narrowing
from webapp.requests import uuid_of

STRIP = 41  # thumbnails: the image's own, and as many on each side
UNDO = "review-undo"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A way to narrow what is shown. ``query`` of its address."""

    label: str
    count: int
    query: str
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the shown image lies in the queue; "" where there is none on that side."""

    number: int
    before: str
    after: str
    strip: list[UUID]


@require_safe
def review_page(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if not Collection.objects.editable_by(user).exists():
        raise Http404
    narrowing = _narrowing(request.GET, user)
    queue = narrowing.ids(Image.objects.held_for(user))
    shown = _shown(user, queue, request.GET.get("image", ""))
    told = {
        "narrowing": narrowing,
        "query": _query(narrowing),
        "progress": review.progress(user, narrowing, left=len(queue)),
        "patterns": _patterns(user, narrowing),
        "collections": _collections(user, narrowing),
        "upload": _upload(narrowing.upload),
        "undo": request.session.get(UNDO),
        "collection": Collection.objects.filter(pk=narrowing.collection).first() if narrowing.collection else None,
        "elsewhere": not queue and Image.objects.held_for(user).exists(),
        **(_about(shown, queue, narrowing) if shown else {}),
    }
    return render(request, "library/review.html", told)


@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """About one image; the next one is shown."""
    user, narrowing = signed_in(request), _narrowing(request.POST, signed_in(request))
    image = uuid_of(request.POST.get("image", ""))
    queue = narrowing.ids(Image.objects.held_for(user))
    following = _following(queue, image)
    if image not in queue or not _decided(request, user, image, request.POST.get("decision", "")):
        messages.info(request, "Somebody else has decided on this image meanwhile.")
    return redirect(_address(narrowing, following))


def _decided(request: HttpRequest, user: User, image: UUID, decision: str) -> bool:
    """Whether something came of it. Raises Http404 for what is no decision."""
    if decision in ("release", "rename"):
        renamed = decision == "rename"
        released, at = review.release([image], user=user, rename=renamed)
        _keep_undo(request, "released", released, at=at, renamed=renamed)
        return bool(released)
    if decision == "throw":
        gone = trash.throw_away(Image.objects.held_for(user).filter(pk=image), user=user)
        _keep_undo(request, "thrown", gone)
        return bool(gone)
    raise Http404


@require_POST
def release_all(request: HttpRequest) -> HttpResponse:
    """Of an upload, a pattern or a collection: what the page was narrowed to, and nothing that came in since it was shown."""
    user, narrowing = signed_in(request), _narrowing(request.POST, signed_in(request))
    ids = narrowing.ids(Image.objects.held_for(user).filter(stored_at__lte=_time(request.POST.get("until", ""))))
    released, at = review.release(ids, user=user, rename="rename" in request.POST)
    _keep_undo(request, "released", released, at=at, renamed="rename" in request.POST)
    if not released:
        messages.info(request, "Nothing was left to release.")
    return redirect(_address(narrowing))


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """The last decision of this session: released images are held again, a thrown-away one comes back to be held."""
    user, narrowing = signed_in(request), _narrowing(request.POST, signed_in(request))
    told = request.session.pop(UNDO, None)
    if told is None:
        messages.info(request, "There is nothing to take back.")
        return redirect(_address(narrowing))
    if told["what"] == "released":
        back = review.hold_again(review.released_at(user, datetime.fromisoformat(told["at"])), user=user)
    else:
        back = trash.bring_back(Image.objects.filter(pk=told["first"]), user=user).back
    if not back:
        messages.info(request, "It could not be taken back: somebody else has changed it since.")
    return redirect(_address(narrowing, back[0] if back else None))


def _keep_undo(
    request: HttpRequest, what: str, ids: Sequence[UUID], *, at: datetime | None = None, renamed: bool = False
) -> None:
    if ids:
        when = at.isoformat() if at else ""
        request.session[UNDO] = {"what": what, "count": len(ids), "first": str(ids[0]), "at": when, "renamed": renamed}


# --- what is shown ----------------------------------------------------------------------------------------------------


def _shown(user: User, queue: Sequence[UUID], asked: str) -> Image | None:
    """The one that was asked for, where it still waits; else the first."""
    wanted = uuid_of(asked)
    pk = wanted if wanted in queue else next(iter(queue), None)
    return Image.objects.held_for(user).select_related("collection__team", "added_by").filter(pk=pk).first() if pk else None


def _about(image: Image, queue: list[UUID], narrowing: Narrowing) -> dict[str, Any]:
    item = UploadItem.objects.filter(image=image, state=ItemState.ACCEPTED).select_related("upload").first()
    return {
        "image": image,
        "path": review.paths([image])[image.pk],
        "item": item,
        "place": _place(image.pk, queue, narrowing),
        "until": _latest(queue),
    }


def _latest(queue: list[UUID]) -> str:
    """When the last of the queue came in."""
    came = Image.objects.filter(pk=queue[-1]).values_list("stored_at", flat=True).first()
    return came.isoformat() if came else ""


def _place(pk: UUID, queue: list[UUID], narrowing: Narrowing) -> Place:
    at = queue.index(pk)
    first = max(0, min(at - STRIP // 2, len(queue) - STRIP))
    return Place(
        number=at + 1,
        before=_address(narrowing, queue[at - 1]) if at else "",
        after=_address(narrowing, queue[at + 1]) if at + 1 < len(queue) else "",
        strip=queue[first : first + STRIP],
    )


def _patterns(user: User, narrowing: Narrowing) -> list[Choice]:
    wider = Narrowing(narrowing.collection, narrowing.upload)
    counted = review.by_pattern(wider.of(Image.objects.held_for(user)))
    return [
        Choice(
            label=pattern,
            count=count,
            query=_query(Narrowing(narrowing.collection, narrowing.upload, pattern)),
            chosen=pattern == narrowing.pattern,
        )
        for pattern, count in counted
    ]


def _collections(user: User, narrowing: Narrowing) -> list[Choice]:
    """Those with something to review, where there are several."""
    held = Image.objects.held_for(user).order_by().values_list("collection").annotate(n=Count("pk"))
    counts: dict[UUID, int] = dict(held)
    named = Collection.objects.filter(pk__in=counts).order_by("name")
    choices = [
        Choice(label=each.name, count=counts[each.pk], query=_query(Narrowing(each.pk)), chosen=each.pk == narrowing.collection)
        for each in named
    ]
    return choices if len(choices) > 1 or narrowing.collection else []


def _upload(pk: UUID | None) -> Upload | None:
    return Upload.objects.select_related("user").filter(pk=pk).first() if pk else None


# --- addresses --------------------------------------------------------------------------------------------------------


def _narrowing(told: QueryDict, user: User) -> Narrowing:
    """Raises Http404 for a collection or an upload that ``user`` does not edit: one answer for foreign and unknown ones."""
    collection, upload = uuid_of(told.get("collection", "")), uuid_of(told.get("upload", ""))
    editable = Collection.objects.editable_by(user)
    if collection and not editable.filter(pk=collection).exists():
        raise Http404
    if upload and not Upload.objects.filter(pk=upload, collection__in=editable).exists():
        raise Http404
    return Narrowing(collection, upload, told.get("pattern", "")[:80])


def _query(narrowing: Narrowing) -> str:
    told = {"collection": narrowing.collection, "upload": narrowing.upload, "pattern": narrowing.pattern}
    return urlencode({name: value for name, value in told.items() if value})


def _address(narrowing: Narrowing, image: UUID | None = None) -> str:
    query = "&".join(part for part in (_query(narrowing), f"image={image}" if image else "") if part)
    return reverse("review") + (f"?{query}" if query else "")


def _following(queue: list[UUID], image: UUID | None) -> UUID | None:
    if image not in queue:
        return None
    at = queue.index(image)
    return next(iter(queue[at + 1 :] or queue[:at][-1:]), None)


def _time(told: str) -> datetime:
    """Raises Http404."""
    try:
        return datetime.fromisoformat(told)
    except ValueError as exc:
        raise Http404 from exc
