"""Who searched for what, as far as the site's setting wants it known."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from typing import Any

from django.conf import settings

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.explore.asking import SearchQuery

DIGITS = 16


def searched(user: User, query: SearchQuery) -> None:
    """One event a question, none for its further pages. Words are kept plain, as a keyed hash that tells only whether the same
    was asked again, or not at all: AUDIT_QUERIES.
    """
    if query.cursor is None and settings.AUDIT_QUERIES != "off":
        details: dict[str, Any] = {"parts": _parts(query)} | _words(query)
        record(user, "search", **details)


def _words(query: SearchQuery) -> dict[str, str]:
    if not query.text:
        return {}
    if settings.AUDIT_QUERIES == "plain":
        return {"words": query.text}
    return {"words_hash": hashed(query.text)}


def hashed(words: str) -> str:
    """The same for the same words however they are cased and spaced, on this site; of no use to whoever lacks its secret key."""
    plain = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    return hmac.new(settings.SECRET_KEY.encode(), b"audit:" + plain.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def _parts(query: SearchQuery) -> list[str]:
    """What the question was made of, without saying what."""
    asked = {
        "words": query.text,
        "image": query.image_id or query.region_id,
        "picture": query.picture_id or query.image_bytes,
        "concepts": query.plus or query.minus,
        "judgements": query.likes or query.dislikes,
    }
    return [name for name, part in asked.items() if part]
