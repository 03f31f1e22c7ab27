"""An image's own page, and the parts of it that editors change in place: fragments for htmx, small pages without script.

Whoever may not edit is answered as if the image were not there.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.library import duplicates, editing, paging, portrait
from webapp.library.editing import EditedMeanwhile
from webapp.library.history import history
from webapp.library.metadata import BadMetadata
from webapp.library.models import Image, ImageChange, Term, Vocabulary

P = ParamSpec("P")

REFUSED, CONFLICT = 422, 409
FROM_VOCABULARIES = ("organ", "stain", "finding")  # fields that are kinds of terms as well
FACTS, CAPTIONS, HISTORY, SEEN = "image-facts", "image-captions", "image-history", "image-seen"  # told to the page's parts


class View(Protocol[P]):
    def __call__(self, request: HttpRequest, pk: uuid.UUID, *arguments: P.args, **named: P.kwargs) -> HttpResponse: ...


def _for_editors(view: View[P]) -> View[P]:
    """What is foreign, unknown or only to be looked at ends as 404."""

    @wraps(view)
    def asked(request: HttpRequest, pk: uuid.UUID, *arguments: P.args, **named: P.kwargs) -> HttpResponse:
        try:
            return view(request, pk, *arguments, **named)
        except (Image.DoesNotExist, ImageChange.DoesNotExist) as exc:
            raise Http404("There is no such image.") from exc

    return asked


# --- the page ---------------------------------------------------------------------------------------------------------


@require_safe
def image(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    shown = get_object_or_404(Image.objects.visible_to(user).select_related("collection__team"), pk=pk)
    if request.method == "GET":
        record(user, "view", shown, team=shown.collection.team)
    told = _about(shown, user) | {
        "steps": portrait.steps(shown),
        "pages": paging.pages_of(shown, user),
        "parts": list(shown.regions.all()),
        "part": portrait.part(shown, request.GET.get("region", "")),
        "viewer": settings.VIEWER,
        "copies": duplicates.copies(shown, user=user),
    }
    return render(request, "library/image.html", told)


def _about(image: Image, user: User) -> dict[str, Any]:
    """What all the parts of the page need to know."""
    sees_history = Image.objects.history_visible_to(user).filter(pk=image.pk).exists()
    return {
        "image": image,
        "may_edit": Image.objects.editable_by(user).filter(pk=image.pk).exists(),
        "sees_history": sees_history,
        "fields": portrait.fields(image),
        "facts": portrait.facts(image),
        "captions": list(image.captions.all()),
        "history": history(image) if sees_history else [],
    }


@require_safe
def facts(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _part(request, Image.objects.visible_to(request.user), pk, "library/_image_facts.html")


@require_safe
def captions(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _part(request, Image.objects.visible_to(request.user), pk, "library/_image_captions.html")


@require_safe
def image_history(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _part(request, Image.objects.history_visible_to(request.user), pk, "library/_image_history.html")


def _part(request: HttpRequest, images: QuerySet[Image], pk: uuid.UUID, template: str) -> HttpResponse:
    user = signed_in(request)
    shown = get_object_or_404(images, pk=pk)
    if not _by_htmx(request):
        return redirect("image", pk)
    return render(request, template, _about(shown, user))


# --- fields -----------------------------------------------------------------------------------------------------------


@require_safe
def field(request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
    """One fact as it is shown: where a form was given up."""
    return _part_of_field(request, get_object_or_404(Image.objects.editable_by(signed_in(request)), pk=pk), name)


def _part_of_field(request: HttpRequest, image: Image, name: str, *, changed: bool = False) -> HttpResponse:
    view = _field(image, name)
    if not _by_htmx(request):
        return redirect("image", image.pk)
    told = {"image": image, "field": view, "may_edit": True, "sees_history": True, "focus": True, "changed": changed}
    told["facts"] = portrait.facts(image)
    return render(request, "library/_image_field.html", told)


def _field(image: Image, name: str) -> portrait.FieldView:
    try:
        return portrait.one_field(image, name)
    except KeyError as exc:
        raise Http404("There is no such field.") from exc


@require_http_methods(["GET", "HEAD", "POST"])
@_for_editors
def edit_field(request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
    user = signed_in(request)
    image = Image.objects.editable_by(user).get(pk=pk)
    view = _field(image, name)
    if request.method != "POST":
        return _field_form(request, image, view, typed=view.typed)
    typed = request.POST.get("value", "")
    try:
        changed = editing.edit(pk, {view.key: typed}, user=user, seen=revision_seen(request))
    except BadMetadata as bad:
        return _field_form(request, image, view, typed=typed, refused=str(bad), status=REFUSED)
    except EditedMeanwhile as meanwhile:
        about = {"conflict": True, "meanwhile": meanwhile.change}
        return _field_form(request, image, view, typed=typed, status=CONFLICT, **about)
    return _told(_part_of_field(request, changed, name, changed=True), HISTORY, SEEN)


def _field_form(
    request: HttpRequest, image: Image, view: portrait.FieldView, *, typed: str, status: int = 200, **told: Any
) -> HttpResponse:
    told |= {
        "image": image,
        "field": view,
        "typed": typed,
        "terms": view.choices or _terms(request, view.name),
        "title": f"Change: {view.label}",
    }
    return _form(request, "library/_image_field_form.html", told, status=status)


def _terms(request: HttpRequest, name: str) -> list[str]:
    """What the vocabularies offer for a field, for the browser to complete."""
    if name not in FROM_VOCABULARIES:
        return []
    terms = Term.objects.filter(vocabulary__in=Vocabulary.objects.visible_to(request.user), kind=name)
    return sorted(set(terms.values_list("text", flat=True)))


# --- captions ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@_for_editors
def new_caption(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    def add(draft: editing.Draft) -> None:
        draft.add_caption(request.POST.get("text", ""))

    return _caption_page(request, pk, None, add)


@require_http_methods(["GET", "HEAD", "POST"])
@_for_editors
def edit_caption(request: HttpRequest, pk: uuid.UUID, caption: uuid.UUID) -> HttpResponse:
    def change(draft: editing.Draft) -> None:
        if "remove" in request.POST:
            draft.remove_caption(caption)
        else:
            draft.change_caption(caption, request.POST.get("text", ""))

    return _caption_page(request, pk, caption, change)


def _caption_page(
    request: HttpRequest, pk: uuid.UUID, caption: uuid.UUID | None, change: Callable[[editing.Draft], None]
) -> HttpResponse:
    user = signed_in(request)
    image = Image.objects.editable_by(user).get(pk=pk)
    written = image.captions.filter(pk=caption).first() if caption else None
    told: dict[str, Any] = {
        "image": image,
        "caption": written,
        "place": caption or "new",
        "title": "Change the caption" if caption else "Add a caption",
    }
    if request.method != "POST":
        if caption and not written:
            raise Http404("There is no such caption.")
        return _form(request, "library/_image_caption_form.html", told | {"typed": written.text if written else ""})
    told["typed"] = request.POST.get("text", "")
    try:
        with editing.drafted(pk, user=user, seen=revision_seen(request)) as draft:
            change(draft)
    except BadMetadata as bad:
        return _form(request, "library/_image_caption_form.html", told | {"refused": str(bad)}, status=REFUSED)
    except EditedMeanwhile as meanwhile:
        told |= {"conflict": True, "meanwhile": meanwhile.change, "gone": written is None}
        return _form(request, "library/_image_caption_form.html", told, status=CONFLICT)
    return _told(_changed(request, draft.image, "library/_image_captions.html"), HISTORY)


# --- taking back ------------------------------------------------------------------------------------------------------


@require_POST
@_for_editors
def undo(request: HttpRequest, pk: uuid.UUID, change: int) -> HttpResponse:
    user = signed_in(request)
    try:
        editing.undo(pk, change, user=user)
    except (EditedMeanwhile, BadMetadata) as refused:
        sentence = "This cannot be taken back any more: it was changed again since."
        messages.error(request, str(refused) if isinstance(refused, BadMetadata) else sentence)
        return _again(request, pk)
    return _told(_changed(request, Image.objects.get(pk=pk), "library/_image_history.html"), FACTS, CAPTIONS, SEEN)


# --- shared -----------------------------------------------------------------------------------------------------------


def _by_htmx(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def revision_seen(request: HttpRequest) -> int | None:
    """The revision that the form was made from."""
    told = request.POST.get("revision", "")
    return int(told) if re.fullmatch(r"[0-9]{1,10}", told) else None


def _form(request: HttpRequest, template: str, told: dict[str, Any], *, status: int = 200) -> HttpResponse:
    page = template if _by_htmx(request) else "library/image_edit.html"
    response = render(request, page, told | {"form_template": template}, status=status)
    if request.method == "POST" and "place" in told:  # the form again, and not where the list of captions would have been
        response.headers["HX-Retarget"] = f"#caption-edit-{told['place']}"
    return response


def _changed(request: HttpRequest, image: Image, template: str) -> HttpResponse:
    if not _by_htmx(request):
        return redirect("image", image.pk)
    return render(request, template, _about(image, signed_in(request)) | {"changed": True})


def _again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The whole page once more, with its message."""
    if not _by_htmx(request):
        return redirect("image", pk)
    response = HttpResponse(status=204)
    response.headers["HX-Refresh"] = "true"
    return response


def _told(response: HttpResponse, *events: str) -> HttpResponse:
    """Other parts of the page are to fetch themselves again."""
    response.headers["HX-Trigger"] = json.dumps(dict.fromkeys(events, ""))
    return response
