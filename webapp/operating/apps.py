from __future__ import annotations

from django.apps import AppConfig


class OperatingConfig(AppConfig):
    name = "webapp.operating"
    label = "operating"
