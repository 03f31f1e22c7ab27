"""Settings that a production site must not run with: told by `manage.py check`, and refused by the web server and the workers.

Embedded mode serves one machine and is left alone, but for a demo that others could reach and a bucket that is named by half.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, Tags, register

from webapp.loopback import is_loopback

SECRET_CHARACTERS, SECRET_DIFFERENT = 50, 5  # as Django's own deployment check asks
TOKEN_CHARACTERS = 20
OF_A_BUCKET = ("S3_ENDPOINT", "S3_REGION", "S3_PREFIX", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_ENCRYPTION")
EXAMPLES = ("change-me", "changeme", "example", "insecure", "secret-key")


@register(Tags.security)
def unsafe_settings(**_: Any) -> list[Error]:
    """One error a setting; none where all is well."""
    return [Error(sentence, id=f"conchive.{name}") for name, sentence in unsafe()]


def refuse_unsafe_start() -> None:
    """Ends this process with one line for each setting that is unsafe: for whatever starts without Django's checks."""
    if told := [sentence for _, sentence in unsafe()]:
        sys.stderr.write("".join(f"Conchive does not start: {sentence}\n" for sentence in told))
        raise SystemExit(1)


def unsafe() -> list[tuple[str, str]]:
    """(name, sentence) of every setting that is unsafe as this site runs."""
    return [*(_embedded() if settings.EMBEDDED else _production()), *_bucket()]


def _embedded() -> Iterator[tuple[str, str]]:
    if settings.CONCHIVE_DEMO and "*" in settings.ALLOWED_HOSTS:
        yield "demo", "CONCHIVE_DEMO signs visitors in without a password, so ALLOWED_HOSTS must not be *."


def _production() -> Iterator[tuple[str, str]]:
    if settings.DEBUG:
        yield "debug", "DEBUG shows settings and source to visitors: it must be false in production."
    if settings.CONCHIVE_DEMO:
        yield "demo", "CONCHIVE_DEMO signs visitors in without a password: it must be false in production."
    if _weak(settings.SECRET_KEY):
        yield "secret", f"SECRET_KEY must be a random text of at least {SECRET_CHARACTERS} characters, not an example."
    if any(map(_weak, settings.SECRET_KEY_FALLBACKS)):
        yield "fallbacks", "SECRET_KEY_FALLBACKS names a weak key: whoever guesses it could sign in as anybody."
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield "hosts", "ALLOWED_HOSTS must name the hosts that this site answers to, and not be *."
    if not settings.HTTPS and not _here(settings.CONCHIVE_URL):
        yield "https", "HTTPS is off: passwords and images would travel in the clear. Only a site on this machine may do without."
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < TOKEN_CHARACTERS:
        yield "metrics", f"METRICS_TOKEN must be a random text of at least {TOKEN_CHARACTERS} characters."
    yield from _services()


def _services() -> Iterator[tuple[str, str]]:
    """Redis and Qdrant are open by default, to everyone who reaches them."""
    if settings.REDIS_URL and not urlsplit(settings.REDIS_URL).password and not _here(settings.REDIS_URL):
        yield "redis", "REDIS_URL has no password: whoever reaches Redis could give the workers orders."
    if settings.QDRANT_URL and not settings.QDRANT_API_KEY and not _here(settings.QDRANT_URL):
        yield "qdrant", "QDRANT_API_KEY is missing: whoever reaches Qdrant could read and change the vectors."


def _bucket() -> Iterator[tuple[str, str]]:
    """One that is named by half would be met first by somebody's upload."""
    told = [name for name in OF_A_BUCKET if getattr(settings, name)]
    if told and not settings.S3_BUCKET:
        yield "bucket", f"{told[0]} is set, but S3_BUCKET names no bucket: files would go on lying in the data folder."
    if bool(settings.S3_ACCESS_KEY) != bool(settings.S3_SECRET_KEY):
        yield "bucket_key", "S3_ACCESS_KEY and S3_SECRET_KEY go together; without both, the machine's own role opens the bucket."
    address = urlsplit(settings.S3_ENDPOINT)
    if settings.S3_ENDPOINT and (address.scheme not in ("http", "https") or not address.hostname):
        yield "bucket_address", "S3_ENDPOINT must be an address with http:// or https://."


def _weak(secret: str) -> bool:
    known = any(example in secret.lower() for example in EXAMPLES)
    return known or len(secret) < SECRET_CHARACTERS or len(set(secret)) < SECRET_DIFFERENT


def _here(url: str) -> bool:
    """Whether the address is this machine's own, which nobody else reaches."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "") or is_loopback(host)  # "": a socket in the file system
