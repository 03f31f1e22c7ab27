"""A production site under load: `python -m benchmarks.load`.

The services of docker-compose.yml run natively (tests/services/production.py), with the fake encoder and a stand-in for Qdrant.
People search by pages over TLS: alone, beside an ingest of --images, and beside somebody who asks over --abusers connections
without a pause. Locust and the site share this machine's cores, so that the figures say what such a machine still manages.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bulk import file
from benchmarks.machine import machine, versions, write
from tests.services.production import HOST, Production, running_production
from tests.services.visitors import make_people, program, send_at_once, settled

ROOT = Path(__file__).resolve().parents[1]
LIKE_PRODUCTION = {"RATE_API": "", "RATE_UPLOAD": ""}  # of the ingest, which is one program; searches keep their rate
FILES_A_REQUEST, LANES = 25, 2
MAKE_SESSIONS = """
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from webapp.accounts.models import Membership, Role, Team, User
team, made = Team.objects.get(name="Team A"), []
for number in range({people} + 1):
    user = User.objects.create_user(f"person{{number}}", password=None)
    Membership.objects.create(user=user, team=team, role=Role.VIEWER)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]  # the first one only counts failures
    session.create()
    made.append(session.session_key)
print(json.dumps({{"cookie": settings.SESSION_COOKIE_NAME, "sessions": made}}))
"""


class Bench:
    def __init__(self, site: Production, options: argparse.Namespace) -> None:
        self.site, self.options = site, options
        self.collection = make_people(site)
        told = json.loads(site.run(MAKE_SESSIONS.format(people=options.people)).splitlines()[-1])
        self.cookie, self.sessions = told["cookie"], told["sessions"]
        self.program = program(site, "alice")

    def ingest(self, first: int, n: int) -> dict[str, float]:
        """Numbers ``first`` on, from two senders; seconds until they were taken, and until they were searchable."""
        start = time.monotonic()
        with ThreadPoolExecutor(LANES) as lanes:
            uploads = list(
                lanes.map(self._send, [range(at, at + FILES_A_REQUEST) for at in range(first, first + n, FILES_A_REQUEST)])
            )
        taken_s = time.monotonic() - start
        for upload in uploads:
            settled(self.program, upload, within_s=1800)
        total_s = time.monotonic() - start
        return {
            "images": n,
            "taken_s": round(taken_s, 1),
            "searchable_s": round(total_s, 1),
            "images_per_s": round(n / total_s, 1),
        }

    def _send(self, numbers: range) -> str:
        return send_at_once(self.program, self.collection, {f"{number}.png": file(number) for number in numbers})

    def people(self, *, seconds: float, abusers: int = 0, until: threading.Event | None = None) -> dict[str, Any]:
        """What they were answered within ``seconds``, or until the event, whichever is later."""
        with tempfile.TemporaryDirectory() as folder:
            sessions, results = Path(folder) / "sessions.json", Path(folder) / "results.json"
            sessions.write_text(json.dumps(self.sessions), encoding="utf-8")
            told = {
                "LOAD_SESSIONS": str(sessions), "LOAD_RESULTS": str(results), "LOAD_ABUSERS": str(abusers),
                "LOAD_CERTIFICATE": str(self.site.folder / "secrets" / "tls.crt"), "LOAD_COOKIE": self.cookie,
                "LOAD_DOMAIN": HOST if "." in HOST else f"{HOST}.local",
                "LOAD_THINKS_FROM_S": str(self.options.thinks_s[0]), "LOAD_THINKS_TO_S": str(self.options.thinks_s[1]),
            }  # fmt: skip
            asked = ["--headless", "--users", str(self.options.people + abusers), "--spawn-rate", "10", "--host", self.site.url]
            command = [sys.executable, "-m", "locust", "-f", str(ROOT / "benchmarks" / "load_people.py"), *asked]
            with subprocess.Popen(
                [*command, "--loglevel", "ERROR"], env=os.environ | told, cwd=ROOT, stdout=subprocess.DEVNULL
            ) as locust:
                time.sleep(seconds)
                if until is not None:
                    until.wait()
                locust.terminate()
                locust.wait(60)
            return {name: _summary(answers) for name, answers in json.loads(results.read_text(encoding="utf-8")).items()}


def _summary(answers: list[tuple[float, int]]) -> dict[str, Any]:
    seconds = np.array([taken for taken, status in answers if status == 200] or [np.nan])
    statuses = Counter(status for _, status in answers)
    return {
        "requests": len(answers),
        "p50_s": round(float(np.percentile(seconds, 50)), 3),
        "p95_s": round(float(np.percentile(seconds, 95)), 3),
        "most_s": round(float(seconds.max()), 3),
        "answers": {str(status): n for status, n in sorted(statuses.items())},
        "5xx_or_broken": sum(n for status, n in statuses.items() if status >= 500 or status == 0),
    }


def measure(site: Production, options: argparse.Namespace) -> dict[str, Any]:
    bench = Bench(site, options)
    before = bench.ingest(0, options.before)
    alone = bench.people(seconds=options.seconds)
    ended, ingest = threading.Event(), {}

    def add() -> None:
        try:
            ingest.update(bench.ingest(100_000, options.images))
        finally:
            ended.set()

    adding = threading.Thread(target=add)
    adding.start()
    beside = bench.people(seconds=options.seconds, until=ended)
    adding.join()
    abused = bench.people(seconds=options.seconds, abusers=options.abusers)
    return {
        "archive_before": before,
        "people_alone": alone,
        "people_beside_an_ingest": beside | {"ingest": ingest},
        "people_beside_an_abuser": abused,
        "p95_with_abuser_over_alone": round(abused["search"]["p95_s"] / alone["search"]["p95_s"], 2),
    }


def main() -> None:
    options = _options()
    where = {"machine": machine(), "versions": versions("locust", "granian", "django", "celery", "qdrant-client")}
    with running_production(LIKE_PRODUCTION) as site:
        measured = measure(site, options)
    write("load", where | {"settings": vars(options), "encoder": "fake", "index": "stand-in over REST"} | measured)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--images", type=int, default=2000, help="that come in while they search")
    parser.add_argument("--before", type=int, default=500, help="that are there before")
    parser.add_argument("--abusers", type=int, default=8, help="connections of one user who asks without a pause")
    parser.add_argument("--seconds", type=float, default=90.0, help="of each phase")
    parser.add_argument("--thinks-s", type=float, nargs=2, default=(5.0, 15.0), help="between two requests of a person")
    return parser.parse_args()


if __name__ == "__main__":
    main()
