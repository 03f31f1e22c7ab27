"""Which process serves this data folder: `up` writes it down, and commands beside it go through that process's API.

server.json in the data folder holds the address, the process id and an API token; only the folder's owner can read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.conf import settings

ALIVE_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """``url`` without a trailing slash; ``token`` opens the API as the archive's operator."""

    url: str
    pid: int
    token: str = field(repr=False)


def server_file() -> Path:
    return settings.CONCHIVE_DATA / "server.json"


def read_running() -> Running | None:
    """The process that serves this data folder, or None: none was started, it has ended, or it answers no more."""
    try:
        told = json.loads(server_file().read_text(encoding="utf-8"))
        running = Running(url=told["url"], pid=int(told["pid"]), token=told["token"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return running if _process_lives(running.pid) and _answers(running.url) else None


def write_running(running: Running) -> None:
    """Whole or not at all: a reader never sees half a file."""
    draft = server_file().with_name(f".server.{secrets.token_hex(8)}.json")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
    draft.replace(server_file())


def forget_running() -> None:
    """Removes this process's file; one that another process has written since stays."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        if json.loads(server_file().read_text(encoding="utf-8"))["pid"] == os.getpid():
            server_file().unlink()


def _process_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # lives, as another user
        return True
    return True


def _answers(url: str) -> bool:
    """Process ids are used again after a restart: only an answer from the site itself counts."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=ALIVE_TIMEOUT_S) as answer:  # noqa: S310  `up` wrote it  # nosec B310
            return answer.read(64).strip() == b"conchive"  # type: ignore[no-any-return]
    except (urllib.error.URLError, TimeoutError, ValueError, OSError):
        return False
