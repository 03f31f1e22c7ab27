"""Sign-in by another site (OpenID Connect), as settings name the providers: one by OIDC_ISSUER, several by OIDC_PROVIDERS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from webapp.loopback import is_loopback

FIELDS = frozenset({"id", "name", "issuer", "client_id", "client_secret", "client_secret_file", "trust_email"})
NEEDED = ("id", "issuer", "client_id")


def providers(told: str, single: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As allauth wants them. ``told``: OIDC_PROVIDERS, a JSON list. ``single``: the one of OIDC_ISSUER, none without an issuer.

    Raises ImproperlyConfigured with what is wrong.
    """
    named = list(_listed(told))
    if single.get("issuer"):
        named.insert(0, {name: value for name, value in single.items() if value not in ("", None)})
    made = [_provider(each) for each in named]
    ids = [each["provider_id"] for each in made]
    if len(set(ids)) < len(ids):
        raise ImproperlyConfigured("OIDC_PROVIDERS: each provider needs an id of its own.")
    return made


def _listed(told: str) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(told or "[]")
    except ValueError as exc:
        raise ImproperlyConfigured(f"OIDC_PROVIDERS is no JSON: {exc}.") from exc
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ImproperlyConfigured("OIDC_PROVIDERS must be a list of objects, one a provider.")
    yield from found


def _provider(told: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := set(told) - FIELDS:
        raise ImproperlyConfigured(f"OIDC_PROVIDERS: nothing is called {', '.join(sorted(unknown))}.")
    if missing := [name for name in NEEDED if not told.get(name)]:
        raise ImproperlyConfigured(f"OIDC: a provider lacks its {' and '.join(missing)}.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,29}", str(told["id"])):
        raise ImproperlyConfigured(
            f"OIDC: the id {told['id']!r} must be small letters, digits and -, at most 30: it is part of an address."
        )
    return {
        "provider_id": str(told["id"]),
        "name": str(told.get("name") or told["id"]),
        "client_id": str(told["client_id"]),
        "secret": _secret(told),
        "settings": {
            "server_url": _issuer(str(told["issuer"])),
            "verified_email": bool(told.get("trust_email", False)),
            "oauth_pkce_enabled": True,
        },
    }


def _issuer(told: str) -> str:
    """Its answers are believed because they come by TLS, so plain http is for tests on this machine only."""
    parts = urlsplit(told)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and (host == "localhost" or is_loopback(host))):
        raise ImproperlyConfigured(f"OIDC: the issuer {told} must be an https:// address.")
    return told.rstrip("/")


def _secret(told: Mapping[str, Any]) -> str:
    if not (file := told.get("client_secret_file")):
        return str(told.get("client_secret", ""))
    try:
        return Path(str(file)).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        raise ImproperlyConfigured(f"OIDC: the secret in {file} cannot be read.") from exc
