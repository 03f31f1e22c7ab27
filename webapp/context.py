"""What every page knows."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from webapp.accounts.models import User
from webapp.explore import watching


def site(request: HttpRequest) -> dict[str, Any]:
    """``encoder_name`` decides which notice the pages carry: a demonstration encoder says so everywhere."""
    return {
        "encoder_name": settings.CONCHIVE_ENCODER,
        "embedded": settings.EMBEDDED,
        "watch_news": partial(_watch_news, request),
    }


def _watch_news(request: HttpRequest) -> int:
    """Counted where a template asks for it."""
    user = getattr(request, "user", None)
    return watching.news(user) if isinstance(user, User) else 0
