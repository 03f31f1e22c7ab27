"""Tokens of shared links, of invitations and of letters about accounts stay out of every log.

Whoever reads logs must not open what others shared, nor their accounts.

Done where records are made and not in a handler, so that it holds for every logger and every handler of this process: Django's
own, the web server's access log, Celery's, and any that an operator adds. A proxy in front has logs of its own: docs/sharing.md.
"""

from __future__ import annotations

import logging
import re
from typing import Any

HIDDEN = "…"
_TOKEN = re.compile(
    r"((?:/|%2F)(?:q|join|forgotten(?:/|%2F)[0-9a-z]+|email(?:/|%2F)confirm)(?:/|%2F))(?:[A-Za-z0-9:_-]|%3A){16,}", re.IGNORECASE
)


def scrubbed(text: str) -> str:
    return _TOKEN.sub(rf"\1{HIDDEN}", text)


class TokenFreeRecord(logging.LogRecord):
    """Words among its arguments tell no token, and neither does its message, whatever else it is made of."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self.args, tuple):
            self.args = tuple(map(_scrubbed, self.args))
        elif isinstance(self.args, dict):
            self.args = {name: _scrubbed(value) for name, value in self.args.items()}

    def getMessage(self) -> str:  # noqa: N802  logging's own name
        return scrubbed(super().getMessage())


def _scrubbed(argument: Any) -> Any:
    return scrubbed(argument) if isinstance(argument, str) else argument


def hide_tokens() -> None:
    logging.setLogRecordFactory(TokenFreeRecord)
