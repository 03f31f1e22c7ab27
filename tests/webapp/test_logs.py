"""The log carries ids from request to task, and nothing that people have written."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from celery.signals import task_postrun, task_prerun
from django.db import IntegrityError, OperationalError

from embedder.errors import TruncatedImage
from webapp import tracing
from webapp.explore import remote
from webapp.library.tasks import prepare
from webapp.logs import JsonLines, Lines, Traced
from webapp.unlogged import DiscreetRecord, told

ROOT = Path(__file__).resolve().parents[2]
SENTINEL = "DOE-JANE-19570312"


@pytest.fixture
def written():
    """written(formatter) -> a logger, and the list of lines that it writes."""

    def start(formatter: logging.Formatter):
        lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
        handler.setFormatter(formatter)
        handler.addFilter(Traced())
        logger = logging.Logger(f"tests.{uuid.uuid4().hex}")
        logger.addHandler(handler)
        return logger, lines

    return start


@pytest.mark.django_db
def test_every_answer_says_the_id_of_its_request(client):
    first, second = client.get("/sign-in"), client.get("/sign-in")
    assert len(first.headers["X-Request-ID"]) == 32
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "sent", "taken"),
    [
        (1, "0123456789abcdef0123456789abcdef", True),
        (0, "0123456789abcdef0123456789abcdef", False),
        (1, SENTINEL, False),
        (1, "0123456789abcdef\nINFO all is well", False),
    ],
)
def test_a_proxys_id_is_taken_over_where_it_is_harmless(client, settings, proxies, sent, taken):
    settings.PROXIES = proxies
    answer = client.get("/sign-in", headers={"X-Request-ID": sent})
    assert (answer.headers["X-Request-ID"] == sent) is taken


def test_what_a_request_sends_to_the_queue_carries_its_id(monkeypatch):
    trace = tracing.Trace(request="a" * 32)
    headers: dict[str, str] = {}
    token = tracing._NOW.set(trace)
    tracing._carry(headers=headers)
    tracing._NOW.reset(token)
    assert headers == {tracing.CARRIED: trace.request}


def test_a_task_is_in_the_lines_that_it_writes(written):
    logger, lines = written(JsonLines())
    carried: Any = {"id": "one", tracing.CARRIED: "b" * 32}
    prepare.push_request(**carried)
    try:
        task_prerun.send(sender=prepare, task_id="one", task=prepare)
        logger.warning("decoding has to wait")
        task_postrun.send(sender=prepare, task_id="one", task=prepare, state="SUCCESS")
    finally:
        prepare.pop_request()
    logger.warning("nobody's")
    first, second = map(json.loads, lines)
    assert (first["task"], first["task_id"], first["request_id"]) == ("webapp.library.tasks.prepare", "one", "b" * 32)
    assert set(second) == {"time", "level", "logger", "message"}


def test_json_lines_hold_the_named_fields_and_no_others(written):
    logger, lines = written(JsonLines())
    logger.warning("a task failed", extra={"data": {"args": SENTINEL}, "request": SENTINEL})
    assert SENTINEL not in lines[0]


@pytest.mark.parametrize("formatter", [JsonLines(), Lines("%(levelname)s %(message)s")])
def test_an_exception_tells_where_and_what_kind_and_not_what_it_quotes(written, formatter):
    logger, lines = written(formatter)
    try:
        try:
            raise ValueError(f"{SENTINEL} is no number")
        except ValueError as exc:
            raise IntegrityError(f"DETAIL: Key (name)=({SENTINEL}) already exists.") from exc
    except IntegrityError:
        logger.exception("a table could not be read")
    assert "test_logs.py" in lines[0]
    assert "ValueError" in lines[0]
    assert "django.db.utils.IntegrityError" in lines[0]
    assert SENTINEL not in lines[0]


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (OSError(28, "No space left on device", f"/import/{SENTINEL}.png"), "OSError: No space left on device"),
        (OperationalError(f"connection refused\nDETAIL: {SENTINEL}"), "django.db.utils.OperationalError: connection refused"),
        (RuntimeError("CUDA error: device-side assert triggered"), "RuntimeError: CUDA error: device-side assert triggered"),
        (TruncatedImage(SENTINEL), "embedder.errors.TruncatedImage: truncated"),
        (KeyError(SENTINEL), "KeyError"),
    ],
)
def test_only_what_speaks_of_the_machinery_is_told(exc, said):
    assert told(exc) == said


def record(name: str, level: int, message: str, *arguments: object, exc_info=None) -> str:
    return DiscreetRecord(name, level, "x.py", 1, message, arguments, exc_info).getMessage()


def test_an_exception_among_a_records_arguments_is_told_in_the_same_way():
    assert SENTINEL not in record("webapp", logging.WARNING, "%s has to wait: %s", "decoding", OSError(2, "gone", SENTINEL))


def test_celery_does_not_repeat_a_message_that_it_cannot_read():
    said = record("celery.worker.consumer.consumer", logging.ERROR, "Received unregistered task %s.\nbody: %s", "t", SENTINEL)
    assert said == "Received unregistered task t."


def test_celery_does_not_repeat_what_a_task_raised():
    error = KeyError(SENTINEL)
    context = {"name": "t", "id": "1", "exc": repr(error)}
    said = record("celery.app.trace", logging.ERROR, "Task %(name)s[%(id)s]: %(exc)s", context, exc_info=(KeyError, error, None))
    assert said == "Task t[1]: KeyError"


def test_the_words_of_a_question_are_not_in_the_head_of_its_message(monkeypatch, settings):
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: seen.append(options))
    remote.send("encode_texts", {"key": SENTINEL}, "print")
    assert SENTINEL not in str(seen)


RUN = """
import logging
from django.conf import settings
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # none were built
from django.test import Client, override_settings
from tests.embedder.named import NAMED
from tests.webapp.conftest import picture
from webapp.accounts.models import Membership, Role, Team, User
from webapp.library.models import Collection, Image
from webapp.library.working import work
from django.core.files.uploadedfile import SimpleUploadedFile
team = Team.objects.create(name="A")
user = User.objects.create_user("alice")
Membership.objects.create(user=user, team=team, role=Role.EDITOR)
collection = Collection.objects.create(team=team, name="Kidneys", made_by=user)
client = Client(raise_request_exception=False)
client.force_login(user)
files = [SimpleUploadedFile(f"SENTINEL-{n}.png", data) for n, data in enumerate([picture("brown"), picture("pink"), b"SENTINEL"])]
table = SimpleUploadedFile("captions.csv", b"file,caption,organ\\nSENTINEL-0.png,SENTINEL kidney,SENTINEL\\n")
assert client.post(f"/collections/{collection.pk}/upload", {"files": files, "table": table}).status_code == 302
work(threads=0)
assert Image.objects.filter(state="ready").count() == 2, list(Image.objects.values_list("state", "reason"))
for address in ("/?q=SENTINEL", "/?q=SENTINEL&limit=x", "/describe?q=SENTINEL", "/SENTINEL", "/api/v1/search?q=SENTINEL"):
    client.get(address)
