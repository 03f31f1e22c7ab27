"""What the archive's commands share: JSON for programs, one sentence for what went wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError

import search.errors
from embedder import errors
from webapp.client import Refused
from webapp.library.store import StoreAway


@contextmanager
def one_sentence() -> Iterator[None]:
    """Outages and refusals become a CommandError; whatever else goes wrong is a fault of the program and shows as one."""
    try:
        yield
    except (search.errors.SearchError, errors.EmbedderError, StoreAway, Refused, LookupError) as exc:
        raise CommandError(str(exc)) from exc


def print_json(told: Any) -> None:
    sys.stdout.write(writable(json.dumps(told, ensure_ascii=False, indent=2)) + "\n")


def writable(text: str) -> str:
    """Halves of characters, which paths in another coding than the system's have, as JSON and Python write them: no terminal
    takes them as they are.
    """
    return text.encode(errors="backslashreplace").decode()
