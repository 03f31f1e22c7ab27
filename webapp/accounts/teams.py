"""What is done to teams and their members, each act with its line in the audit trail.

    make     invite ── accept      change_role     hand_over      remove ── put_back
                 └──── revoke                                     leave

The caller has asked rights.py before. A team that has an owner keeps one: what would take the last one away raises LastOwner.
Acts on one team wait for each other, or two owners could leave at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core import signing
from django.db import transaction

from webapp.accounts import invitations
from webapp.accounts.audit import record
from webapp.accounts.models import Membership, Role, Team, User

UNDO_S = 600  # a removal can be taken back for so long
_SALT = "accounts.teams.removed"


class LastOwner(Exception):
    """Nobody could manage the team any more."""

    def __init__(self) -> None:
        super().__init__("A team needs an owner: make somebody else one first.")


class NotUndone(Exception):
    """What was done cannot be taken back (any more)."""

    def __init__(self) -> None:
        super().__init__("This cannot be taken back any more: invite them instead.")


def make(user: User, name: str) -> Team:
    """``user`` owns it."""
    with transaction.atomic():
        team = Team.objects.create(name=name)
        Membership.objects.create(team=team, user=user, role=Role.OWNER)
        record(user, "team-made", team, team=team)
    return team


def change_role(member: Membership, role: Role, *, by: User) -> None:
    """Raises LastOwner."""
    with _alone(member.team):
        before = Membership.objects.values_list("role", flat=True).get(pk=member.pk)
        if before == role:
            return
        _keep_an_owner(member, role)
        Membership.objects.filter(pk=member.pk).update(role=role)
        _lost_ownership(member, role, by=by)
        record(by, "role-changed", member.user, team=member.team, before=Role(before).label, now=role.label)


def remove(member: Membership, *, by: User) -> str:
    """A word that takes this back within UNDO_S: put_back(). Raises LastOwner."""
    with _alone(member.team):
        _keep_an_owner(member, None)
        member.delete()
        _lost_ownership(member, None, by=by)
        record(by, "member-removed", member.user, team=member.team, role=Role(member.role).label)
    return signing.dumps([str(member.team_id), member.user_id, int(member.role)], salt=_SALT)


def removed(word: str, team: Team) -> tuple[User, Role]:
    """Whom ``word`` brings back, and as what. Raises NotUndone."""
    try:
        told, user, role = signing.loads(word, salt=_SALT, max_age=UNDO_S)
    except signing.BadSignature as exc:
        raise NotUndone from exc
    person = User.objects.filter(pk=user, is_active=True).first()
    if told != str(team.pk) or person is None or person.memberships.filter(team=team).exists():
        raise NotUndone
    return person, Role(role)


def put_back(word: str, team: Team, *, by: User) -> User:
    """Raises NotUndone."""
    with _alone(team):
        person, role = removed(word, team)
        Membership.objects.create(team=team, user=person, role=role)
        record(by, "member-added", person, team=team, role=role.label)
    return person


def leave(member: Membership) -> None:
    """Raises LastOwner."""
    with _alone(member.team):
        _keep_an_owner(member, None)
        member.delete()
        _lost_ownership(member, None, by=member.user)
        record(member.user, "member-left", member.user, team=member.team, role=Role(member.role).label)


def hand_over(team: Team, to: Membership, *, by: User) -> None:
    """``to`` owns the team from now on; ``by``, where they were an owner, edits in it. Raises LastOwner for a closed account."""
    if not to.user.is_active:
        raise LastOwner
    with _alone(team):
        Membership.objects.filter(pk=to.pk).update(role=Role.OWNER)
        mine = Membership.objects.filter(team=team, user=by, role=Role.OWNER).exclude(pk=to.pk)
        for former in mine.select_related("team", "user"):
            Membership.objects.filter(pk=former.pk).update(role=Role.EDITOR)
            _lost_ownership(former, Role.EDITOR, by=by)
        record(by, "ownership-transferred", to.user, team=team)


def _keep_an_owner(member: Membership, role: Role | None) -> None:
    """Raises LastOwner."""
    owners = Membership.objects.filter(team=member.team_id, role=Role.OWNER, user__is_active=True)
    loses = role != Role.OWNER and owners.filter(pk=member.pk).exists()
    if loses and not owners.exclude(pk=member.pk).exists():
        raise LastOwner


def _lost_ownership(member: Membership, role: Role | None, *, by: User) -> None:
    """Whoever does not own the team any more has no links that let people into it: they could come back by one."""
    if role != Role.OWNER:
        for invitation in member.team.invitations.open().filter(made_by=member.user_id):
            invitations.revoke(invitation, by=by)


@contextmanager
def _alone(team: Team) -> Iterator[None]:
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        yield
