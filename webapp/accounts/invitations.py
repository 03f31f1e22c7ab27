"""Invitations: a link that lets one person into one team, in one role, once. Only its hash is kept."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from webapp.accounts import rights
from webapp.accounts.audit import record
from webapp.accounts.models import Invitation, Membership, Role, Team, User
from webapp.accounts.tokens import digest

DAYS = 7
MOST_DAYS = 90


class Refused(Exception):
    """Why this invitation does not let this person in."""


class NotMailed(Exception):
    """The mail server did not take it; the link is good all the same."""


def invite(team: Team, *, by: User, role: Role, email: str = "", days: int = DAYS) -> tuple[Invitation, str]:
    """The row, and the link: the only time that it can be read. ``email`` "": for whoever has the link."""
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        made = Invitation.objects.create(
            team=team,
            email=email,
            role=role,
            sha256=digest(token),
            made_by=by,
            expires_at=timezone.now() + timedelta(days=days),
        )
        record(by, "invitation-made", made, team=team, role=role.label, days=days, bound=bool(email))
    return made, settings.CONCHIVE_URL + reverse("join", args=[token])


def mail(invitation: Invitation, link: str) -> None:
    """To the address that it is bound to. Raises NotMailed."""
    until = timezone.localtime(invitation.expires_at)
    text = (
        f"You are invited to the team “{invitation.team.name}” of a Conchive image archive, as {Role(invitation.role).label}.\n\n"
        f"{link}\n\nThe link lets you in once, until {until:%d %B %Y, %H:%M}. Give it to nobody else.\n"
    )
    try:
        send_mail("An invitation to Conchive", text, None, [invitation.email])
    except OSError as exc:  # of which smtplib's errors are
        raise NotMailed from exc


def revoke(invitation: Invitation, *, by: User) -> bool:
    """False where it did not let anybody in any more."""
    with transaction.atomic():
        revoked = Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=Now())
        if revoked:
            record(by, "invitation-revoked", invitation, team=invitation.team)
    return bool(revoked)


def open_by(token: str) -> Invitation | None:
    """None alike for what is unknown, expired, revoked, used, and made by somebody who may not invite any more."""
    found = Invitation.objects.open().filter(sha256=digest(token)).select_related("team", "made_by").first()
    if found is None or found.made_by is None or not rights.may_manage(found.made_by, found.team):
        return None
    return found


def accept(invitation: Invitation, user: User) -> Membership:
    """``user`` is a member from here on. Raises Refused."""
    if invitation.email and invitation.email.casefold() != user.email.casefold():
        raise Refused("This invitation is for somebody with another e-mail address than that of your account.")
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=invitation.team_id)
        if user.memberships.filter(team=invitation.team_id).exists():
            raise Refused("You are in this team already.")
        if not Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=Now(), accepted_by=user):
            raise Refused("Somebody was faster: this invitation has been used.")
        member = Membership.objects.create(team=invitation.team, user=user, role=invitation.role)
        record(user, "invitation-accepted", invitation, team=invitation.team)
        record(user, "member-added", user, team=invitation.team, role=Role(invitation.role).label)
    return member
