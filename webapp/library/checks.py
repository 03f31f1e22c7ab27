"""What must hold before any command of the archive runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from webapp.library import age

OF_A_BUCKET = ("S3_ENDPOINT", "S3_REGION", "S3_PREFIX", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_ENCRYPTION")


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


@register()
def bucket_is_told_whole(**_asked: Any) -> list[CheckMessage]:
    """A bucket that is named by half would be met first by somebody's upload."""
    return [Error(sentence, id=f"library.{name}") for name, sentence in half_told()]


def half_told() -> Iterator[tuple[str, str]]:
    """(number, sentence) for each setting of the bucket that does not go with the others."""
    told = [name for name in OF_A_BUCKET if getattr(settings, name)]
    if told and not settings.S3_BUCKET:
        yield "E002", f"{told[0]} is set, but S3_BUCKET names no bucket: files would go on lying in the data folder."
    if bool(settings.S3_ACCESS_KEY) != bool(settings.S3_SECRET_KEY):
        yield "E003", "S3_ACCESS_KEY and S3_SECRET_KEY go together; without both, the machine's own role opens the bucket."
    address = urlsplit(settings.S3_ENDPOINT)
    if settings.S3_ENDPOINT and (address.scheme not in ("http", "https") or not address.hostname):
        yield "E004", "S3_ENDPOINT is an address with http:// or https://."
