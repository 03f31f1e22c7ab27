"""A second factor: set up by its owner, asked at the door, used once, and a must where the site says so."""

from __future__ import annotations

import json
import time

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache.backends.locmem import LocMemCache
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisAway

from tests.webapp.authenticators import add_app, confirm, totp, whoever
from tests.webapp.conftest import PASSWORD
from webapp.accounts import second_factors
from webapp.accounts.models import ApiToken, AuditEvent, User

pytestmark = pytest.mark.django_db
COMMITTED = pytest.mark.django_db(transaction=True)  # what is written down when the change is really there


@pytest.fixture
def with_app(client, alice):
    """(alice's secret, her recovery codes); she is signed out again."""
    client.force_login(alice)
    made = add_app(client, PASSWORD)
    client.post("/sign-out")
    return made


def password_given(client, name: str = "alice"):
    return client.post("/sign-in", {"username": name, "password": PASSWORD, "next": "/collections"})


def code(client, told: str):
    return client.post("/sign-in/code", {"code": told})


def events(*actions: str) -> list[dict[str, object]]:
    return [event.details for event in AuditEvent.objects.filter(action__in=actions).order_by("pk")]


# --- the app ----------------------------------------------------------------------------------------------------------------


@COMMITTED
def test_the_right_code_signs_in_and_leads_on(client, alice, with_app):
    assert password_given(client)["Location"] == "/sign-in/code"
    assert whoever(client) is None
    assert code(client, totp(with_app[0]))["Location"] == "/collections"
    assert whoever(client) == alice
    assert {str(each["kind"]) for each in events("second-factor-added")} == {"totp", "recovery_codes"}
    assert events("sign-in")[-1] == {"by": "password, totp"}


@pytest.mark.parametrize("wrong", ["000000", "", "12345", "no digits", "0" * 500])
def test_a_wrong_code_signs_nobody_in(client, with_app, wrong):
    password_given(client)
    assert code(client, wrong).status_code == 200
    assert whoever(client) is None


def test_a_code_is_good_once(client, alice, with_app):
    told = totp(with_app[0])
    password_given(client)
    code(client, told)
    client.post("/sign-out")
    password_given(client)
    assert "used already" in code(client, told).content.decode()
    assert whoever(client) is None


def test_a_clock_that_is_half_a_minute_off_is_borne_and_a_later_code_is_not(client, alice, with_app):
    while time.time() % 30 > 25:
        time.sleep(0.5)
    password_given(client)
    code(client, totp(with_app[0], steps=3))
    assert whoever(client) is None
    code(client, totp(with_app[0], steps=-1))
    assert whoever(client) == alice


def test_nobody_comes_to_the_second_question_without_the_first(client, with_app):
    assert code(client, totp(with_app[0]))["Location"] == "/sign-in"
    assert client.get("/sign-in/code")["Location"] == "/sign-in"


def test_the_second_question_can_be_cancelled(client, with_app):
    password_given(client)
    client.post("/sign-out")
    assert client.get("/sign-in").status_code == 200


def test_codes_that_fail_lock_the_second_factor_from_every_address(client, alice, with_app, settings):
    settings.AXES_FAILURE_LIMIT = 3
    password_given(client)
    assert [code(client, "000000").status_code for _ in range(3)] == [200, 200, 429]
    assert code(client, totp(with_app[0])).status_code == 429
    away = {"REMOTE_ADDR": "10.9.8.7"}
    assert client.post("/sign-in/code", {"code": totp(with_app[0])}, **away).status_code == 429
    assert whoever(client) is None
    assert events("locked-out") == [{"by": "code"}]
    assert events("sign-in-refused")[-1] == {"by": "code"}


def test_the_way_in_with_a_second_factor_survives_a_password_lock_elsewhere(client, alice, with_app, settings):
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(2):
        client.post("/sign-in", {"username": "alice", "password": "wrong"}, REMOTE_ADDR="10.9.8.7")
    password_given(client)
    code(client, totp(with_app[0]))
    assert whoever(client) == alice


def test_without_the_cache_that_remembers_used_codes_none_is_taken(client, with_app, monkeypatch):
    password_given(client)

    def away(*_, **__):
        raise RedisAway("refused")

    monkeypatch.setattr(LocMemCache, "add", away)
    answer = code(client, totp(with_app[0]))
    assert answer.status_code == 503
    assert whoever(client) is None


# --- recovery codes ---------------------------------------------------------------------------------------------------------


def test_recovery_codes_are_shown_once(client, alice, with_app):
    assert len(set(with_app[1])) == 10
    password_given(client)
    code(client, totp(with_app[0]))
    confirm(client, PASSWORD)
    again = client.get("/account/recovery-codes").content.decode()
    assert not [each for each in with_app[1] if each in again]


def test_a_recovery_code_signs_in_once(client, alice, with_app):
    password_given(client)
    code(client, with_app[1][3])
    assert whoever(client) == alice
    assert "9 left" in client.get("/account").content.decode()
    client.post("/sign-out")
    password_given(client)
    code(client, with_app[1][3])
    assert whoever(client) is None
    code(client, with_app[1][4])
    assert whoever(client) == alice


@COMMITTED
def test_new_recovery_codes_make_the_old_ones_worthless(client, alice, with_app):
    password_given(client)
    code(client, totp(with_app[0]))
    confirm(client, PASSWORD)
    client.post("/account/recovery-codes/new")
    client.post("/sign-out")
    password_given(client)
    code(client, with_app[1][0])
    assert whoever(client) is None
    assert events("recovery-codes-made") == [{}]


