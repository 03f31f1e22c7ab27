"""What the selection tray does: tag, move, export, and take back. Plain forms post ids; each image is asked its rights."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts import limits
from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.library import bulk, bundle, tray_table
from webapp.library.bulk import Done, Undo
from webapp.library.choosing import MOST, SURE_UP_TO, BadChoice, Chosen, asked, choose
from webapp.library.csv_answers import csv_answer, download
from webapp.library.editable import collection_named
from webapp.library.metadata import BadMetadata, Metadata
from webapp.library.models import Collection, Image
from webapp.requests import address_back

UNDO = "tray_undo"  # in the session: the last change alone
DUPLICATES_SHOWN = 6
IN_A_LINK = 50  # images: some 2,000 letters, which mail and chat programs still take
GONE = "None of the images that this link names is here for you: they were deleted, or their collections are not yours to see."
Action = Callable[[HttpRequest, User, Chosen], HttpResponseBase]


def _on_chosen(action: Action) -> Callable[[HttpRequest], HttpResponseBase]:
    """The view of an action on the images that a form names; a choice that cannot be acted on is told where it was made."""

    @require_POST
    @wraps(action)
    def view(request: HttpRequest) -> HttpResponseBase:
        user = signed_in(request)
        try:
            return action(request, user, choose(user, asked(request.POST)))
        except (BadChoice, BadMetadata) as refused:
            messages.error(request, str(refused))
            return _back(request)

    return view


@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest) -> HttpResponse:
    """What is selected, all of it, with every action; without a selection, how to make one.

    The same by a link that names the images: whoever opens it sees those of them that are theirs to see.
    """
    user = signed_in(request)
    told = request.POST if request.method == "POST" else request.GET
    try:
        chosen = choose(user, asked(told))
    except BadChoice as refused:
        too_many = request.method == "POST" or len(asked(told)) > MOST
        sentence = str(refused) if too_many else GONE if "images" in told else ""
        return render(request, "library/selected.html", {"refused": sentence, "back": _address_back(request)})
    link = f"{reverse('tray')}?images={chosen.as_text}" if len(chosen.images) <= IN_A_LINK else ""
    shown = {"chosen": chosen, "back": _address_back(request), "link": link, "in_a_link": IN_A_LINK}
    return render(request, "library/selected.html", shown)


# --- changing ---------------------------------------------------------------------------------------------------------


@_on_chosen
def tag(request: HttpRequest, user: User, chosen: Chosen) -> HttpResponseBase:
    how: bulk.TagChange = "remove" if request.POST.get("how") == "remove" else "add"
    tags = Metadata.from_mapping({"tags": request.POST.get("tags", "")}).tags
    if not tags:
        raise BadChoice("Write a tag first; several are parted by semicolons.")
    _may_change_some(chosen)
    if _unsure(request, chosen):
        asks = {"verb": "Add" if how == "add" else "Remove", "tags": tags, "fields": {"tags": "; ".join(tags), "how": how}}
        return _question(request, chosen, "tray-tag", asks)
    done = bulk.tag(user, chosen.to_change, tags, how=how)
    _record(user, "tags-added" if how == "add" else "tags-removed", chosen, done)
    _tell(request, chosen, done, verb="Tagged" if how == "add" else "Untagged")
    return _back(request)


@_on_chosen
def move(request: HttpRequest, user: User, chosen: Chosen) -> HttpResponseBase:
    """Into a collection where the user may change things too. What cannot be seen is answered as what is not there."""
    target = collection_named(user, request.POST.get("into", ""))
    if target is None:
        raise BadChoice("Choose a collection to move them to.")
    _may_change_some(chosen)
    if _unsure(request, chosen):
        return _question(request, chosen, "tray-move", {"verb": "Move", "target": target, "fields": {"into": target.pk}})
    done = bulk.move(user, chosen.to_change, target)
    _record(user, "images-moved", chosen, done, target)
    _tell(request, chosen, done, verb="Moved", target=target)
    return _back(request)


@_on_chosen
def throw_away(request: HttpRequest, user: User, chosen: Chosen) -> HttpResponseBase:
    """Into the trash, from where they can be brought back at once or within the trash's days."""
    _may_change_some(chosen)
    if _unsure(request, chosen):
        return _question(request, chosen, "tray-trash", {"verb": "Throw away", "days": settings.TRASH_DAYS, "fields": {}})
    done = bulk.throw_away(user, chosen.to_change)
    _tell(request, chosen, done, verb="Threw away")
    return _back(request)


