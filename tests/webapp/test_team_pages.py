"""Pages of teams, joining by a link, and what ends with the next request once somebody is out."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client

from tests.webapp.conftest import add, picture, run_tasks, told
from tests.webapp.test_api import Program
from webapp.accounts import invitations, teams
from webapp.accounts.models import AuditEvent, Invitation, Membership, Role, Team, User
from webapp.library import bulk_jobs
from webapp.library.models import Collection, Visibility

pytestmark = pytest.mark.django_db

NEW = {"username": "dora", "password1": "kidney tubules 7", "password2": "kidney tubules 7"}


def same(answer) -> str:
    """The page without the word against forged forms, which differs each time."""
    return re.sub(r'"X-CSRFToken": "[^"]*"|csrfmiddlewaretoken" value="[^"]*"', "", told(answer))


def link_in(page: str) -> str:
    [link] = re.findall(r'id="invite-link" value="http://testserver(/join/[^"]+)"', page)
    return str(link)


@pytest.fixture
def invited(carol, team_a) -> str:
    """The path of an invitation into team A, as editor."""
    return invitations.invite(team_a, by=carol, role=Role.EDITOR)[1].removeprefix("http://127.0.0.1:8000")


# --- looking ----------------------------------------------------------------------------------------------------------


def test_every_page_needs_signing_in(client, team_a):
    for address in ("/teams", "/teams/new", f"/teams/{team_a.pk}", f"/teams/{team_a.pk}/who-sees-what"):
        assert client.get(address)["Location"].startswith("/sign-in")


def test_one_sees_ones_teams_and_no_others(signed_in, bob, team_a, team_b):
    page = told(signed_in(bob).get("/teams"))
    assert ("Team A" in page, "Team B" in page, "your role: viewer" in page) == (True, False, True)


def test_who_is_in_no_team_is_told_what_to_do(signed_in, django_user_model):
    assert "You are in no team yet" in told(signed_in(django_user_model.objects.create_user("dora")).get("/teams"))


def test_a_foreign_team_and_an_unknown_one_are_answered_alike(signed_in, charlie, bob, team_a):
    browser = signed_in(charlie)
    reads, writes = ("", "/who-sees-what"), ("/leave", "/hand-over", "/invitations", "/put-back", f"/members/{bob.pk}/remove")
    for path in reads:
        answers = [browser.get(f"/teams/{pk}{path}") for pk in (team_a.pk, uuid.uuid4())]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert same(answers[0]) == same(answers[1])
    for path in (*writes, f"/members/{bob.pk}/role", "/invitations/1/revoke"):
        assert [browser.post(f"/teams/{pk}{path}").status_code for pk in (team_a.pk, uuid.uuid4())] == [404, 404]
    assert Membership.objects.filter(team=team_a, user=bob).exists()


def test_members_see_who_is_in_it_and_owners_may_change_it(signed_in, alice, bob, carol, team_a):
    page = told(signed_in(bob).get(f"/teams/{team_a.pk}"))
    assert ("alice" in page, "carol" in page, "/invitations" in page, "/remove" in page) == (True, True, False, False)
    page = told(signed_in(carol).get(f"/teams/{team_a.pk}"))
    assert ("/invitations" in page, f"/members/{bob.pk}/remove" in page) == (True, True)
    assert f"/members/{carol.pk}/remove" not in page


def test_a_member_who_is_no_owner_changes_nothing(signed_in, alice, bob, carol, team_a):
    browser = signed_in(alice)
    for path in (f"/members/{alice.pk}/role", f"/members/{bob.pk}/remove", "/invitations", "/hand-over", "/put-back"):
        assert browser.post(f"/teams/{team_a.pk}{path}", {"role": 3, "to": alice.pk, "days": 7}).status_code == 403
    assert alice.role_in(team_a) == Role.EDITOR
    assert not Invitation.objects.exists()


def test_who_sees_what_names_people_and_hides_what_one_may_not_see(signed_in, alice, bob, carol, charlie, team_a, collection):
    Collection.objects.create(team=team_a, name="Secret", made_by=alice, visibility=Visibility.PRIVATE)
    Collection.objects.create(team=team_a, name="Open", made_by=alice, visibility=Visibility.EVERYONE)
    page = told(signed_in(bob).get(f"/teams/{team_a.pk}/who-sees-what"))
    assert ("Kidneys" in page, "Open" in page, "4 accounts of this site" in page) == (True, True, True)
    assert "Secret" not in page
    part = told(signed_in(carol).get(f"/teams/{team_a.pk}/who-sees-what", headers={"HX-Request": "true"}))
    assert "<html" not in part
    secret = part[part.index("Secret") :]
    assert ("alice" in secret, "carol" in secret, "bob" in secret[: secret.index("</ul>")]) == (True, True, False)


def test_a_collections_edit_page_names_whom_each_choice_means(signed_in, alice, bob, carol, collection):
    page = told(signed_in(alice).get(f"/collections/{collection.pk}/edit"))
    assert "Who that is" in page
    assert page.count('<li class="tag">bob</li>') == 1
    assert page.count('<li class="tag">carol</li>') == 2


# --- changing ---------------------------------------------------------------------------------------------------------


def test_a_role_is_changed_on_the_page(signed_in, carol, bob, team_a):
    answer = signed_in(carol).post(f"/teams/{team_a.pk}/members/{bob.pk}/role", {"role": 2}, follow=True)
    assert "bob is an editor now." in told(answer)
    assert bob.role_in(team_a) == Role.EDITOR


@pytest.mark.parametrize("role", ["", "0", "4", "x", "3.5"])
def test_there_are_three_roles(signed_in, carol, bob, team_a, role):
    signed_in(carol).post(f"/teams/{team_a.pk}/members/{bob.pk}/role", {"role": role})
    assert bob.role_in(team_a) == Role.VIEWER


def test_the_only_owner_is_told_why_they_cannot_go(signed_in, carol, bob, team_a):
    browser = signed_in(carol)
    for path in (f"/members/{carol.pk}/remove", f"/members/{carol.pk}/role", "/leave"):
        answer = browser.post(f"/teams/{team_a.pk}{path}", {"role": 1}, follow=True)
        assert "A team needs an owner" in told(answer)
    assert carol.role_in(team_a) == Role.OWNER


def test_a_removal_offers_to_be_taken_back(signed_in, carol, alice, team_a):
    browser = signed_in(carol)
    page = told(browser.post(f"/teams/{team_a.pk}/members/{alice.pk}/remove", follow=True))
    [word] = re.findall(r'name="undo" value="([^"]+)"', page)
    assert alice.role_in(team_a) is None
    assert "is back in the team" in told(browser.post(f"/teams/{team_a.pk}/put-back", {"undo": word}, follow=True))
    assert alice.role_in(team_a) == Role.EDITOR


def test_a_team_is_handed_over_and_left(signed_in, carol, bob, team_a):
    browser = signed_in(carol)
    browser.post(f"/teams/{team_a.pk}/hand-over", {"to": bob.pk})
    assert (bob.role_in(team_a), carol.role_in(team_a)) == (Role.OWNER, Role.EDITOR)
    assert "You left Team A" in told(browser.post(f"/teams/{team_a.pk}/leave", follow=True))
    assert browser.get(f"/teams/{team_a.pk}").status_code == 404


@pytest.mark.parametrize("to", ["", "x", "-1", "9" * 30])
def test_nobody_is_handed_a_team_by_nonsense(signed_in, carol, team_a, to):
    assert signed_in(carol).post(f"/teams/{team_a.pk}/hand-over", {"to": to}).status_code == 404


def test_teams_are_made_by_administrators(signed_in, alice, admin_user):
    assert signed_in(alice).get("/teams/new").status_code == 404
    assert signed_in(alice).post("/teams/new", {"name": "Mine"}).status_code == 404
    answer = signed_in(admin_user).post("/teams/new", {"name": "Lungs", "max_bytes": 1, "members": alice.pk})
    made = Team.objects.get(name="Lungs")
    assert answer["Location"] == f"/teams/{made.pk}"
    assert (made.max_bytes, made.memberships.get().user) == (None, admin_user)
    assert "There is a team of this name" in told(signed_in(admin_user).post("/teams/new", {"name": "Lungs"}))


# --- inviting ---------------------------------------------------------------------------------------------------------


def test_a_link_is_shown_once(signed_in, carol, team_a):
    browser = signed_in(carol)
    page = told(browser.post(f"/teams/{team_a.pk}/invitations", {"role": 2, "email": "", "days": 7}))
    path = link_in(page)
    assert path.rpartition("/")[2] not in told(browser.get(f"/teams/{team_a.pk}"))
    assert "Whoever has the link" in told(browser.get(f"/teams/{team_a.pk}"))


@pytest.mark.parametrize("fields", [{"role": 9}, {"days": 0}, {"days": 1000}, {"email": "nonsense"}, {"role": ""}])
def test_a_bad_invitation_says_why(signed_in, carol, team_a, fields):
    answer = signed_in(carol).post(f"/teams/{team_a.pk}/invitations", {"role": 1, "email": "", "days": 7} | fields)
    assert answer.status_code == 422
    assert "errorlist" in told(answer)
    assert not Invitation.objects.exists()


def test_nobody_invites_into_another_team_by_a_field(signed_in, carol, team_a, team_b):
    signed_in(carol).post(f"/teams/{team_a.pk}/invitations", {"role": 1, "days": 7, "team": team_b.pk, "made_by": 1})
    assert Invitation.objects.get().team == team_a


def test_an_invitation_is_mailed_where_the_site_can(signed_in, carol, team_a, settings):
    browser, fields = signed_in(carol), {"role": 1, "email": "dora@example.org", "days": 7}
    browser.post(f"/teams/{team_a.pk}/invitations", fields)
    assert mail.outbox == []
    settings.MAILS = True
    path = link_in(told(browser.post(f"/teams/{team_a.pk}/invitations", fields)))
    assert path in mail.outbox[0].body


def test_a_mail_server_that_is_away_costs_no_invitation(signed_in, carol, team_a, settings):
    settings.MAILS, settings.EMAIL_BACKEND = True, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    page = told(signed_in(carol).post(f"/teams/{team_a.pk}/invitations", {"role": 1, "email": "dora@example.org", "days": 7}))
    assert "send the link yourself" in page
    assert link_in(page)


def test_an_invitation_is_withdrawn(signed_in, carol, invited, team_a):
    signed_in(carol).post(f"/teams/{team_a.pk}/invitations/{Invitation.objects.get().pk}/revoke")
    assert Client().get(invited).status_code == 404


def test_another_teams_invitation_cannot_be_withdrawn(signed_in, charlie, invited, team_b):
    answer = signed_in(charlie).post(f"/teams/{team_b.pk}/invitations/{Invitation.objects.get().pk}/revoke")
    assert answer.status_code == 404
    assert Invitation.objects.open().exists()


# --- joining ----------------------------------------------------------------------------------------------------------


def test_a_new_person_makes_an_account_and_is_in(client, invited, team_a):
    assert "Join Team A" in told(client.get(invited))
    answer = client.post(invited, NEW | {"is_superuser": "on", "is_staff": "on", "role": 3, "team": "x"}, follow=True)
    dora = User.objects.get(username="dora")
    assert answer.redirect_chain == [(f"/teams/{team_a.pk}", 302)]
    assert (dora.role_in(team_a), dora.is_staff, dora.is_superuser) == (Role.EDITOR, False, False)
    actions = set(AuditEvent.objects.filter(actor=dora).values_list("action", flat=True))
    assert actions == {"account-made", "invitation-accepted", "member-added", "sign-in"}
    assert Client().get(invited).status_code == 404


@pytest.mark.parametrize(
    "bad",
    [{"password1": "short", "password2": "short"}, {"password2": "different 77"}, {"username": "operator"}, {"username": "Demo"},
     {"username": "a b"}, {"username": "CAROL"}, {"password1": "password", "password2": "password"}],
)  # fmt: skip
def test_a_bad_account_is_not_made_and_the_invitation_stays(client, invited, bad):
    answer = client.post(invited, NEW | bad)
    assert answer.status_code == 422
    assert "errorlist" in told(answer)
    assert Invitation.objects.open().exists()
    assert not User.objects.filter(username="dora").exists()


def test_a_bound_invitation_wants_its_address(client, carol, team_a):
    path = invitations.invite(team_a, by=carol, role=Role.VIEWER, email="dora@example.org")[1].removeprefix(
        "http://127.0.0.1:8000"
    )
    assert "dora@example.org" not in told(client.get(path))
    assert "for another e-mail address" in told(client.post(path, NEW | {"email": "eve@example.org"}))
    client.post(path, NEW | {"email": "Dora@example.org"})
    assert User.objects.get(username="dora").role_in(team_a) == Role.VIEWER


def test_whoever_is_signed_in_joins_by_a_form(signed_in, charlie, invited, team_a):
    browser = signed_in(charlie)
    assert "signed in as" in told(browser.get(invited))
    assert charlie.role_in(team_a) is None
    browser.post(invited)
    assert charlie.role_in(team_a) == Role.EDITOR


def test_a_member_is_told_that_they_are_in_already(signed_in, bob, invited, team_a):
    answer = signed_in(bob).post(invited)
    assert answer.status_code == 409
    assert "in this team already" in told(answer)


def test_every_dead_link_is_answered_alike(client, carol, invited, team_a):
    used = Invitation.objects.get()
    Invitation.objects.filter(pk=used.pk).update(accepted_at=used.made_at)
    _, link = invitations.invite(team_a, by=carol, role=Role.VIEWER)
    Invitation.objects.exclude(pk=used.pk).update(expires_at=used.made_at)
    answers = [client.get(path) for path in (invited, link.removeprefix("http://127.0.0.1:8000"), "/join/unknown")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({same(answer) for answer in answers}) == 1


def test_the_page_of_a_link_lets_its_address_go_nowhere(client, invited):
    answer = client.get(invited)
    assert answer["Referrer-Policy"] == "strict-origin"
    assert answer["X-Robots-Tag"] == "noindex"
    assert "no-store" in answer["Cache-Control"]


def test_no_log_tells_a_token(client, caplog, invited):
    Invitation.objects.all().delete()
    client.get(invited)
    assert "Not Found: /join/…" in caplog.text
    assert invited.rpartition("/")[2] not in caplog.text


def test_links_are_not_guessed_at_leisure(client, settings):
    settings.RATES = settings.RATES | {"link": "3/minute"}
    assert [client.get("/join/x").status_code for _ in range(5)] == [404, 404, 404, 429, 429]


def test_without_the_setting_nobody_signs_up(client, settings):
    assert client.get("/sign-up").status_code == 404
    assert client.post("/sign-up", NEW).status_code == 404
    settings.SIGN_UP = True
    assert client.post("/sign-up", NEW)["Location"] == "/"
    assert not User.objects.get(username="dora").memberships.exists()


# --- rights of the moment ---------------------------------------------------------------------------------------------


def test_whoever_is_removed_sees_nothing_at_the_next_request(signed_in, alice, carol, make_image, collection, team_a):
    image, browser, program = make_image("brown"), signed_in(alice), Program(alice)
    upload = add(collection, {"b.png": picture("red")}, user=alice)
    run_tasks()
    pages = [
        f"/teams/{team_a.pk}", f"/teams/{team_a.pk}/who-sees-what", f"/collections/{collection.pk}", f"/images/{image.pk}",
        f"/collections/{collection.pk}/edit", f"/collections/{collection.pk}/jobs", f"/uploads/{upload.pk}",
        f"/images/{image.pk}/facts", f"/images/{image.pk}/history", f"/images/{image.pk}/neighbours",
    ]  # fmt: skip
    media = [f"/images/{image.pk}/{kind}" for kind in ("thumbnail", "display", "original")]
    assert max(told_of(browser.get(address)) for address in (*pages, *media)) < 400
    assert program.get(f"/images/{image.pk}").status_code == 200
    assert str(image.pk) in told(browser.get("/", {"q": "brown"}))

    teams.remove(Membership.objects.select_related("team", "user").get(user=alice), by=carol)

    assert {browser.get(address).status_code for address in (*pages, *media)} == {404}
    assert program.get(f"/images/{image.pk}").status_code == 404
    assert program.get("/collections").json() == []
    assert str(image.pk) not in told(browser.get("/", {"q": "brown"}))
    for action in ("tag", "trash", "csv"):
        answer = browser.post(f"/selected/{action}", {"images": str(image.pk), "tags": "x", "sure": "yes"}, follow=True)
        assert str(image.pk) not in told_all(answer)
    image.refresh_from_db()
    assert (image.tags, image.state) == ([], "ready")


def told_of(answer) -> int:
    """Its status, read to the end: a file that is sent is closed after that."""
    answer.getvalue()
    answer.close()
    return int(answer.status_code)


def told_all(answer) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def test_ones_own_work_in_a_collection_that_one_may_not_see_any_more_is_not_told(signed_in, alice, carol, make_image, collection):
    make_image("brown")
    job = bulk_jobs.Which(collection=collection).start(bulk_jobs.REEMBED, user=alice)
    browser = signed_in(alice)
    assert "Embed again" in told(browser.get("/jobs"))
    assert browser.get(f"/jobs/{job.pk}/report.csv").status_code == 200
    Membership.objects.filter(user=alice).delete()
    assert "Embed again" not in told(browser.get("/jobs"))
    assert browser.get(f"/jobs/{job.pk}/report.csv").status_code == 404
    assert browser.post(f"/jobs/{job.pk}/cancel").status_code == 404


# --- the API ----------------------------------------------------------------------------------------------------------


def test_programs_read_teams_and_editors_their_members(alice, bob, carol, charlie, team_a):
    assert [team["name"] for team in Program(bob).get("/teams").json()] == ["Team A"]
    members = Program(alice).get(f"/teams/{team_a.pk}/members").json()
    assert {member["user"]: member["role"] for member in members} == {"alice": "editor", "bob": "viewer", "carol": "owner"}
    assert Program(bob).get(f"/teams/{team_a.pk}/members").status_code == 404
    assert Program(charlie).get(f"/teams/{team_a.pk}/members").status_code == 404


# --- the admin --------------------------------------------------------------------------------------------------------


def staff(person: User, *names: str) -> User:
    person.is_staff = True
    person.save()
    person.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return person


ALL = [f"{what}_{model}" for what in ("view", "change", "add", "delete")
       for model in ("image", "collection", "upload", "vocabulary", "team", "membership", "user", "caption")]  # fmt: skip


def test_staff_without_object_rights_find_nothing_in_the_admin(signed_in, charlie, alice, make_image, collection):
    image = make_image("brown", caption="a caption that is nobody's business", name="secret-name.png")
    upload = add(collection, {"b.png": picture("red")}, user=alice)
    browser = signed_in(staff(charlie, *ALL))
    for model, pk in (("image", image.pk), ("collection", collection.pk), ("upload", upload.pk)):
        page = told(browser.get(f"/admin/library/{model}/"))
        assert not re.search(f"{pk}|secret-name|Kidneys", page), model
        for act in ("change", "history", "delete"):
            answer = browser.get(f"/admin/library/{model}/{pk}/{act}/")
            assert answer.status_code in (302, 403), (model, act)
            assert "nobody's business" not in told(answer)


def test_autocompletion_and_searches_in_the_admin_find_nothing_foreign(
    signed_in, charlie, make_image, collection, team_a, team_b
):
    image = make_image("brown", name="secret-name.png")
    browser = signed_in(staff(charlie, *ALL))
    assert str(image.pk) not in told(browser.get("/admin/library/image/", {"q": "secret-name"}))
    asked = {"app_label": "accounts", "model_name": "membership", "field_name": "user", "term": "a"}
    found = browser.get("/admin/autocomplete/", asked)
    assert "admin" not in told(found)
    page = told(browser.get("/admin/library/image/", {"collection__id__exact": collection.pk}))
    assert "secret-name" not in page


def test_staff_cannot_move_things_where_they_may_not(signed_in, alice, make_image, foreign_collection, team_b):
    image = make_image("brown")
    browser = signed_in(staff(alice, *ALL))
    page = told(browser.get(f"/admin/library/image/{image.pk}/change/"))
    assert "Livers" not in page
    browser.post(f"/admin/library/image/{image.pk}/change/", {"collection": foreign_collection.pk, "name": "x"})
    image.refresh_from_db()
    assert image.collection.name == "Kidneys"
    assert "Team B" not in told(browser.get("/admin/library/collection/add/"))


def test_staff_cannot_raise_themselves(signed_in, alice, bob, admin_user, team_a, team_b):
    browser = signed_in(staff(alice, *ALL))
    assert browser.get(f"/admin/accounts/user/{admin_user.pk}/password/").status_code in (302, 403, 404)
    assert browser.get(f"/admin/accounts/team/{team_b.pk}/change/").status_code == 302
    assert browser.get(f"/admin/accounts/team/{team_a.pk}/change/").status_code == 302  # an editor does not manage
    page = told(browser.get(f"/admin/accounts/user/{alice.pk}/change/"))
    assert 'name="is_superuser"' not in page
    assert 'name="user_permissions"' not in page


def test_what_a_superuser_does_in_the_admin_is_written_down(signed_in, admin_user, carol, bob, team_a, make_image):
    image, browser = make_image("brown"), signed_in(admin_user)
    browser.get(f"/admin/library/image/{image.pk}/change/")
    assert AuditEvent.objects.filter(actor=admin_user, action="view", target_id=str(image.pk)).exists()
    held = Membership.objects.get(user=carol)
    fields = {
        "name": "Renamed", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1, "memberships-0-id": held.pk,
        "memberships-0-team": team_a.pk, "memberships-0-user": carol.pk, "memberships-0-role": 3,
    }  # fmt: skip
    browser.post(f"/admin/accounts/team/{team_a.pk}/change/", fields)
    assert AuditEvent.objects.filter(actor=admin_user, action="admin-changed", target_id=str(team_a.pk)).exists()


def test_the_admin_leaves_a_team_its_owner(signed_in, admin_user, carol, team_a):
    held = Membership.objects.get(user=carol)
    fields = {
        "name": "Team A", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1, "memberships-0-id": held.pk,
        "memberships-0-team": team_a.pk, "memberships-0-user": carol.pk, "memberships-0-role": 1,
    }  # fmt: skip
    page = told(signed_in(admin_user).post(f"/admin/accounts/team/{team_a.pk}/change/", fields))
    assert "needs an owner" in page
    assert carol.role_in(team_a) == Role.OWNER