# --- setting up and removing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/account/app", "/account/passkeys/add", "/account/recovery-codes/new"])
def test_what_guards_the_account_is_changed_only_after_saying_again_who_one_is(signed_in, alice, page):
    assert signed_in(alice).get(page)["Location"].startswith("/account/confirm?next=")


def test_an_app_is_not_turned_on_by_a_wrong_code(client, alice):
    client.force_login(alice)
    confirm(client, PASSWORD)
    client.get("/account/app")
    assert client.post("/account/app", {"code": "000000"}).status_code == 200
    assert not Authenticator.objects.exists()


def test_removing_the_app_takes_the_recovery_codes_with_it(client, alice, with_app):
    password_given(client)
    code(client, totp(with_app[0]))
    confirm_by_code(client, with_app[1][0])
    client.post("/account/app/remove")
    assert not Authenticator.objects.exists()
    assert {str(each["kind"]) for each in events("second-factor-removed")} == {"totp", "recovery_codes"}


def confirm_by_code(client, told: str):
    assert client.post("/account/confirm/code", {"code": told, "next": "/account"}).status_code == 302


def test_an_administrator_takes_lost_second_factors_away(client, alice, with_app, admin_user):
    client.force_login(admin_user)
    chosen = {"action": "take_second_factors", "_selected_action": [alice.pk]}
    client.post(reverse("admin:accounts_user_changelist"), chosen)
    client.post("/sign-out")
    assert password_given(client)["Location"] == "/collections"
    assert events("second-factor-removed")[-1] == {"kind": "all"}


# --- secrets at rest --------------------------------------------------------------------------------------------------------


def test_neither_the_secret_nor_the_recovery_codes_lie_open_in_the_database(alice, with_app):
    kept = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert with_app[0] not in kept
    assert not [each for each in with_app[1] if each in kept]


def test_with_another_secret_key_second_factors_are_an_outage_and_open_nothing(client, with_app, settings):
    settings.SECRET_KEY = "another one, just as long and with as many different letters 0123456789"
    password_given(client)
    answer = code(client, totp(with_app[0]))
    assert answer.status_code == 503
    assert "SECRET_KEY_FALLBACKS" in answer.content.decode()
    assert whoever(client) is None


def test_an_old_secret_key_still_reads_what_was_stored_with_it(client, alice, with_app, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one, just as long and with as many different letters 0123456789"
    password_given(client)
    code(client, totp(with_app[0]))
    assert whoever(client) == alice


# --- a must -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(db) -> User:
    return User.objects.create_user("sam", password=PASSWORD, is_staff=True)


PAGES = ["/", "/collections", "/teams", "/admin/", "/account", "/account/password", "/account/tokens"]


@pytest.mark.parametrize("page", PAGES)
def test_staff_without_a_second_factor_are_led_to_one_from_every_page(client, staff, settings, page):
    settings.SECOND_FACTOR = "staff"
    client.force_login(staff)
    assert client.get(page)["Location"] == "/account/second-factor"


def test_staff_without_a_second_factor_can_do_nothing_else(client, staff, settings):
    settings.SECOND_FACTOR = "staff"
    client.force_login(staff)
    told = client.post("/account/tokens", {"name": "way round", "scopes": ["read"], "days": "90"})
    assert told.status_code == 403
    assert not ApiToken.objects.exists()
    assert client.get("/jobs/hint", headers={"HX-Request": "true"}).status_code == 204
    assert client.get("/account/second-factor").status_code == 200
    assert client.post("/sign-out").status_code == 302


def test_setting_one_up_opens_the_site_at_the_next_request_and_losing_it_closes_it(client, staff, settings):
    settings.SECOND_FACTOR = "staff"
    client.force_login(staff)
    add_app(client, PASSWORD)
    assert client.get("/collections").status_code == 200
    assert client.get("/account/second-factor")["Location"] == "/account"
    second_factors.take_away(staff)
    assert client.get("/collections")["Location"] == "/account/second-factor"


def test_who_must_have_one_cannot_remove_the_last(client, staff, settings):
    settings.SECOND_FACTOR = "staff"
    client.force_login(staff)
    _, codes = add_app(client, PASSWORD)
    confirm_by_code(client, codes[0])
    assert "set another one up first" in client.post("/account/app/remove").content.decode()
    assert second_factors.factors_of(staff).exists()


@pytest.mark.parametrize(("setting", "led"), [("optional", False), ("staff", False), ("everyone", True)])
def test_the_setting_says_whose_accounts_must_have_one(client, alice, settings, setting, led):
    settings.SECOND_FACTOR = setting
    client.force_login(alice)
    assert (client.get("/collections").status_code == 302) is led


def test_the_demos_user_never_needs_one(client, settings):
    settings.CONCHIVE_DEMO, settings.SECOND_FACTOR = True, "everyone"
    assert client.get("/", follow=True).status_code == 200


@pytest.mark.parametrize("page", ["password", "password/set", "app", "app/remove", "passkeys/add", "recovery-codes"])
def test_nobody_takes_the_demos_user_away_from_the_others(client, settings, page):
    settings.CONCHIVE_DEMO = True
    client.get("/", follow=True)
    assert client.get(f"/account/{page}").status_code == 404
    assert client.post(f"/account/{page}", {"password1": PASSWORD, "password2": PASSWORD}).status_code == 404
