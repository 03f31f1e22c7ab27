from __future__ import annotations

from django.apps import AppConfig


class LibraryConfig(AppConfig):
    name = "webapp.library"
    label = "library"

    def ready(self) -> None:
        from webapp.library import checks  # noqa: F401 - imported to be registered
