"""The search page, and the page that tells which words fit a picture."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.explore import addresses, archive, pictures, stages, watching
from webapp.explore.addresses import Address
from webapp.explore.asking import LONGEST_CONCEPT, BadQuery
from webapp.explore.builder import suggestions
from webapp.explore.encoding import PictureRefused, encoder_state
from webapp.explore.models import QueryPicture
from webapp.explore.queries import describe, search
from webapp.explore.refining import Asked
from webapp.explore.results import Results
from webapp.explore.shown_link import shared_by
from webapp.library.coverage import coverage
from webapp.library.models import Image, TermKind
from webapp.library.sent_files import private, unchanged

NEWEST_SHOWN = 12
EXAMPLES = ("brown stained nuclei", "glands with goblet cells", "adipose tissue", "lymphocytes", "keratin pearls")


@require_safe
def search_page(request: HttpRequest) -> HttpResponse:
    address = Address.of(request)
    try:
        if (meant := addresses.tidied(address)) != address or (meant.pairs and "" in request.GET.values()):
            return HttpResponseRedirect(reverse("search") + meant.href)
        if not addresses.asks(address):
            return home(request)
        user = signed_in(request)
        with stages.recorded(request, user) as passed:
            results = Results.of(search(addresses.query_of(address), user=user), address)
    except (BadQuery, PictureRefused) as refused:
        return home(request, refused=refused)
    # htmx asks for further hits only; the back button asks for the whole page again
    more = getattr(request, "htmx", False) and "cursor" in address
    told = {"results": results, "asked": results.asked}
    if not more:
        told |= {"shared": shared_by(address, user)} | watching.button(user, request)
    response = render(request, "explore/_hits.html" if more else "explore/results.html", told)
    response.headers["Vary"] = "HX-Request"
    response.headers["Server-Timing"] = passed.server_timing()
    return response


@require_safe
def search_stage(request: HttpRequest) -> HttpResponse:
    """Asked by a page that has waited for two seconds."""
    return JsonResponse({"stage": stages.stage_of(request, signed_in(request))})


def home(request: HttpRequest, *, refused: BadQuery | PictureRefused | None = None) -> HttpResponse:
    """The bar, and what there is to be searched; after a question that was refused, also what it was."""
    user, address = signed_in(request), Address.of(request)
    newest = Image.objects.visible_to(user).ready().prefetch_related("captions")[:NEWEST_SHOWN]
    told = {
        "coverage": coverage(user),
        "encoder": encoder_state(),
        "newest": newest,
        "examples": EXAMPLES,
        "refused": refused,
        "asked": Asked.of(address),
        "text": address.get("q"),
        "kept": addresses.kept(address),
    }
    return render(request, "explore/home.html", told, status=200 if refused is None else 400)


@require_safe
def suggest_terms(request: HttpRequest) -> HttpResponse:
    """Options for a field of the query builder: terms of the vocabularies that one may see."""
    kind, told = request.GET.get("kind", ""), request.GET.get("told", "")
    if kind not in TermKind.values:
        raise Http404
    options = suggestions(TermKind(kind), told[:LONGEST_CONCEPT], user=signed_in(request))
    return render(request, "explore/_term_options.html", {"options": options})


@require_safe
def encoder_strip(request: HttpRequest) -> HttpResponse:
    """Polled while the encoder starts; 286 tells htmx that there is no more to come."""
    state = encoder_state()
    return render(request, "explore/_encoder_state.html", {"encoder": state}, status=200 if state == "loading" else 286)


@require_POST
def ask_with_picture(request: HttpRequest) -> HttpResponse:
    """A picture that was dropped, pasted or chosen: kept as a vector, and its page is where the answer is.

    ``keep``: the address of a search that it joins, in the place of that one's picture.
    """
    target = "describe" if request.POST.get("then") == "describe" else "search"
    file = request.FILES.get("picture")
    if file is None:
        return _refused(request, target, "No picture came along: choose one.")
    user = signed_in(request)
    try:
        picture = pictures.remember(pictures.read(file), user=user, fingerprint=archive.images().fingerprint)
    except PictureRefused as refused:
        return _refused(request, target, str(refused))
    rest = addresses.joined(Address.of(request.POST.get("keep", "")) if target == "search" else Address(()))
    return HttpResponseRedirect(reverse(target) + rest.plus(("picture", str(picture.pk))).href)


def _refused(request: HttpRequest, target: str, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect(target)


@require_safe
def query_picture(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The small copy of a picture that one searched with: one's own only."""
    return _copy(request, pk, "thumbnail")


@require_safe
def query_picture_display(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The larger copy, to take a part of."""
    return _copy(request, pk, "display")


def _copy(request: HttpRequest, pk: uuid.UUID, column: str) -> HttpResponseBase:
    copy = QueryPicture.objects.visible_to(request.user).filter(pk=pk).values_list(column, flat=True).first()
    if copy is None:
        raise Http404
    tag = f"{pk}-{column}"  # a copy never changes
    if unchanged(request, tag):
        return private(HttpResponseNotModified(), tag)
    return private(HttpResponse(bytes(copy), content_type="image/jpeg"), tag)


@require_safe
def describe_page(request: HttpRequest) -> HttpResponse:
    address = Address.of(request)
    if not addresses.asks(address):
        return render(request, "explore/describe.html", {})
    user = signed_in(request)
    try:
        told = {"description": describe(addresses.query_of(address), user=user)}
    except (BadQuery, PictureRefused) as refused:
        return render(request, "explore/describe.html", {"refused": refused}, status=400)
    return render(request, "explore/describe.html", told)
