"""The page with the terms of the encoder's weights."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from webapp.accounts.caller import signed_in
from webapp.library import terms as asking


@require_http_methods(["GET", "HEAD", "POST"])
def terms(request: HttpRequest) -> HttpResponse:
    user, asked = signed_in(request), asking.terms()
    if asked is None:
        raise Http404
    further = _own(request, request.POST.get("next") or request.GET.get("next") or "/")
    ticked = request.POST.get("accept") == "yes"
    if ticked:
        asking.accept(user)
        return redirect(further)
    told = {"terms": asked, "next": further, "unticked": request.method == "POST", "accepted": asking.accepted(user)}
    return render(request, "library/terms.html", told, status=422 if request.method == "POST" else 200)


def _own(request: HttpRequest, address: str) -> str:
    """Only addresses of this site are gone on to."""
    own = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return address if own else "/"