from unittest import mock  # an outage and a fault in the middle of a search
for fault in (ValueError("SENTINEL"), OSError(5, "broken", "SENTINEL")):
    with mock.patch("webapp.explore.queries._views", side_effect=fault):
        assert client.get("/?q=SENTINEL").status_code == 500
logging.getLogger("webapp").warning("the run has ended")
"""


@pytest.mark.parametrize("form", ["json", "line"])
def test_a_whole_run_of_ingest_and_search_says_nothing_that_people_wrote(tmp_path, form):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {
        "CONCHIVE_DATA": str(tmp_path / "data"),
        "CONCHIVE_ENCODER": "fake",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",  # of a folder for static files that were not built
        "IDENTITY_CHECK": "off",
        "LOG_FORMAT": form,
        "LOG_LEVEL": "DEBUG",
        "ALLOWED_HOSTS": "testserver",
        "PYTHONPATH": str(ROOT),
    }
    for command in (("migrate", "--verbosity", "0"), ("shell", "--no-imports", "-c", RUN.replace("SENTINEL", SENTINEL))):
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
    assert "the run has ended" in done.stderr
    assert "ValueError" in done.stderr
    assert SENTINEL not in done.stderr.upper()
    if form == "json":
        for line in filter(None, done.stderr.splitlines()):
            json.loads(line)
