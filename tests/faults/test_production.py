"""Everything of the production site that can break, broken while images come in: every promise is kept, and nobody has to act.

Where CI is set, one fault of each part runs, for some minutes. `FAULTS=short` is a round of all of them; `FAULTS=full`, or `make
faults`, does each as often and as long as docs/operations/faults.md says, and writes down what was measured. Random choices
follow a seed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from benchmarks.machine import RESULTS, machine, versions, write
from tests.faults.ledger import Clients, Ledger
from tests.faults.poisoned import CRASH, HANG
from tests.services.production import Production, Service, needs_services, running_production

FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED", "7"))
HERE = Path(__file__).parent
DISK_BYTES = 512 * 2**20
QUICK = {"LEASE_S": "20", "DECODE_TIMEOUT_S": "5", "RATE_API": "", "RATE_UPLOAD": "", "RATE_SEARCH": ""}
POISON = {"PYTHONPATH": f"{HERE / 'poison'}:{HERE.parents[1]}", "POISONED_DECODER": "1"}
SEARCH_ANSWERS_WITHIN_S = 5.0
HUNG_ANSWERS_WITHIN_S = 15.0  # what is asked of Redis on the way each has its own seconds

pytestmark = [
    pytest.mark.xdist_group("production"),  # one after the other with the other site of this kind
    pytest.mark.timeout(7200 if FULL else 900),
    pytest.mark.skipif(not {"FAULTS", "CI"} & os.environ.keys(), reason="FAULTS=short or FAULTS=full breaks a production site"),
]
when_asked = pytest.mark.skipif("FAULTS" not in os.environ, reason="skipped: FAULTS=short or FAULTS=full runs it as well")


def times(short: int, full: int) -> int:
    return full if FULL else short


class Rig:
    """The site on a small disk of its own, its people, and what was measured."""

    def __init__(self, site: Production) -> None:
        self.site, self.clients = site, Clients(site)
        self.dice = random.Random(SEED)
        self.measured: dict[str, Any] = {}

    def ledger(self, short: int, full: int, **also: Any) -> Ledger:
        return Ledger(self.site, self.clients, times(short, full), **also)

    def note(self, name: str, ledger: Ledger, **also: Any) -> None:
        """Every invariant, and what was measured on the way. Makes room for the next fault."""
        self.measured[name] = ledger.check() | also
        ledger.throw_away()

    def pause(self, at_least_s: float, at_most_s: float) -> None:
        time.sleep(self.dice.uniform(at_least_s, at_most_s))

    @contextmanager
    def changed(self, *names: str, **environment: str) -> Iterator[None]:
        """Services started again with another environment, and afterwards as they were."""
        services = [self.site.services[name] for name in names]
        before = [dict(service.environment) for service in services]
        for service in services:
            service.stop()
            service.environment |= environment
            service.start()
        try:
            yield
        finally:
            for service, kept in zip(services, before, strict=True):
                service.stop()
                service.environment = kept
                service.start()

    def searches(self, words: str = "pink") -> tuple[int, float]:
        """Status and seconds of one search."""
        start = time.monotonic()
        answer = self.clients.alice.get("/search", params={"text": words})
        return answer.status_code, time.monotonic() - start

    def wait_until_search_answers(self, status: int, within_s: float = 90.0, words: str = "pink") -> None:
        until, told = time.monotonic() + within_s, 0
        while time.monotonic() < until:
            with suppress(OSError):
                told, _ = self.searches(words)
                if told == status:
                    return
            time.sleep(0.5)
        raise AssertionError(f"search answers {told}, not {status}\n{self.site.logs()}")

    def redis(self) -> redis.Redis:
        return redis.Redis(port=self.site.ports["redis"], password=self.site.secret("redis_password"))


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    needs_services()
    with running_production(QUICK, disk_bytes=DISK_BYTES) as site:
        made = Rig(site)
        yield made
        made.clients.close()
        if FULL:
            _keep(made.measured)


def _keep(measured: dict[str, Any]) -> None:
    """What was broken now beside what an earlier run broke, where only some of the faults were chosen."""
    told = {"machine": machine(), "versions": versions("celery", "django", "granian", "redis", "qdrant-client"), "seed": SEED}
    kept = RESULTS / "faults.json"
    before = json.loads(kept.read_text(encoding="utf-8"))["faults"] if kept.exists() else {}
    write("faults", told | {"faults": dict(sorted((before | measured).items()))})


@pytest.fixture(autouse=True)
def all_is_well(rig) -> None:
    """Before each fault, everything runs."""
    for service in rig.site.services.values():
        if service.restarts and not service.wanted:
            service.start()
    rig.site.services["proxy"].wait_until_it_is_healthy()


def beaten(rig: Rig, ledger: Ledger, n: int, strike: Callable[[], None], *, pause_s: tuple[float, float]) -> int:
    """Strikes ``n`` times from the first file on, whether or not the last has been taken by then."""
    with ledger.sending():
        for _ in range(n):
            rig.pause(*pause_s)
            strike()
    return n


# --- processes ----------------------------------------------------------------------------------------------------------


@when_asked
def test_a_workers_child_may_be_killed_at_any_time(rig):
    workers = [rig.site.services[name] for name in ("worker-ingest", "worker-embed")]

    def strike() -> None:
        if children := rig.dice.choice(workers).children():
            with suppress(ProcessLookupError):
                os.kill(rig.dice.choice(children), signal.SIGKILL)

    ledger = rig.ledger(60, 600)
    kills = beaten(rig, ledger, times(4, 50), strike, pause_s=(0.5, 3.0))
    rig.note("worker_child_killed", ledger, kills=kills)


def test_a_whole_worker_may_be_killed_at_any_time(rig):
    names = ("worker-ingest", "worker-embed")
    ledger = rig.ledger(40, 600)
    kills = beaten(rig, ledger, times(2, 50), lambda: rig.site.services[rig.dice.choice(names)].kill(), pause_s=(1.0, 5.0))
    rig.note("worker_killed", ledger, kills=kills)


def test_the_web_may_be_killed_in_the_middle_of_uploads(rig):
    web = rig.site.services["web"]
    ledger = rig.ledger(60, 900)
    kills = beaten(rig, ledger, times(2, 30), lambda: _kill_and_wait(web), pause_s=(0.2, 2.0))
    rig.note("web_killed", ledger, kills=kills)


def _kill_and_wait(service: Service) -> None:
    service.kill()
    service.wait_until_it_is_healthy()


@when_asked
def test_one_web_process_that_dies_is_replaced_by_another(rig):
    web = rig.site.services["web"]
    starts = web.starts
    os.kill(rig.dice.choice(_python_children(web)), signal.SIGKILL)
    rig.wait_until_search_answers(200)
    assert web.starts == starts, "the whole service had to be started again"
    ledger = rig.ledger(10, 10)
    ledger.send()
    rig.note("web_process_killed", ledger)


def _python_children(service: Service) -> list[int]:
    """Its workers: multiprocessing keeps a process that counts semaphores beside them."""
    told = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in service.children()}
    return [pid for pid, command in told.items() if b"resource_tracker" not in command]


# --- Redis ----------------------------------------------------------------------------------------------------------------


@contextmanager
def held_up(*services: Service) -> Iterator[None]:
    """They do nothing, and know nothing of it."""
    for service in services:
        service.send(signal.SIGSTOP)
    try:
        yield
    finally:
        for service in services:
            service.send(signal.SIGCONT)


@pytest.mark.parametrize("way", ["flushed", pytest.param("restarted", marks=when_asked)])
def test_redis_may_lose_everything_that_is_queued(rig, way):
    for n in range(1, times(1, 10) + 1):
        ledger = rig.ledger(100, 520)
        with held_up(rig.site.services["worker-ingest"], rig.site.services["worker-embed"]):
            ledger.send()
            queued = int(rig.redis().llen("ingest"))
            assert queued >= 0.9 * len(ledger.files), queued
            if way == "flushed":
                rig.redis().flushall()
            else:
                _kill_and_wait(rig.site.services["redis"])
        rig.note(f"redis_{way}", ledger, times=n, queued=queued)


@when_asked
def test_without_redis_files_are_taken_and_found_by_images(rig):
    """Words have to be encoded by way of Redis: that says so; a stored image needs no encoder."""
    stays = rig.ledger(4, 4)
    stays.send()
    stays.check()
    service, ledger = rig.site.services["redis"], rig.ledger(10, 100)
    service.stop()
    try:
        ledger.send()
        status, seconds = rig.searches("a question that nobody has asked before")
        by_image = rig.clients.alice.get("/search", params={"image": sorted(stays.ready)[0]})
    finally:
        service.start()
    assert status == 503
    assert seconds < SEARCH_ANSWERS_WITHIN_S
    assert by_image.status_code == 200
    assert set(ledger.statuses) == {"200", "201"}, ledger.statuses
    rig.note("redis_down", ledger, search_answered_s=round(seconds, 1))


@when_asked
def test_redis_may_hang(rig):
    redis_service, ledger = rig.site.services["redis"], rig.ledger(20, 100)
    with held_up(redis_service):
        ledger.send()
        status, seconds = rig.searches("another question that nobody has asked before")
        time.sleep(times(5, 60))
    assert status == 503
    assert seconds < HUNG_ANSWERS_WITHIN_S
    assert set(ledger.statuses) == {"200", "201"}, ledger.statuses
    rig.note("redis_hung", ledger, search_answered_s=round(seconds, 1))


# --- PostgreSQL -------------------------------------------------------------------------------------------------------------


def test_postgresql_may_be_restarted_at_once(rig):
    postgres = rig.site.services["postgres"]

    def strike() -> None:
        os.kill(postgres.pid, signal.SIGQUIT)  # as `pg_ctl restart -m immediate`; started again as any service is
        assert postgres.process is not None
        postgres.process.wait(30)
        postgres.wait_until_it_is_healthy()

    ledger = rig.ledger(60, 600)
    n = beaten(rig, ledger, times(2, 10), strike, pause_s=(1.0, 4.0))
    rig.note("postgres_restarted", ledger, times=n)


# --- the vector store ---------------------------------------------------------------------------------------------------------


@when_asked
def test_the_vector_store_may_be_down(rig):
    qdrant, ledger = rig.site.services["qdrant"], rig.ledger(30, 300)
    qdrant.stop()
    try:
        down = time.monotonic()
        ledger.send()
        _search_says_so(rig)
        time.sleep(max(0.0, times(10, 120) - (time.monotonic() - down)))
    finally:
        qdrant.start()
    rig.note("index_down", ledger, down_s=times(10, 120))


@when_asked
def test_the_vector_store_may_hang(rig):
    qdrant, ledger = rig.site.services["qdrant"], rig.ledger(30, 300)
    with held_up(qdrant):
        ledger.send()
        _search_says_so(rig)
        start = time.monotonic()
        assert rig.clients.alice.get("/collections").status_code == 200
        assert time.monotonic() - start < SEARCH_ANSWERS_WITHIN_S
        time.sleep(times(5, 60))
    rig.note("index_hung", ledger)


def _search_says_so(rig: Rig) -> None:
    status, seconds = rig.searches()
    assert (status, seconds < SEARCH_ANSWERS_WITHIN_S) == (503, True), (status, seconds)


def test_the_vector_store_may_come_back_empty(rig):
    before = rig.ledger(30, 300)
    before.send()
    before.check()
    qdrant = rig.site.services["qdrant"]
    qdrant.stop()
    for path in (rig.site.folder / "qdrant").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    qdrant.start()
    wiped = time.monotonic()
    until = wiped + 300
    while time.monotonic() < until:
        with suppress(AssertionError):
            if set(rig.clients.everything("pink", before.collection)) == before.ready:
                break
        time.sleep(1.0)
    rebuilt_s = time.monotonic() - wiped
    after = rig.ledger(10, 100)
    after.send()
    after.check()
    before._check_search()
    rig.note("index_wiped", before, rebuilt_s=round(rebuilt_s, 1))


# --- the disk -----------------------------------------------------------------------------------------------------------------


@when_asked
def test_the_disk_may_be_full(rig):
    """Whoever sends is told, by the status or in the receipt; what is there is found and looked at."""
    if not rig.site.has_disk_of_its_own:
        pytest.skip("skipped: no file system can be mounted here")
    filler = rig.site.folder / "data" / "filler"
    ledger = rig.ledger(200, 900, may_fail=["no_space"])
    with ledger.sending():
        try:
            _fill(filler)
            time.sleep(times(5, 30))
            assert rig.searches()[0] == 200
            assert rig.clients.alice.get("/collections").status_code == 200
        finally:
            filler.unlink()
    refused = {status for status in ledger.statuses if status not in ("200", "201")}
    assert refused <= {"507", "503"}, ledger.statuses
    rig.note("disk_full", ledger)
    measured = rig.measured["disk_full"]
    assert refused or "failed" in measured["counts"], measured


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**20))


# --- poison -------------------------------------------------------------------------------------------------------------------


@when_asked
def test_files_that_crash_the_decoder_or_make_it_hang_cost_themselves_alone(rig):
    poison = {3: CRASH, 9: HANG, 17: CRASH}
    ledger = rig.ledger(32, 320, poison=poison)
    with rig.changed("worker-ingest", **POISON):
        ledger.send()
        ledger.settle()
        reasons = {item["name"]: item["reason"] for item in ledger._receipt()["items"] if item["state"] == "failed"}
        rig.note("decoder_poisoned", ledger, poisoned=len(poison))
    assert reasons == {"3.png": "decoder_crash", "9.png": "timeout", "17.png": "decoder_crash"}


# --- the encoder --------------------------------------------------------------------------------------------------------------


@when_asked
def test_an_encoder_that_cannot_be_loaded_is_told_and_costs_no_image(rig):
    broken = {"CONCHIVE_ENCODER": "conch", "CONCH_WEIGHTS": str(rig.site.folder / "weights" / "half.bin")}
    Path(broken["CONCH_WEIGHTS"]).write_bytes(bytes(1000))
    ledger = rig.ledger(20, 200)
    with rig.changed("worker-embed", "worker-query", **broken):
        ledger.send()
        rig.wait_until_search_answers(503, words="words that nobody has asked for")
        time.sleep(times(5, 60))
        assert rig.clients.alice.get(f"/uploads/{ledger.upload}", params={"size": 0}).json()["counts"]["failed"] == 0
    rig.wait_until_search_answers(200)
    rig.note("encoder_broken", ledger)


@when_asked
def test_a_worker_with_another_encoder_writes_nothing(rig):
    """An archive changes its encoder by `reindex --encode` and not because a worker was set up wrongly: its images wait."""
    other = {"PYTHONPATH": POISON["PYTHONPATH"], "OTHER_ENCODER": "e"}
    ledger = rig.ledger(20, 200)
    with rig.changed("worker-embed", "worker-query", **other):
        ledger.send()
        rig.wait_until_search_answers(503, words="other words that nobody has asked for")
        time.sleep(times(5, 60))
        counts = rig.clients.alice.get(f"/uploads/{ledger.upload}", params={"size": 0}).json()["counts"]
        assert (counts["ready"], counts["failed"]) == (0, 0), counts
    rig.wait_until_search_answers(200)
    rig.note("encoder_changed", ledger)


# --- the clock ----------------------------------------------------------------------------------------------------------------


@when_asked
@pytest.mark.parametrize("skew", ["+2h", "-10m"])
def test_a_workers_clock_may_be_wrong(rig, skew):
    """Leases are the database's; a link or token that has ended stays ended."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
    if library is None:
        pytest.skip("skipped: libfaketime is not installed")
    ledger = rig.ledger(20, 200)
    with rig.changed("worker-ingest", "worker-embed", LD_PRELOAD=str(library), FAKETIME=skew, FAKETIME_DONT_FAKE_MONOTONIC="1"):
        ledger.send()
        rig.note(f"clock_{skew}", ledger)
