"""Staff with every permission that there is, and without a team: what they may do to people opens no image to them."""

from __future__ import annotations

import pytest

from tests.webapp.access.sent import Sent, ask, form
from tests.webapp.access.world import actor
from webapp.accounts.models import User


def test_nobody_but_an_administrator_sets_the_password_of_another(world):
    owner, staff = world.people["owner"], actor(world, "staff")
    address = f"/admin/accounts/user/{owner.pk}/password/"
    chosen = form(usable_password="true", password1="quite a long one 7", password2="quite a long one 7")
    assert ask(staff, "POST", address, chosen).status_code == 403
    assert ask(actor(world, "superuser"), "POST", address, chosen).status_code == 302
    assert User.objects.get(pk=owner.pk).check_password("quite a long one 7")


@pytest.mark.parametrize(("field", "value"), [("email", "staff@example.org"), ("username", "theirs"), ("is_superuser", "on")])
def test_staff_change_nothing_by_which_an_account_is_entered_or_raised(world, field, value):
    owner, staff = world.people["owner"], actor(world, "staff")
    before = User.objects.filter(pk=owner.pk).values(field).get()
    told = {
        "username": owner.username,
        "first_name": "Ada",
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00",
    }
    assert ask(staff, "POST", f"/admin/accounts/user/{owner.pk}/change/", Sent(form=told | {field: value})).status_code == 302
    assert User.objects.filter(pk=owner.pk).values(field).get() == before
    assert User.objects.get(pk=owner.pk).first_name == "Ada"
