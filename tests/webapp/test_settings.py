"""Settings are documented, and bad ones stop the start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_setting_has_its_line_in_the_documentation_and_no_other():
    source = (ROOT / "webapp" / "settings.py").read_text(encoding="utf-8")
    documented = set(
        re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert documented == set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))


def started(folder: Path, *command: str, program: str = "manage.py", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "CONCHIVE_DATA": str(folder)}
    return subprocess.run(
        [sys.executable, *filter(None, [program]), *command],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


PRODUCTION = {
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "SECRET_KEY": "not in use anywhere, but long enough and with many different letters: 0123456789",
    "ALLOWED_HOSTS": "archive.example.org",
}


def test_a_production_configuration_passes_djangos_deployment_checks(tmp_path):
    checked = started(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"REDIS_URL": "redis://127.0.0.1", "SECRET_KEY": ""}, "SECRET_KEY"),
        ({"DEBUG": "flase"}, "DEBUG"),
        ({"CONCHIVE_ENCODER": "conhc"}, "CONCHIVE_ENCODER"),
        ({"MAX_PIXELS": "many"}, "MAX_PIXELS"),
        ({"SECOND_FACTOR": "always"}, "SECOND_FACTOR"),
        ({"SIGN_IN_TRIES": "0"}, "SIGN_IN_TRIES"),
        ({"OIDC_ISSUER": "http://login.example.org", "OIDC_CLIENT_ID": "conchive"}, "https://"),
        ({"OIDC_PROVIDERS": "{"}, "OIDC_PROVIDERS"),
        ({"IMPORT_FOLDERS": "/mnt/drop,drop"}, "IMPORT_FOLDERS"),
    ],
)
def test_a_bad_setting_stops_the_start_by_its_name(tmp_path, bad, told):
    checked = started(tmp_path, "check", **bad)
    assert checked.returncode != 0
    assert told in checked.stderr


def test_the_migrations_are_those_of_the_models(tmp_path):
    checked = started(tmp_path, "makemigrations", "--check", "--dry-run")
    assert checked.returncode == 0, checked.stdout


def test_secrets_come_from_files(tmp_path):
    key = tmp_path / "key"
    key.write_text(PRODUCTION["SECRET_KEY"] + "\n")
    settings = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
    ask = "from django.conf import settings; print(settings.SECRET_KEY)"
    told = started(tmp_path, "shell", "--no-imports", "-c", ask, **settings, SECRET_KEY_FILE=str(key))
    assert told.stdout.strip() == PRODUCTION["SECRET_KEY"], told.stderr
    missing = started(tmp_path, "check", **settings, SECRET_KEY_FILE=str(tmp_path / "none"))
    assert missing.returncode != 0
    assert "SECRET_KEY_FILE" in missing.stderr
