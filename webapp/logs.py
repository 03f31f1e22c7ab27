"""How the log is written: as lines for people, or as JSON for programs, with the request's and the task's ids.

Lines tell where something went wrong and of which kind it was. What an exception says is told only of kinds that speak of the
machinery (unlogged.py): a database's or a parser's words quote what people have written. Only the named fields come into JSON,
since Celery hands a task's arguments along with its records.
"""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeAlias

from django.http import HttpRequest
from pythonjsonlogger.json import JsonFormatter

from webapp import tracing
from webapp.unlogged import HIDDEN, told

IDS = ("request_id", "task", "task_id")  # `request` is Django's own, and a whole request
ExcInfo: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"


class Traced(logging.Filter):
    """Gives every record the ids of what this thread is doing; Django's own of an answer, those of the request that it is about.

    An address that leads nowhere is left out: it holds what somebody has typed, and the others hold ids.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        trace, request = tracing.now(), getattr(record, "request", None)
        record.request_id, record.task, record.task_id = trace.request, trace.task, trace.task_id
        if isinstance(request, HttpRequest):
            record.request_id = request.META.get(tracing.KEPT, "")
            if request.resolver_match is None and isinstance(record.args, tuple):
                record.args = tuple(HIDDEN if argument == request.path else argument for argument in record.args)
        return True


class Lines(logging.Formatter):
    """A line each, exceptions below; ids where there are any."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        ids = [f"{name}={value}" for name in IDS if (value := getattr(record, name, ""))]
        return " ".join([super().formatMessage(record), *ids])

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802
        return described(ei[1])


class JsonLines(JsonFormatter):
    """One object a line: time, level, logger, message, and where there are any request_id, task, task_id, exception."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        del message_dict
        log_data.update(
            time=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            level=record.levelname,
            logger=record.name,
            message=record.getMessage(),
        )
        log_data.update({name: value for name in IDS if (value := getattr(record, name, ""))})
        if record.exc_info:
            log_data["exception"] = described(record.exc_info[1])

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802
        return described(ei[1])


def described(exc: BaseException | None) -> str:
    """Frames and kinds of an exception and of what it came of, that first."""
    if exc is None:
        return ""
    before = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    head = f"{described(before)}\nfrom which came\n" if before is not None else ""
    return f"{head}{''.join(traceback.format_tb(exc.__traceback__))}{told(exc)}"
