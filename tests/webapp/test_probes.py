"""/healthz, /readyz and /metrics: for machines, before every rule for people."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.site import free_port
from tests.webapp.conftest import picture, run_tasks, stored
from webapp.explore import warmup
from webapp.instruments import IMAGES_DONE
from webapp.library import quotas
from webapp.library.models import Image, State
from webapp.operating import exporter, readiness
from webapp.operating.metrics import ENTERED
from webapp.operating.readiness import Part, Readiness

TOKEN = "a token of the tests, long enough"


@pytest.fixture
def asked(db, monkeypatch):
    """Nothing that was asked before counts, and the parts are asked in the test's own thread, which has its database."""
    run_tasks()  # makes the indexes
    fresh = Readiness(readiness.PARTS)
    monkeypatch.setattr(fresh, "_pool", Here())
    monkeypatch.setattr(readiness, "_READINESS", fresh)
    monkeypatch.setattr(connection, "close", lambda: None)
    warmup.forget()
    warmup.ready_encoder(timeout_s=10)
    yield fresh
    warmup.forget()


class Here:
    """An executor that does it at once."""

    def submit(self, function, *arguments):
        done: Future[Part] = Future()
        done.set_result(function(*arguments))
        return done


def out(client) -> list[str]:
    answer = client.get("/readyz")
    told = answer.json()
    names = [name for name, part in told["parts"].items() if not part["ok"]]
    assert answer.status_code == (503 if names else 200)
    assert told["ok"] == (not names)
    return names


# --- readyz -----------------------------------------------------------------------------------------------------------


def test_a_site_in_order_is_ready_and_says_so_to_anybody(client, asked):
    assert out(client) == []
    assert set(client.get("/readyz").json()["parts"]) == set(readiness.PARTS)


def test_probes_ask_by_any_host_and_without_tls(client, asked, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["archive.example.org"]
    assert client.get("/readyz", headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "10.0.0.7:8000"}).content == b"conchive\n"


def test_an_index_that_is_away_is_told_in_a_sentence_without_detail(client, asked, broken_index):
    assert out(client) == ["index"]
    assert client.get("/readyz").json()["parts"]["index"]["detail"] == "The vector index does not answer."


def test_a_cache_that_is_away_is_told(client, asked, monkeypatch):
    monkeypatch.setattr(cache, "set", lambda *arguments, **options: None)
    assert out(client) == ["cache"]


def test_an_encoder_that_is_not_there_is_told(client, asked, monkeypatch):
    monkeypatch.setattr(readiness, "encoder_state", lambda: "failed: weights_not_found")
    assert out(client) == ["encoder"]


def test_a_full_disk_is_told(client, asked, monkeypatch):
    def full():
        raise quotas.NoRoom("no_space", "3 GB stay free")

    monkeypatch.setattr(quotas, "check_disk", full)
    assert out(client) == ["disk"]


def test_migrations_that_were_not_applied_are_told(client, asked, monkeypatch):
    monkeypatch.setattr(readiness, "_MIGRATED", threading.Event())
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: ["one"])
    assert out(client) == ["migrations"]


def test_a_database_that_is_away_is_told(client, asked, monkeypatch):
    def away():
        raise OperationalError("connection to 10.1.2.3 refused")

    monkeypatch.setitem(readiness.PARTS, "database", (away, "The database does not answer."))
    monkeypatch.setitem(readiness.PARTS, "migrations", (lambda: "", ""))
    assert out(client) == ["database"]
    assert "10.1.2.3" not in client.get("/readyz").content.decode()


def test_a_part_that_hangs_takes_its_own_time_and_one_thread(db):
    go_on, calls = threading.Event(), []

    def hang() -> str:
        calls.append(1)
        go_on.wait(10)
        return ""

    asking = Readiness({"slow": (hang, "It does not answer."), "quick": (lambda: "", "")}, timeout_s=0.05)
    start = time.monotonic()
    for _ in range(3):
        assert asking.parts() == {"slow": Part(ok=False, detail="It does not answer."), "quick": Part(ok=True)}
    assert time.monotonic() - start < 2
    assert len(calls) == 1
    go_on.set()


# --- metrics ----------------------------------------------------------------------------------------------------------


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values in the order of the labels' names…) -> value."""
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, *sample.labels.values()): sample.value for sample in found}


def told(client, **headers: str) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers={"Host": "127.0.0.1:8000", **headers})
    assert answer.status_code == 200
    return samples(answer.content.decode())


