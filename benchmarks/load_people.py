"""People for locust, which benchmarks/load.py starts: some who search and look at what they find, and one who asks without end.

What was answered is written to LOAD_RESULTS as JSON: kind of request -> [[seconds, status], …]. LOAD_SESSIONS names a file with
session cookies, one a person; the last one is the abuser's.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any

from locust import HttpUser, constant, events, task

SESSIONS: list[str] = json.loads(Path(os.environ["LOAD_SESSIONS"]).read_text(encoding="utf-8"))
THINKS_S = (float(os.environ["LOAD_THINKS_FROM_S"]), float(os.environ["LOAD_THINKS_TO_S"]))
COLOURS = ("pink", "brown", "purple", "blue", "white", "red", "violet", "grey")
THINGS = ("glands", "nuclei", "stroma", "necrosis", "lymphocytes", "mucin", "keratin", "vessels", "crypts", "fat")
NUMBERS = count()
ANSWERS: dict[str, list[tuple[float, int]]] = defaultdict(list)


@events.request.add_listener
def note(name: str, response_time: float, response: Any, exception: Any, **_: Any) -> None:
    """Status 0: the connection failed."""
    status = getattr(response, "status_code", 0) or 0
    ANSWERS[name].append((round(response_time / 1000, 4), 0 if exception is not None and not status else status))


@events.quitting.add_listener
def write(**_: Any) -> None:
    Path(os.environ["LOAD_RESULTS"]).write_text(json.dumps(ANSWERS), encoding="utf-8")


class Visitor(HttpUser):
    """With a session of its own, in a browser that trusts the site's certificate."""

    abstract = True

    def on_start(self) -> None:
        self.client.verify = os.environ["LOAD_CERTIFICATE"]
        self.client.cookies.set(os.environ["LOAD_COOKIE"], self.session(), domain=os.environ["LOAD_DOMAIN"])

    def session(self) -> str:
        raise NotImplementedError

    def search(self, name: str) -> str:
        words = f"{random.choice(COLOURS)} {random.choice(THINGS)} {random.randrange(40)}"
        with self.client.get("/", params={"q": words}, name=name, catch_response=True) as answer:
            answer.success()  # whatever the status: it is counted by note()
            return str(answer.text or "")


class Searcher(Visitor):
    """Searches, thinks, and at times opens what was found."""

    weight = 1

    def session(self) -> str:
        return SESSIONS[next(NUMBERS) % (len(SESSIONS) - 1)]

    def wait_time(self) -> float:
        return random.uniform(*THINKS_S)

    @task(4)
    def look_for_something(self) -> None:
        self.search("search")

    @task(1)
    def open_what_was_found(self) -> None:
        page = self.search("search")
        if found := re.findall(r'href="(/images/[-0-9a-f]+)', page):
            with self.client.get(random.choice(found), name="image", catch_response=True) as answer:
                answer.success()


class Abuser(Visitor):
    """Asks again as soon as it is answered."""

    fixed_count = int(os.environ.get("LOAD_ABUSERS", "0"))
    wait_time = constant(0)

    def session(self) -> str:
        return SESSIONS[-1]

    @task
    def ask(self) -> None:
        self.search("abuse")


if not Abuser.fixed_count:
    del Abuser
