"""What a browser says of where to go on and of which thing is meant: both may be anything."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme


def address_back(request: HttpRequest, *, otherwise: str) -> str:
    """The page that a form was sent from, which its field «back» names; ``otherwise`` where that is none of this site."""
    told = request.POST.get("back", "")
    return told if told.startswith("/") and url_has_allowed_host_and_scheme(told, allowed_hosts=None) else otherwise


def redirect_back(request: HttpRequest, *, otherwise: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(address_back(request, otherwise=otherwise))


def uuid_of(told: str) -> UUID | None:
    """None where it is none, which nothing has as its id."""
    try:
        return UUID(told)
    except ValueError:
        return None
