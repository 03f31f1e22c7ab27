"""After too many failures an account is locked for a while: for the address that they came from, or wholly if it was its codes.

django-axes counts, in the database, so that neither a restart nor a lost cache forgets. A name that nobody has is locked like any
other, and is kept as a hash only: people type passwords there.
"""

from __future__ import annotations

import ipaddress
import math
from datetime import timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac

from webapp.accounts import limits
from webapp.accounts.models import User
from webapp.accounts.passwords import person_by

CODES = "codes of "
Credentials = dict[str, Any]


def address_of(request: HttpRequest) -> str | None:
    """None for what is no network address, such as a socket in the file system."""
    try:
        return str(ipaddress.ip_address(limits.address_of(request)))
    except ValueError:
        return None


def who(request: HttpRequest, credentials: Credentials | None) -> str:
    """What attempts are counted by: the account, by whichever of its names it was meant."""
    given = credentials or {}
    told = str(given.get("username") or given.get("email") or request.POST.get("username", "")).strip()
    if given.get("code"):
        return CODES + told
    person = person_by(told)
    return person.username if person else "nobody " + salted_hmac("accounts.locking", told.casefold()).hexdigest()[:32]


def counted_by(request_or_attempt: Any, credentials: Credentials | None = None) -> list[str | list[str]]:
    """Codes are asked of whoever knows the password already, so there it does not matter where from."""
    del request_or_attempt
    return ["username"] if (credentials or {}).get("code") else [["username", "ip_address"]]


def refuse_where_locked(request: HttpRequest, user: User, *, code: bool = False) -> None:
    """Raises ValidationError; the answer will be the page that tells how long."""
    credentials = _credentials(user, code=code)
    if not AxesProxyHandler.is_allowed(request, credentials):
        request.axes_locked_out = True  # type: ignore[attr-defined]  # what axes' middleware looks at
        request.axes_credentials = credentials  # type: ignore[attr-defined]
        raise ValidationError("Too many attempts have failed.")


def failed(request: HttpRequest, user: User, *, code: bool = False) -> None:
    """One attempt more: counted, and written down."""
    user_login_failed.send(sender=__name__, credentials=_credentials(user, code=code), request=request)


def forget_codes(user: User) -> None:
    """One was right."""
    AccessAttempt.objects.filter(username=CODES + user.username).delete()


def unlock(user: User) -> int:
    """From wherever it was locked; how many counts were dropped."""
    return int(AccessAttempt.objects.filter(username__in=[user.username, CODES + user.username]).delete()[0])


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: Credentials | None = None) -> HttpResponse:
    """429, with Retry-After; the same whether there is such an account or not."""
    del response
    left = seconds_left(request, credentials)
    told = {"minutes": math.ceil(left / 60), "mails": settings.MAILS}
    answer = render(request, "accounts/locked_out.html", told, status=429)
    answer.headers["Retry-After"] = str(left)
    return answer


def seconds_left(request: HttpRequest, credentials: Credentials | None) -> int:
    """Whole seconds until it may be tried again, 1 or more."""
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    counts = AxesProxyHandler.get_implementation().get_user_attempts(request, credentials)
    last = max((attempt.attempt_time for count in counts for attempt in count), default=timezone.now())
    return max(1, math.ceil((last + cool_off - timezone.now()).total_seconds()))


def _credentials(user: User, *, code: bool) -> Credentials:
    return {"username": user.username, "code": code}
