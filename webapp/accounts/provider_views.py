"""To another site to sign in there, and back."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.openid_connect import views
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from jwt import PyJWTError
from redis.exceptions import RedisError
from requests import RequestException

from webapp.accounts import limits
from webapp.outages import Outage

STILL_WORKS = "Whoever has a password of this site can sign in with it."


@login_not_required
@require_POST
def sign_in_with(request: HttpRequest, provider_id: str) -> HttpResponse:
    """On to the provider. By a page that leads on, for a form must not end elsewhere: the policy of the pages says so."""
    limits.count("sign-in", limits.address_of(request))
    return _on_to(request, provider_id, process="login", then=get_next_redirect_url(request))


@require_POST
def link(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The same, to link what is there to one's account."""
    _provider(request, provider_id)
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    return _on_to(request, provider_id, process="connect", then=None)


@login_not_required
@require_safe
def back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Raises Outage."""
    limits.count("sign-in", limits.address_of(request))
    try:
        answer: HttpResponse = views.callback(request, provider_id)
    except (RequestException, RedisError) as exc:
        raise _away(exc) from exc
    except (PyJWTError, KeyError, ValueError):  # what it says of the person lacks what one goes by
        return render(request, "socialaccount/authentication_error.html", status=401)
    return answer


def _on_to(request: HttpRequest, provider_id: str, *, process: str, then: str | None) -> HttpResponse:
    """Raises Outage."""
    provider = _provider(request, provider_id)
    try:
        answer: HttpResponse = provider.redirect(request, process, next_url=then)
    except (RequestException, KeyError, ValueError) as exc:
        raise _away(exc) from exc
    if "Location" not in answer.headers:
        return answer
    return render(request, "accounts/going_on.html", {"address": answer.headers["Location"], "name": provider.name})


def _provider(request: HttpRequest, provider_id: str) -> Any:
    """Raises Http404."""
    try:
        return get_adapter().get_provider(request, provider_id)
    except SocialApp.DoesNotExist as exc:
        raise Http404 from exc


def _away(exc: Exception) -> Outage:
    return Outage(
        "The site to sign in with does not answer.",
        detail=f"It was asked and failed ({type(exc).__name__}).",
        still_works=STILL_WORKS,
    )
