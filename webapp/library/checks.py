"""What must hold before any command of the archive runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from webapp.library import age


@register()
def originals_have_a_key(**_asked: Any) -> list[CheckMessage]:
    """Where originals are to be encrypted, or a key is named, it can be read."""
    if settings.ORIGINALS != "encrypt" and not settings.ORIGINALS_KEY_FILE:
        return []
    try:
        age.check_key()
    except age.KeyUnusable as exc:
        return [Error(str(exc), id="library.E001")]
    return []
