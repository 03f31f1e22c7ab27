"""A production site does not start with settings that leave a door open."""

from __future__ import annotations

import pytest

from tests.webapp.test_settings import PRODUCTION, started

SECRET = PRODUCTION["SECRET_KEY"]
BAD = [
    ({"DEBUG": "true"}, "DEBUG"),
    ({"CONCHIVE_DEMO": "true"}, "CONCHIVE_DEMO"),
    ({"SECRET_KEY": "too short"}, "SECRET_KEY"),
    ({"SECRET_KEY": "change-me-" * 8}, "SECRET_KEY"),
    ({"SECRET_KEY_FALLBACKS": f"{SECRET},too short"}, "SECRET_KEY_FALLBACKS"),
    ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
    ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
    ({"HTTPS": "false", "CONCHIVE_URL": "http://archive.example.org"}, "HTTPS"),
    ({"REDIS_URL": "redis://redis.example.org:6379/0"}, "REDIS_URL"),
    ({"QDRANT_URL": "http://qdrant.example.org:6334"}, "QDRANT_API_KEY"),
]
WEB = ("-c", "import webapp.wsgi")
WORKER = ("-m", "celery", "--app", "webapp", "worker", "--pool", "solo", "--queues", "ingest")
BEAT = ("-m", "celery", "--app", "webapp", "beat")


@pytest.mark.parametrize(("bad", "named"), BAD)
def test_the_deployment_check_names_each_unsafe_setting(tmp_path, bad, named):
    checked = started(tmp_path, "check", "--deploy", **PRODUCTION | bad)
    assert checked.returncode != 0
    assert [line for line in checked.stderr.splitlines() if "(conchive." in line and named in line], checked.stderr


@pytest.mark.parametrize(("bad", "named"), BAD)
def test_the_web_server_does_not_start_with_an_unsafe_setting(tmp_path, bad, named):
    _refused(started(tmp_path, *WEB, program="", **PRODUCTION | bad), named)


@pytest.mark.parametrize("part", [WORKER, BEAT])
def test_neither_worker_nor_clock_starts_with_an_unsafe_setting(tmp_path, part):
    _refused(started(tmp_path, *part, program="", **PRODUCTION | {"DEBUG": "true"}), "DEBUG")


def _refused(ended, named):
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if "Conchive does not start: " in line]
    assert named in line
    assert "Traceback" not in ended.stderr


def test_safe_settings_start(tmp_path):
    ended = started(tmp_path, *WEB, program="", **PRODUCTION)
    assert ended.returncode == 0
    assert "does not start" not in ended.stderr


def test_a_service_on_this_machine_needs_no_password(tmp_path):
    near = {"REDIS_URL": "redis://127.0.0.1:6379/0", "QDRANT_URL": "http://localhost:6334"}
    assert started(tmp_path, "check", "--deploy", **PRODUCTION | near).returncode == 0
