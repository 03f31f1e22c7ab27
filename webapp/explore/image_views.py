"""What an image's page asks the index for, each a fragment of its own, so that the page is there while the index is not."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.explore.neighbours import neighbours
from webapp.explore.pictured import visible_image
from webapp.explore.seeing import Seen, seen
from webapp.library import editing
from webapp.library.image_views import revision_seen
from webapp.library.metadata import BadMetadata
from webapp.library.models import Image, ImageChange
from webapp.outages import Outage

OUTAGE_RETRIED = 503


@require_safe
def image_neighbours(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    image = visible_image(pk, user)
    try:
        told = {"neighbours": neighbours(image, user=user)}
    except Outage as outage:
        return _part(request, image, "explore/_neighbours.html", {"outage": outage}, status=OUTAGE_RETRIED)
    return _part(request, image, "explore/_neighbours.html", told)


@require_safe
def image_seen(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    image = visible_image(pk, user)
    try:
        told = _seen_by(image, user)
    except Outage as outage:
        return _part(request, image, "explore/_seen.html", {"outage": outage}, status=OUTAGE_RETRIED)
    return _part(request, image, "explore/_seen.html", told)


def _seen_by(image: Image, user: User) -> dict[str, Any]:
    marks = {mark.evidence["term"] for mark in editing.reviewed(image).values()}
    return {"seen": seen(image, user=user), "reviewed": marks, "may_edit": _edits(image, user)}


def _edits(image: Image, user: User) -> bool:
    return Image.objects.editable_by(user).filter(pk=image.pk).exists()


@require_POST
def accept(request: HttpRequest, pk: uuid.UUID, term: uuid.UUID) -> HttpResponse:
    """One click of an editor: the term becomes reviewed metadata. What the model said is looked up again, never taken from
    the form. Raises Outage.
    """
    user = signed_in(request)
    image = visible_image(pk, user)
    if not _edits(image, user):
        raise Http404("There is no such image.")
    try:
        change = _accept(image, term, seen(image, user=user), user=user, revision=revision_seen(request))
    except (editing.EditedMeanwhile, BadMetadata) as refused:
        return _refused(request, image, refused)
    del change
    if not getattr(request, "htmx", False):
        return redirect("image", pk)
    image.refresh_from_db()
    response = render(request, "explore/_seen.html", _seen_by(image, user) | {"image": image, "changed": True})
    response.headers["HX-Trigger"] = json.dumps({"image-facts": "", "image-history": ""})
    return response


def _accept(image: Image, term: uuid.UUID, told: Seen | None, *, user: User, revision: int | None) -> ImageChange | None:
    """Raises Http404 for a term that is not (any more) among those that are suggested."""
    found = told.find(term) if told else None
    if told is None or found is None:
        raise Http404("There is no such suggestion.")
    kind, suggestion = found
    evidence: dict[str, object] = {
        "kind": kind.kind.value,
        "term_id": str(suggestion.term.pk),
        "score": round(suggestion.score, 6),
        "margin": None if kind.margin is None else round(kind.margin, 6),
        "encoder": told.fingerprint,
    }
    return editing.accept(
        image.pk, suggestion.field, suggestion.term.text, user=user, evidence=evidence, seen=revision
    )  # fmt: skip


def _refused(request: HttpRequest, image: Image, refused: Exception) -> HttpResponse:
    sentence = str(refused) if isinstance(refused, BadMetadata) else "Somebody changed this field meanwhile: look at it first."
    messages.error(request, sentence)
    if not getattr(request, "htmx", False):
        return redirect("image", image.pk)
    response = HttpResponse(status=204)
    response.headers["HX-Refresh"] = "true"
    return response


def _part(request: HttpRequest, image: Image, template: str, told: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A fragment for htmx, which swaps nothing but successes; without script, a page of its own."""
    told |= {"image": image}
    if getattr(request, "htmx", False):
        return render(request, template, told)
    return render(request, "explore/image_part.html", told | {"part": template}, status=status)
