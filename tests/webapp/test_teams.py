"""Teams: roles, invitations, and that whoever is out sees nothing from the next request on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from tests.webapp.conftest import PASSWORD
from webapp.accounts import invitations, rights, teams
from webapp.accounts.models import AuditEvent, Invitation, Membership, Role, Team, User

pytestmark = pytest.mark.django_db


def member(user: User, team: Team) -> Membership:
    return Membership.objects.select_related("team", "user").get(user=user, team=team)


def recorded(team: Team) -> list[str]:
    return list(AuditEvent.objects.filter(team=team).order_by("pk").values_list("action", flat=True))


# --- rights -----------------------------------------------------------------------------------------------------------


def test_members_see_their_team_and_owners_manage_it(alice, bob, carol, charlie, admin_user, team_a):
    people = (alice, bob, carol, charlie, admin_user)
    for asked, expected in (
        (rights.teams_visible_to, [True, True, True, False, True]),
        (rights.teams_edited_by, [True, False, True, False, True]),
        (rights.teams_managed_by, [False, False, True, False, True]),
    ):
        assert [asked(person).filter(pk=team_a.pk).exists() for person in people] == expected


def test_a_closed_account_has_no_team(carol, team_a):
    carol.is_active = False
    assert not rights.teams_visible_to(carol).exists()
    assert not rights.may_make_teams(carol)


def test_administrators_make_teams_and_everybody_where_the_setting_says_so(alice, admin_user, settings):
    assert [rights.may_make_teams(person) for person in (alice, admin_user)] == [False, True]
    settings.TEAM_MAKING = "everyone"
    assert rights.may_make_teams(alice)


# --- roles ------------------------------------------------------------------------------------------------------------


def test_whoever_makes_a_team_owns_it(alice):
    made = teams.make(alice, "Lungs")
    assert alice.role_in(made) == Role.OWNER
    assert recorded(made) == ["team-made"]


def test_a_role_is_changed_and_written_down_once(carol, bob, team_a):
    for _ in range(2):
        teams.change_role(member(bob, team_a), Role.EDITOR, by=carol)
    assert bob.role_in(team_a) == Role.EDITOR
    assert recorded(team_a) == ["role-changed"]
    assert AuditEvent.objects.get().details == {"before": "viewer", "now": "editor"}


def test_the_last_owner_can_neither_leave_nor_be_demoted_nor_removed(carol, bob, team_a, admin_user):
    only = member(carol, team_a)
    for attempt in (
        lambda: teams.leave(only),
        lambda: teams.change_role(only, Role.VIEWER, by=admin_user),
        lambda: teams.remove(only, by=admin_user),
    ):
        with pytest.raises(teams.LastOwner):
            attempt()
    assert carol.role_in(team_a) == Role.OWNER
    assert recorded(team_a) == []


def test_a_closed_account_is_no_owner_that_would_do(carol, bob, team_a):
    Membership.objects.filter(user=bob).update(role=Role.OWNER)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with pytest.raises(teams.LastOwner):
        teams.leave(member(carol, team_a))


def test_one_of_two_owners_may_go(carol, bob, team_a):
    teams.change_role(member(bob, team_a), Role.OWNER, by=carol)
    teams.leave(member(carol, team_a))
    assert carol.role_in(team_a) is None
    assert recorded(team_a) == ["role-changed", "member-left"]


def test_a_team_is_handed_over(carol, bob, team_a):
    teams.hand_over(team_a, member(bob, team_a), by=carol)
    assert (bob.role_in(team_a), carol.role_in(team_a)) == (Role.OWNER, Role.EDITOR)
    assert recorded(team_a) == ["ownership-transferred"]


def test_handing_over_to_oneself_changes_nothing(carol, team_a):
    teams.hand_over(team_a, member(carol, team_a), by=carol)
    assert carol.role_in(team_a) == Role.OWNER


def test_a_removal_is_taken_back_with_the_role(carol, alice, team_a):
    word = teams.remove(member(alice, team_a), by=carol)
    assert alice.role_in(team_a) is None
    teams.put_back(word, team_a, by=carol)
    assert alice.role_in(team_a) == Role.EDITOR
    assert recorded(team_a) == ["member-removed", "member-added"]
    with pytest.raises(teams.NotUndone):
        teams.put_back(word, team_a, by=carol)


def test_no_word_puts_anybody_into_another_team(carol, alice, team_a, team_b, monkeypatch):
    word = teams.remove(member(alice, team_a), by=carol)
    for told, team in ((word, team_b), (word + "x", team_a), ("", team_a)):
        with pytest.raises(teams.NotUndone):
            teams.put_back(told, team, by=carol)
    monkeypatch.setattr(teams, "UNDO_S", -1)
    with pytest.raises(teams.NotUndone):
        teams.put_back(word, team_a, by=carol)


# --- invitations ------------------------------------------------------------------------------------------------------


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


def test_of_an_invitation_only_the_hash_is_kept(carol, team_a):
    made, link = invitations.invite(team_a, by=carol, role=Role.EDITOR)
    kept = [str(value) for value in Invitation.objects.values_list().get()]
    assert not any(token_of(link) in value for value in kept)
    assert not any(token_of(link) in str(event.details) for event in AuditEvent.objects.all())
    assert invitations.open_by(token_of(link)) == made


def test_an_invitation_lets_one_person_in_once(carol, charlie, team_a, django_user_model):
    made, link = invitations.invite(team_a, by=carol, role=Role.EDITOR)
    invitations.accept(made, charlie)
    assert charlie.role_in(team_a) == Role.EDITOR
    assert invitations.open_by(token_of(link)) is None
    with pytest.raises(invitations.Refused):
        invitations.accept(made, django_user_model.objects.create_user("dora"))
    assert recorded(team_a) == ["invitation-made", "invitation-accepted", "member-added"]


def test_a_member_does_not_use_an_invitation_up(carol, bob, team_a):
    made, link = invitations.invite(team_a, by=carol, role=Role.OWNER)
    with pytest.raises(invitations.Refused):
        invitations.accept(made, bob)
    assert bob.role_in(team_a) == Role.VIEWER
    assert invitations.open_by(token_of(link)) == made


def test_one_that_is_bound_lets_in_that_address_alone(carol, charlie, team_a):
    made, _ = invitations.invite(team_a, by=carol, role=Role.VIEWER, email="Charlie@example.org")
    with pytest.raises(invitations.Refused):
        invitations.accept(made, charlie)
    charlie.email = "charlie@example.org"
    assert invitations.accept(made, charlie).team == team_a


def test_expired_revoked_and_unknown_open_nothing(carol, team_a):
    expired, link = invitations.invite(team_a, by=carol, role=Role.VIEWER)
    Invitation.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert invitations.open_by(token_of(link)) is None
    revoked, link = invitations.invite(team_a, by=carol, role=Role.VIEWER)
    assert invitations.revoke(revoked, by=carol)
    assert not invitations.revoke(revoked, by=carol)
    assert invitations.open_by(token_of(link)) is None
    assert invitations.open_by("unknown") is None


def test_a_former_owner_cannot_come_back_by_a_link_of_their_own(carol, bob, team_a):
    made, link = invitations.invite(team_a, by=carol, role=Role.OWNER)
    teams.hand_over(team_a, member(bob, team_a), by=carol)
    made.refresh_from_db()
    assert made.revoked_at is not None
    assert invitations.open_by(token_of(link)) is None


def test_a_link_ends_with_its_makers_rights_however_they_ended(carol, team_a):
    _, link = invitations.invite(team_a, by=carol, role=Role.OWNER)
    Membership.objects.filter(user=carol).update(role=Role.EDITOR)  # as in the admin or a shell
    assert invitations.open_by(token_of(link)) is None


def test_a_mailed_invitation_has_the_link_and_nothing_of_the_archive(carol, team_a, collection):
    made, link = invitations.invite(team_a, by=carol, role=Role.VIEWER, email="dora@example.org")
    invitations.mail(made, link)
    [letter] = mail.outbox
    assert letter.to == ["dora@example.org"]
    assert link in letter.body
    assert collection.name not in letter.body


def test_the_cast_can_sign_in(client, alice):
    answer = client.post("/sign-in", {"username": "alice", "password": PASSWORD})
    assert answer["Location"] == "/"
