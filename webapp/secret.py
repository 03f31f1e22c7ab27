"""The secret key of a data folder: made once, readable by its owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

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
