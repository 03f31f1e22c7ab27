"""How the site is, in one look, as the API and `manage.py status` tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from search import VectorIndex, errors
from webapp import wiring
from webapp.accounts.models import User
from webapp.explore import archive
from webapp.explore.encoding import encoder_state
from webapp.library.coverage import coverage
from webapp.outages import Outage


def status(user: User, *, encoder: str | None = None) -> dict[str, Any]:
    """``ok``: queries by words and by picture are answered now. ``encoder``: its state, where it is known already."""
    told = {
        "encoder": {"name": settings.CONCHIVE_ENCODER, "state": encoder or encoder_state(), "fingerprint": _fingerprint()},
        "images": _index(wiring.get_image_index),
        "texts": _index(wiring.get_text_index),
    }
    ok = told["encoder"]["state"] == "ready" and told["images"]["ok"] and told["texts"]["ok"]
    counts = coverage(user)
    return {
        "ok": ok,
        **told,
        "coverage": {name: getattr(counts, name) for name in ("total", "ready", "running", "held", "failed")},
    }


def _index(get_index: Callable[[], VectorIndex]) -> dict[str, Any]:
    try:
        health = get_index().health()
    except errors.SearchError as exc:
        return {"ok": False, "engine": "", "points": None, "detail": str(exc)}
    return {"ok": health.ok, "engine": health.engine, "points": health.points, "detail": health.detail}


def _fingerprint() -> str | None:
    """Of the vectors that are searched now; None while there are none."""
    try:
        return archive.images().fingerprint
    except Outage:
        return None
