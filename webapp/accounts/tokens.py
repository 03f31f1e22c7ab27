"""Secrets that open something: 128 bits and more of chance, so that a plain hash of one is all that is kept."""

from __future__ import annotations

import hashlib


def digest(token: str) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
