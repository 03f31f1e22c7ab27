"""Secrets that settings are put together from: a data folder's key, made once, and passwords that no address holds."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured


def data_secret(folder: Path, *, allowed: bool) -> str:
    """The key in ``folder``/secret_key, made on first use. Raises ImproperlyConfigured where production has named no key."""
    if not allowed:
        raise ImproperlyConfigured("SECRET_KEY must be set in production.")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "secret_key"
    if not file.exists():
        draft = folder / f".secret_key.{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)  # whole or not at all, and never over another process's key
        draft.unlink()
    return file.read_text(encoding="ascii").strip()


def with_password(url: str, password: str) -> str:
    """``url`` with the password of its user, where one is given: so that it may come from a file of its own."""
    if not url or not password:
        return url
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{quote(password, safe='')}@{place}"))
