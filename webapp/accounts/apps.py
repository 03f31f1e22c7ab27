from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "webapp.accounts"
    label = "accounts"

    def ready(self) -> None:
        from webapp import safety  # noqa: F401  registers its check
        from webapp.accounts import signals  # noqa: F401  connects them
