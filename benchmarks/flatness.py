"""Does anything pile up? `python -m benchmarks.flatness`: 10,000 requests, 2,000 images, and what every service holds meanwhile.

The services of docker-compose.yml run natively (tests/services/production.py), with the fake encoder and a stand-in for Qdrant.
After each of ten rounds of images and requests, and a pause, every process is asked for its open files, threads and memory, and
PostgreSQL and Redis for their connections. What belongs to the site has to be flat once it is warm; the stand-in for Qdrant keeps
all its points in memory and grows with them, as PostgreSQL's shared memory does up to its limit.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import redis

from benchmarks.bulk import file
from benchmarks.machine import machine, resident_mib, versions, write
from tests.services.production import Production, running_production
from tests.services.visitors import links_to, make_people, program, send_at_once, settled, signed_in

UNCOUNTED = {"RATE_API": "", "RATE_UPLOAD": "", "RATE_SEARCH": ""}
OURS = ("web", "worker-ingest", "worker-embed", "worker-query", "beat")
LANES, FILES_A_REQUEST = 4, 50
WARM_AFTER = 3  # rounds: by then every thread has had its turn and every pool its connections
PAUSE_S = 5.0
MORE_FILES, MORE_THREADS, MORE_CONNECTIONS = 8, 4, 4  # that come and go with what is just being done
MORE_MEMORY = 0.10  # of what it was when warm
CONNECTIONS = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    print(cursor.fetchone()[0])
"""
COLOURS = ("pink", "brown", "purple", "blue", "white", "red", "violet", "grey")
Sample = dict[str, Any]


class Visit:
    """Pages, pictures and API calls as people and programs ask for them, each to be answered with 200 or, unchanged, with 304."""

    def __init__(self, site: Production, seed: int) -> None:
        self.browser, self.dice = signed_in(site, "alice"), random.Random(seed)
        self.images: Sequence[str] = []

    def ask(self, requests: int) -> None:
        for number in range(requests):
            answer = self._one(number)
            assert answer.status_code == 200, (answer.request.url.path, answer.status_code)

    def _one(self, number: int) -> httpx.Response:
        if number % 4 == 0 or not self.images:
            page = self.browser.get("/", params={"q": f"{self.dice.choice(COLOURS)} {self.dice.randrange(10**6)}"})
            self.images = links_to(page.text, r"/images/[-0-9a-f]+/thumbnail") or self.images
            return page
        if number % 4 == 1:
            return self.browser.get(re.sub("/thumbnail$", "", self.dice.choice(self.images)))
        if number % 4 == 2:
            return self.browser.get(self.dice.choice(self.images))
        return self.browser.get(self.dice.choice(["/collections", "/saved", "/healthz"]))


def measure(site: Production, options: argparse.Namespace) -> dict[str, Any]:
    collection = make_people(site)
    with program(site, "alice") as alice:
        visits = [Visit(site, seed) for seed in range(LANES)]
        samples: list[Sample] = []
        start = time.monotonic()
        for number in range(options.rounds):
            _send(
                alice,
                collection,
                range(number * options.images // options.rounds, (number + 1) * options.images // options.rounds),
            )
            with ThreadPoolExecutor(LANES) as lanes:
                list(lanes.map(lambda visit: visit.ask(options.requests // options.rounds // LANES), visits))
            time.sleep(PAUSE_S)
            samples.append(sample(site))
            print(f"round {number + 1} of {options.rounds}: {samples[-1]['web']}", flush=True)
        for visit in visits:
            visit.browser.close()
    return {"seconds": round(time.monotonic() - start, 1), "grown": grown(samples), "samples": samples}


def _send(alice: httpx.Client, collection: str, numbers: range) -> None:
    for at in range(numbers.start, numbers.stop, FILES_A_REQUEST):
        files = {f"{each}.png": file(each) for each in range(at, min(at + FILES_A_REQUEST, numbers.stop))}
        settled(alice, send_at_once(alice, collection, files))


# --- what they hold -----------------------------------------------------------------------------------------------------


def sample(site: Production) -> Sample:
    """Service -> processes, open files, threads and resident MiB, and the connections of PostgreSQL and Redis."""
    held: Sample = {
        name: _held([service.pid, *service.children()]) for name, service in site.services.items() if service.is_running()
    }
    held["postgres"]["connections"] = int(site.run(CONNECTIONS).splitlines()[-1])
    with redis.Redis(port=site.ports["redis"], password=site.secret("redis_password")) as asked:
        held["redis"]["connections"] = len(asked.client_list()) - 1
    return held


def _held(pids: Sequence[int]) -> dict[str, float]:
    return {
        "processes": len(pids),
        "files": sum(_entries(pid, "fd") for pid in pids),
        "threads": sum(_entries(pid, "task") for pid in pids),
        "memory_mib": round(sum(resident_mib(pid) for pid in pids), 1),
    }


def _entries(pid: int, what: str) -> int:
    """Of a folder of /proc's; 0 where the process has ended meanwhile."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/{what}").iterdir())
    except FileNotFoundError:
        return 0


def grown(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Of each service: the most of the warm rounds' first half, and of their second half, and whether that is flat."""
    warm = samples[WARM_AFTER:]
    first, last = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    found: dict[str, dict[str, Any]] = {}
    for name, held in samples[-1].items():
        most = {what: (max(each[name][what] for each in first), max(each[name][what] for each in last)) for what in held}
        flat = all(_is_flat(what, *two) for what, two in most.items())
        found[name] = {what: list(two) for what, two in most.items()} | {"flat": flat, "has_to_be": name in OURS}
    return found


def _is_flat(what: str, before: float, after: float) -> bool:
    if what == "memory_mib":
        return after <= before * (1 + MORE_MEMORY)
    more = {"files": MORE_FILES, "threads": MORE_THREADS, "connections": MORE_CONNECTIONS, "processes": 0}
    return after <= before + more[what]


def main() -> None:
    options = _options()
    where = {"machine": machine(), "versions": versions("granian", "django", "celery", "redis", "qdrant-client")}
    with running_production(UNCOUNTED) as site:
        measured = measure(site, options)
    write("flatness", where | {"settings": vars(options), "encoder": "fake", "index": "stand-in over REST"} | measured)
    if piled := [name for name, told in measured["grown"].items() if told["has_to_be"] and not told["flat"]]:
        raise SystemExit(f"not flat: {', '.join(piled)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flatness", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    if options.rounds < WARM_AFTER + 2:
        parser.error(f"--rounds: at least {WARM_AFTER + 2}, since the first {WARM_AFTER} only warm up")
    return options


if __name__ == "__main__":
    main()
