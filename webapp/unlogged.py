"""What stays out of every log: tokens of shared links, invitations and letters about accounts, and what exceptions quote of files
and words. Whoever reads logs must not open what others shared, nor their accounts.

Done where records are made and not in a handler, so that it holds for every logger and every handler of this process: Django's
own, the web server's access log, Celery's, and any that an operator adds. A proxy in front has logs of its own: docs/sharing.md.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from embedder.errors import ImageError

HIDDEN = "…"
_TOKEN = re.compile(
    r"((?:/|%2F)(?:q|join|forgotten(?:/|%2F)[0-9a-z]+|email(?:/|%2F)confirm)(?:/|%2F))(?:[A-Za-z0-9:_-]|%3A){16,}", re.IGNORECASE
)

# they speak of services, devices and settings; any other may quote a file's name, a table's cell or a question
SPEAKING_ROOMS = ("embedder", "search", "redis", "kombu", "torch")
SPEAKING = frozenset({"RuntimeError", "OperationalError", "InterfaceError", "ImproperlyConfigured", "Outage", "ForeignEncoder"})


def scrubbed(text: str) -> str:
    return _TOKEN.sub(rf"\1{HIDDEN}", text)


def told(exc: BaseException) -> str:
    """An exception's kind, and what it says where it cannot quote what people have written: one line."""
    kind = type(exc).__qualname__ if type(exc).__module__ == "builtins" else f"{type(exc).__module__}.{type(exc).__qualname__}"
    said = _said(exc)
    return f"{kind}: {said}" if said else kind


def _said(exc: BaseException) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return str(exc.strerror)  # without the file's name
    if isinstance(exc, ImageError):
        return exc.reason
    speaks = type(exc).__module__.partition(".")[0] in SPEAKING_ROOMS or type(exc).__name__ in SPEAKING
    return str(exc).partition("\n")[0] if speaks else ""  # further lines are a database's DETAIL


class DiscreetRecord(logging.LogRecord):
    """Words among its arguments tell no token, and neither does its message, whatever else it is made of."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self.args, tuple):
            self.args = tuple(map(_scrubbed, self.args))
        elif isinstance(self.args, dict):
            self.args = {name: _scrubbed(value) for name, value in self.args.items()}
        if self.name.startswith("celery"):
            self._without_messages()

    def _without_messages(self) -> None:
        """Celery repeats messages that it cannot read, and what their task raised, word by word."""
        if self.exc_info and self.exc_info[1] is not None and isinstance(self.args, dict) and "exc" in self.args:
            self.args = self.args | {"exc": told(self.exc_info[1])}
        elif self.levelno >= logging.ERROR:
            self.msg, self.args = super().getMessage().partition("\n")[0], None

    def getMessage(self) -> str:  # noqa: N802  logging's own name
        return scrubbed(super().getMessage())


def _scrubbed(argument: Any) -> Any:
    if isinstance(argument, BaseException):
        return told(argument)
    return scrubbed(argument) if isinstance(argument, str) else argument


def keep_discreet() -> None:
    logging.setLogRecordFactory(DiscreetRecord)