@require_POST
def take_back(request: HttpRequest) -> HttpResponse:
    """One step: the last change, once."""
    user = signed_in(request)
    kept = request.session.get(UNDO)
    if not kept or not constant_time_compare(str(kept["token"]), request.POST.get("undo", "")):
        messages.error(
            request, "This cannot be taken back any more: something else was changed since, or it was taken back already."
        )
        return _back(request)
    del request.session[UNDO]
    undo = Undo.from_json(kept)
    done = bulk.take_back(user, undo)
    record(user, "change-taken-back", what=undo.what, changed=done.changed, images=list(undo.images))
    left = len(undo.images) - done.changed
    messages.success(
        request, f"Taken back for {_images(done.changed)}." + (f" {left} had been changed since and stay." if left else "")
    )
    return _back(request)


def _may_change_some(chosen: Chosen) -> None:
    if not chosen.editable:
        raise BadChoice("You may look at these images but not change them: that is for editors of their collections.")


def _unsure(request: HttpRequest, chosen: Chosen) -> bool:
    return len(chosen.editable) > SURE_UP_TO and request.POST.get("sure") != "yes"


def _question(request: HttpRequest, chosen: Chosen, action: str, asks: dict[str, Any]) -> HttpResponse:
    told = asks | {"chosen": chosen, "action": reverse(action), "back": _address_back(request)}
    return render(request, "library/sure.html", told)


def _record(user: User, action: str, chosen: Chosen, done: Done, target: Collection | None = None) -> None:
    record(user, action, target, images=[str(pk) for pk in chosen.to_change], changed=done.changed)


def _tell(request: HttpRequest, chosen: Chosen, done: Done, *, verb: str, target: Collection | None = None) -> None:
    """What was done, what was not and why, and the button that takes it back."""
    token = _remember(request, done.undo) if done.undo else ""
    shown = done.duplicates[:DUPLICATES_SHOWN]
    told = {
        "verb": verb,
        "done": done,
        "target": target,
        "looked_at": chosen.looked_at,
        "same": len(chosen.editable) - done.changed - done.full - len(done.duplicates),
        "duplicates": Image.objects.filter(pk__in=shown).prefetch_related("captions"),
        "undo": token,
        "back": _address_back(request),
    }
    written = render_to_string("library/_changed.html", told, request)
    sentence = mark_safe(written.strip())  # noqa: S308  our own template  # nosec B308 B703
    (messages.success if done.changed else messages.info)(request, sentence)


def _remember(request: HttpRequest, undo: Undo) -> str:
    token = secrets.token_urlsafe(12)
    request.session[UNDO] = undo.as_json() | {"token": token}
    return token


# --- taking along -----------------------------------------------------------------------------------------------------


@_on_chosen
def export_csv(_: HttpRequest, user: User, chosen: Chosen) -> HttpResponseBase:
    answer = csv_answer(tray_table.headings(chosen), tray_table.rows(chosen), name=_download_name(), user=user)
    record(user, "export-csv", images=[str(pk) for pk in chosen.ids])
    return answer


@_on_chosen
def export_zip(request: HttpRequest, user: User, chosen: Chosen) -> HttpResponseBase:
    limits.count("export", user)
    originals = request.POST.get("originals") == "yes" and bool(chosen.editable)
    told = [str(pk) for pk in chosen.to_change] if originals else []
    record(user, "export-zip", images=[str(pk) for pk in chosen.ids], originals=told)
    pieces = bundle.stream(chosen, user=user, originals=originals)
    return download(pieces, content_type="application/zip", name=f"{_download_name()}.zip")


def _download_name() -> str:
    """Without its ending."""
    return f"conchive-{timezone.localtime():%Y-%m-%d-%H%M}"


# --- coming back ------------------------------------------------------------------------------------------------------


def _back(request: HttpRequest) -> HttpResponseRedirect:
    """To the page where the images were chosen."""
    return HttpResponseRedirect(_address_back(request))


def _address_back(request: HttpRequest) -> str:
    return address_back(request, otherwise=reverse("search"))


def _images(n: int) -> str:
    return f"{n:,} image{'' if n == 1 else 's'}"
