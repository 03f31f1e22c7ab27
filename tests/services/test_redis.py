"""Queries are encoded by a worker of the queue "query", asked and answered through Redis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.services.services import ROOT, address, run, surroundings

SECRET = "only for this test, never for a site, and long enough: 0123456789"
PRODUCTION = {"SECRET_KEY": SECRET, "ALLOWED_HOSTS": "localhost", "QUERY_TIMEOUT_S": "60"}
ASK = """
from embedder import load_encoder
from webapp.explore.encoding import encode_query
encoder = load_encoder("fake")
encoded = encode_query(["brown stained nuclei"], fingerprint=encoder.spec.fingerprint)[0]
print(float(encoded.vector @ encoder.encode_texts(["brown stained nuclei"])[0]))
import sys
print("torch" in sys.modules)
"""


@pytest.fixture
def worker(tmp_path) -> Iterator[str]:
    """A worker of the queue "query"; the address of its Redis."""
    redis = address("TEST_REDIS_URL", "Redis")
    command = [sys.executable, "-m", "celery", "-A", "webapp", "worker", "-Q", "query", "--pool", "solo", "--loglevel", "ERROR"]
    process = subprocess.Popen(command, cwd=ROOT, env=surroundings(tmp_path, REDIS_URL=redis, **PRODUCTION))
    yield redis
    process.terminate()
    process.wait(60)


def test_a_query_is_encoded_by_a_worker_and_the_web_process_needs_no_torch(worker, tmp_path):
    told = run(tmp_path, "manage.py", "shell", "--no-imports", "-c", ASK, REDIS_URL=worker, **PRODUCTION)
    assert told.returncode == 0, told.stderr[-4000:]
    cosine, torch = told.stdout.split()
    assert float(cosine) > 0.9999
    assert torch == "False"