def test_what_waits_and_what_failed_is_counted(client, asked, collection):
    stored(collection, b"no picture", name="broken.png")
    stored(collection, picture("brown"), name="good.png")
    run_tasks()
    stored(collection, picture("blue"), name="waiting.png")
    now = told(client)
    assert now["conchive_images", "stored"] == now["conchive_images", "ready"] == now["conchive_images", "failed"] == 1
    assert now["conchive_failed_images", "unsupported_type"] == 1
    assert now["conchive_oldest_seconds", "stored"] >= 0 == now["conchive_oldest_seconds", "decoded"]
    assert now["conchive_index_lag",] == 0
    assert now["conchive_part_ok", "index"] == 1
    assert now["conchive_disk_free_bytes",] > 0


def test_the_oldest_one_that_waits_has_its_age(client, asked, collection):
    waiting = stored(collection, picture("blue"))
    Image.objects.filter(pk=waiting.pk).update(stored_at="2020-01-01T00:00Z")
    assert told(client)["conchive_oldest_seconds", "stored"] > 365 * 24 * 3600


def test_work_is_counted_where_it_is_done(client, asked, collection):
    before = {step: IMAGES_DONE.labels(step)._value.get() for step in ("decoded", "embedded", "ready")}
    stored(collection, picture("brown"))
    run_tasks()
    now = told(client)
    for step, count in before.items():
        assert now["conchive_images_done_total", step] == count + 1
    assert now["conchive_encode_seconds_count", "images"] >= 1
    assert now["conchive_encode_batch_sum", "images"] >= 1


def test_a_search_is_measured_by_its_stages(client, asked, collection, alice, signed_in):
    stored(collection, picture("brown"))
    run_tasks()
    signed_in(alice).get("/", {"q": "brown"})
    now = told(client)
    assert all(now["conchive_search_stage_seconds_count", stage] >= 1 for stage in ("encode", "search", "fetch"))
    assert now["conchive_request_seconds_count", "GET", "2xx", "search"] >= 1


def test_no_label_holds_a_name_a_word_or_an_id(client, asked, collection, alice, signed_in):
    image = stored(collection, picture("brown"), name="SENTINEL.png", caption="SENTINEL", organ="SENTINEL", case="SENTINEL")
    run_tasks()
    signed_in(alice).get("/", {"q": "SENTINEL"})
    client.get(f"/images/{image.pk}")
    client.get("/SENTINEL")
    answer = client.get("/metrics", headers={"Host": "localhost"}).content.decode()
    assert "SENTINEL" not in answer
    assert str(image.pk) not in answer


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("203.0.113.9", {"Host": "localhost"}),
        ("10.0.0.9", {"Host": "localhost"}),
        ("127.0.0.1", {"Host": "localhost", "X-Forwarded-For": "203.0.113.9"}),
        ("127.0.0.1", {"Host": "rebound.example.org"}),
    ],
)
def test_without_a_token_only_this_machine_is_told(client, address, headers):
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == 404


def test_with_a_token_whoever_has_it_is_told_and_nobody_else(client, asked, settings):
    settings.METRICS_TOKEN = TOKEN
    assert told(client, Authorization=f"Bearer {TOKEN}")
    for wrong in ("", "Bearer", f"Bearer {TOKEN}x", TOKEN, "Bearer ü"):
        assert client.get("/metrics", headers={"Host": "localhost", "Authorization": wrong}).status_code == 404


def test_where_the_database_is_away_the_rest_is_told(client, asked, monkeypatch):
    def away():
        raise OperationalError("refused")

    monkeypatch.setattr("webapp.operating.metrics.counted", away)
    now = told(client)
    assert ("conchive_images", "ready") not in now
    assert now["conchive_disk_free_bytes",] > 0


def test_a_worker_tells_its_own_and_asks_for_the_token(settings):
    settings.METRICS_PORT, settings.METRICS_TOKEN = free_port(), TOKEN
    server = exporter.start()
    assert server is not None
    try:
        address = f"http://127.0.0.1:{settings.METRICS_PORT}/metrics"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(address, timeout=60)
        allowed = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(allowed, timeout=60) as answer:
            assert b"conchive_images_done_total" in answer.read()
    finally:
        server.shutdown()
        server.server_close()


def test_a_worker_without_a_port_tells_nothing(settings):
    settings.METRICS_PORT = 0
    assert exporter.start() is None


def test_states_that_wait_are_those_that_the_program_ends():
    assert set(ENTERED) == set(State) - {State.HELD, State.READY, State.FAILED, State.TRASHED}
