"""The demo's one user, who needs no password on the machine that the demo runs on."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from webapp.accounts.models import Membership, Role, Team, User
from webapp.loopback import is_loopback

NAME, TEAM = "demo", "Demo lab"


def may_enter(request: HttpRequest) -> bool:
    """Only where the site runs as a demo, and only from this machine, asked directly: never through a proxy."""
    proxied = "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META
    return bool(settings.CONCHIVE_DEMO) and not proxied and is_loopback(request.META.get("REMOTE_ADDR", ""))


def team() -> Team:
    return Team.objects.get_or_create(name=TEAM)[0]


def user() -> User:
    """Editor and owner of the demo team only; no password opens the account from elsewhere."""
    person, made = User.objects.get_or_create(username=NAME)
    if made:
        person.set_unusable_password()
        person.save()
    Membership.objects.get_or_create(team=team(), user=person, defaults={"role": Role.OWNER})
    return person
