"""Signing in by name or address, through one door, which locks after too many failures and tells nobody who has an account."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.urls import reverse
from django.utils import timezone

from tests.webapp.authenticators import whoever
from tests.webapp.conftest import PASSWORD
from webapp.accounts import locking
from webapp.accounts.models import AuditEvent, User

pytestmark = pytest.mark.django_db
WRONG = "not the password"


def sign_in(client, name: str, password: str = PASSWORD, **more: str):
    return client.post("/sign-in", {"username": name, "password": password}, **more)


def with_email(user: User, email: str) -> User:
    user.email = email
    user.save()
    return user


@pytest.mark.parametrize("told", ["alice", "Alice", " alice ", "alice@example.org", "Alice@Example.ORG"])
def test_a_name_and_an_address_sign_in_in_whatever_case(client, alice, told):
    with_email(alice, "alice@example.org")
    assert sign_in(client, told)["Location"] == "/"
    assert whoever(client) == alice


def test_names_that_differ_in_case_only_are_told_apart(client, alice):
    other = User.objects.create_user("Alice", password=PASSWORD)
    sign_in(client, "Alice")
    assert whoever(client) == other


def test_an_address_that_two_say_is_theirs_signs_in_neither(client, alice, bob):
    for user in (alice, bob):
        with_email(user, "shared@example.org")
    assert sign_in(client, "shared@example.org").status_code == 200
    assert whoever(client) is None


def test_who_confirmed_an_address_signs_in_by_it_and_who_only_says_so_does_not(client, alice, charlie):
    with_email(charlie, "alice@example.org").set_password(WRONG)
    charlie.save()
    EmailAddress.objects.create(user=alice, email="alice@example.org", verified=True, primary=True)
    assert sign_in(client, "alice@example.org", WRONG).status_code == 200
    assert sign_in(client, "alice@example.org")["Location"] == "/"
    assert whoever(client) == alice


def test_a_closed_account_is_told_so_to_its_owner_and_to_nobody_else(client, alice):
    alice.is_active = False
    alice.save()
    assert sign_in(client, "alice")["Location"] == "/sign-in/closed"
    assert "is closed" in client.get("/sign-in/closed").content.decode()
    assert "is not right" in sign_in(client, "alice", WRONG).content.decode()
    assert whoever(client) is None


def test_no_name_can_be_taken_that_reads_as_an_address(client, settings):
    settings.SIGN_UP = True
    told = client.post("/sign-up", {"username": "alice@example.org", "password1": PASSWORD, "password2": PASSWORD})
    assert told.status_code == 422
    assert not User.objects.exists()


# --- who has an account is nobody's to know -----------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["alice", "alice@example.org", "nobody", "nobody@example.org", "closed", "demo"])
def test_an_attempt_costs_one_hash_whoever_is_meant(client, alice, monkeypatch, told):
    with_email(alice, "alice@example.org")
    User.objects.create_user("closed", password=PASSWORD, is_active=False)
    User.objects.create_user("demo")
    hashed, encode = [], MD5PasswordHasher.encode

    def counted(*given):
        hashed.append(given)
        return encode(*given)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    assert sign_in(client, told, WRONG).status_code == 200
    assert len(hashed) == 1


@pytest.mark.parametrize("told", ["alice", "nobody"])
def test_the_account_locks_alike_whether_there_is_one_or_not(client, alice, settings, told):
    settings.AXES_FAILURE_LIMIT = 3
    answers = [sign_in(client, told, WRONG) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert 800 < int(answers[2]["Retry-After"]) <= 900
    assert "Try again in 15 minutes" in answers[3].content.decode()
    assert told not in re.sub(r'class="[^"]*"', "", answers[3].content.decode())


# --- lockout ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(client, alice, settings):
    """alice, locked out from this address."""
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(3):
        sign_in(client, "alice", WRONG)
    return alice


def test_a_locked_account_does_not_take_the_right_password(client, locked):
    assert sign_in(client, "alice").status_code == 429
    assert whoever(client) is None


def test_the_lock_is_for_the_account_by_whichever_name(client, locked):
    with_email(locked, "alice@example.org")
    for told in ("ALICE", "alice@example.org"):
        assert sign_in(client, told).status_code == 429


def test_neither_other_accounts_nor_other_addresses_are_locked(client, locked, bob):
    assert sign_in(client, "bob").status_code == 302
    client.post("/sign-out")
    assert sign_in(client, "alice", REMOTE_ADDR="10.1.2.3").status_code == 302


def test_the_lock_ends_by_itself_and_attempts_meanwhile_do_not_prolong_it(client, locked):
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=30))
    assert int(sign_in(client, "alice")["Retry-After"]) <= 30
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert sign_in(client, "alice").status_code == 302


def test_signing_in_forgets_earlier_failures(client, alice, settings):
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(2):
        sign_in(client, "alice", WRONG)
        sign_in(client, "alice")
        client.post("/sign-out")
    assert sign_in(client, "alice", WRONG).status_code == 200


def test_an_administrator_unlocks_an_account_and_it_is_written_down(client, locked, admin_user):
    client.force_login(admin_user)
    client.post(reverse("admin:accounts_user_changelist"), {"action": "unlock", "_selected_action": [locked.pk]})
    client.logout()
    assert sign_in(client, "alice").status_code == 302
    assert AuditEvent.objects.get(action="unlocked").target_id == str(locked.pk)


def test_staff_can_neither_unlock_nor_take_second_factors_away(client, alice):
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(_all_on_users())
    client.force_login(staff)
    page = client.get(reverse("admin:accounts_user_changelist")).content.decode()
    assert "delete_selected" in page
    assert "take_second_factors" not in page


def _all_on_users():
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(content_type__model="user", content_type__app_label="accounts")


def test_a_lockout_is_written_down_once_with_whom_it_met(client, locked):
    for _ in range(3):
        sign_in(client, "alice")
    (event,) = AuditEvent.objects.filter(action="locked-out")
    assert (event.actor, event.details) == (locked, {"by": "password"})


def test_what_was_typed_as_a_name_that_nobody_has_is_kept_nowhere(client):
    sign_in(client, "my secret password", WRONG)
    kept = [str(value) for row in AccessAttempt.objects.values() for value in row.values()]
    assert not [value for value in kept if "secret" in value or WRONG in value]


def test_a_client_without_a_network_address_is_counted_too(client, alice, settings):
    settings.AXES_FAILURE_LIMIT = 2
    answers = [sign_in(client, "alice", WRONG, REMOTE_ADDR="unix:") for _ in range(2)]
    assert answers[-1].status_code == 429


def test_a_wrong_present_password_counts_too(client, alice, settings):
    settings.AXES_FAILURE_LIMIT = 2
    client.force_login(alice)
    tries = [
        client.post("/account/password", {"oldpassword": WRONG, "password1": "x", "password2": "x"}).status_code for _ in range(3)
    ]
    assert tries[-1] == 429
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_wrong_answers_to_whether_it_is_you_count_too(client, alice, settings):
    settings.AXES_FAILURE_LIMIT = 2
    client.force_login(alice)
    tries = [client.post("/account/confirm", {"password": WRONG}).status_code for _ in range(2)]
    assert tries[-1] == 429


# --- one door -------------------------------------------------------------------------------------------------------------


def test_the_admin_has_no_door_of_its_own(client, admin_user):
    asked = client.get("/admin/login/?next=/admin/")
    assert asked["Location"] == "/sign-in?next=%2Fadmin%2F"
    tried = client.post("/admin/login/", {"username": "admin", "password": "password", "next": "/admin/"})
    assert tried["Location"].startswith("/sign-in")
    assert whoever(client) is None


def test_staff_do_not_become_somebody_else_by_the_admins_door(client, admin_user, alice):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    client.force_login(alice)
    client.post("/admin/login/", {"username": "admin", "password": "password", "next": "/admin/"})
    assert whoever(client) == alice


def test_the_way_through_the_admins_door_is_kept(client, admin_user):
    led = client.get("/admin/accounts/team/")["Location"]
    assert led == "/sign-in?next=/admin/accounts/team/"
    answer = client.post(led, {"username": "admin", "password": "password", "next": "/admin/accounts/team/"})
    assert answer["Location"] == "/admin/accounts/team/"


def test_the_admins_own_page_to_change_a_password_leads_to_the_sites(client, admin_user):
    client.force_login(admin_user)
    assert client.get("/admin/password_change/")["Location"] == "/account/password"


def test_what_allauth_shows_in_the_admin_is_taken_out(client, admin_user):
    client.force_login(admin_user)
    page = client.get("/admin/").content.decode()
    assert "Audit" in page
    assert not re.search("allauth|Authenticator|Social|Access attempt", page)


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
@pytest.mark.parametrize("door", ["/sign-in", "/sign-out", "/sign-in/with/lab"])
def test_no_door_leads_to_another_site(client, alice, elsewhere, door):
    answer = client.post(door, {"username": "alice", "password": PASSWORD, "next": elsewhere})
    assert "evil" not in answer.get("Location", "")
    assert "javascript" not in answer.get("Location", "")


def test_a_sign_in_is_written_down_with_how(client, alice):
    sign_in(client, "alice")
    assert AuditEvent.objects.get(action="sign-in").details == {"by": "password"}


def test_unlocking_an_account_that_is_not_locked_does_nothing(alice):
    assert locking.unlock(alice) == 0
