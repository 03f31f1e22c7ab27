"""The operator: whoever may read the data folder, and so whoever runs commands on it. Nobody can sign in as this user."""

from __future__ import annotations

from webapp.accounts.models import User

NAME = "operator"


def operator() -> User:
    """Made on first use; sees and may do everything."""
    user, made = User.objects.get_or_create(username=NAME, defaults={"is_superuser": True})
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user
