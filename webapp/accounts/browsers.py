"""The browsers that one is signed in with, told so that one knows them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from webapp.accounts.audit import record
from webapp.accounts.engine import UNKNOWN_ADDRESS
from webapp.accounts.models import User

# the first that a browser names of itself; most name several
PROGRAMS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class SignedIn:
    """``address``: "" where it is not known. ``here``: the one that asks."""

    pk: int
    browser: str
    address: str
    since: datetime
    here: bool


def signed_in_browsers(user: User) -> list[SignedIn]:
    """Those whose sessions still hold, the one that asks first."""
    found = [
        SignedIn(
            pk=session.pk,
            browser=told(session.user_agent),
            address="" if session.ip == UNKNOWN_ADDRESS else session.ip,
            since=session.created_at,
            here=session.is_current(),
        )
        for session in UserSession.objects.filter(user=user.pk)
        if _holds(session, user)
    ]
    return sorted(found, key=lambda each: (not each.here, -each.since.timestamp()))


def _holds(session: UserSession, user: User) -> bool:
    """Whether it still signs ``user`` in. Not by Django's get_user(), which ends or renews what it looks at: reading writes
    nothing. Rows of others are deleted when their user signs in again.
    """
    kept = session._session_store(session.session_key)
    good = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return (
        kept.get(SESSION_KEY) == str(user.pk)
        and kept.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and any(constant_time_compare(kept.get(HASH_SESSION_KEY, ""), each) for each in good)
    )


def told(user_agent: str) -> str:
    program = next((name for sign, name in PROGRAMS if sign in user_agent), "A browser")
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    return f"{program} on {system}" if system else program


def sign_out(request: HttpRequest, user: User, *, only: int | None = None) -> int:
    """The one with the id ``only``, or all but the one that asks; how many there were."""
    chosen = UserSession.objects.filter(user=user.pk)
    chosen = chosen.exclude(session_key=request.session.session_key) if only is None else chosen.filter(pk=only)
    ended = list(chosen)
    if ended:
        record(user, "sessions-ended", user, n=len(ended))
        end_sessions(request, ended)
    return len(ended)
