"""Static files: collected, hashed and compressed once, and again when one of them has changed."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

UNSERVED = [  # what npm packages carry beside their small build: 7 MB that nobody asks for
    "openseadragon.js",
    "openseadragon.js.map",
    "tus.js",
    "tus.js.map",
    "browser-test-bundle.js",
]


def build_if_stale() -> bool:
    """True where something was built. A second process that starts at the same time waits and finds it built.

    What is there already stays: a process that runs serves the files it knows.
    """
    if settings.DEBUG or not _is_stale():
        return False
    with _alone():
        if not _is_stale():
            return False
        call_command("collectstatic", interactive=False, clear=False, verbosity=0, ignore_patterns=UNSERVED)
    return True


def _is_stale() -> bool:
    built = _root() / "staticfiles.json"
    return not built.exists() or _newest_source() > built.stat().st_mtime


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time; the lock ends with the process, however that ends."""
    root = _root()
    root.mkdir(parents=True, exist_ok=True)
    with (root.parent / f".{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _root() -> Path:
    return Path(settings.STATIC_ROOT)


def _newest_source() -> float:
    """Modification time of the newest static file of the site and of every app that it uses, seconds since 1970."""
    stats = (Path(storage.path(name)).stat() for finder in get_finders() for name, storage in finder.list([]))
    return max(max(each.st_mtime, each.st_ctime) for each in stats)
