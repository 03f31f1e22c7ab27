"""A client that writes down what it was promised while things break, and afterwards asks for every promise.

The invariants, from outside: (I1) what was answered with success is searchable exactly once or shown as failed with a reason,
(I2) nothing is there that was not, (I3) rows, files, vectors and index agree, (I4) the receipt adds up, (I5) one encoder's
vectors answer, (I6) an outsider sees nothing, (I7) all this by itself within five minutes, (I8) poison costs itself alone.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx

from tests.services.production import Production
from tests.services.visitors import make_people, program
from tests.webapp.conftest import picture

SETTLE_S = 300.0
ANSWERS_WITHIN_S = 120.0  # somebody who sends again and again
LANES = 4
PAGE = 200
MOST_FOUND = 1000  # of one search, page by page
SEEDS = count(1)  # no two ledgers send the same file
ENCODERS = """
import json
from webapp.library import index
from webapp import wiring
from webapp.library.models import Image, Region, State
ready = Image.objects.filter(state=State.READY)
live = index.live(wiring.get_image_index())
lacking = ready.exclude(regions__embeddings__fingerprint=live.fingerprint).count()
regions = Region.objects.filter(image__in=ready).count()
print(json.dumps({"lacking": lacking, "points": live.points, "regions": regions}))
"""


class Ledger:
    """One upload of ``n`` files, at most MOST_FOUND, by alice into a collection of its own. ``poison``: number -> bytes at the
    end of that file. ``may_fail``: reasons for which a file may be refused while something is broken.
    """

    def __init__(
        self,
        site: Production,
        clients: Clients,
        n: int,
        *,
        poison: dict[int, bytes] | None = None,
        may_fail: Sequence[str] = (),
    ) -> None:
        self.site, self.clients, self.poison = site, clients, poison or {}
        self.files = {f"{number}.png": self._file(number) for number in range(n)}
        self.may_fail = may_fail
        self.statuses: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.promised: dict[int, str] = {}
        self.ready: set[str] = set()
        self.collection = self.upload = ""
        self.left = 0
        self._items: list[dict[str, Any]] = []

    def _file(self, number: int) -> bytes:
        return picture("brown" if number % 2 else "pink", seed=next(SEEDS)) + self.poison.get(number, b"")

    # --- sending --------------------------------------------------------------------------------------------------------

    def announce(self) -> None:
        self.collection = self.clients.new_collection()
        files = [{"name": name, "bytes": len(data)} for name, data in self.files.items()]
        told = self._insist("POST", "/uploads", json={"collection": self.collection, "files": files}).json()
        self.upload, self._items = told["id"], told["items"]

    def send(self) -> None:
        """Every file, again and again until it is taken, as a person would."""
        if not self.upload:
            self.announce()
        with ThreadPoolExecutor(LANES) as lanes:
            list(lanes.map(self._send, self._items))

    @contextmanager
    def sending(self) -> Iterator[threading.Event]:
        """Sends in the background; the event is set when all has been taken."""
        self.announce()
        done = threading.Event()
        with ThreadPoolExecutor(1) as alone:
            sent = alone.submit(self.send)
            sent.add_done_callback(lambda _: done.set())
            yield done
            sent.result()

    def _send(self, item: dict[str, Any]) -> None:
        part = {"file": (item["name"], self.files[item["name"]])}
        answer = self._insist("POST", f"/uploads/{self.upload}/items/{item['id']}", files=part).json()
        self.promised[item["id"]] = str(answer["image"])

    def _insist(self, method: str, path: str, **told: Any) -> httpx.Response:
        until = time.monotonic() + ANSWERS_WITHIN_S
        while time.monotonic() < until:
            start = time.monotonic()
            try:
                answer = self.clients.alice.request(method, path, **told)
            except httpx.HTTPError as exc:
                self.statuses[type(exc).__name__] += 1
            else:
                self.statuses[str(answer.status_code)] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - start)
                if answer.is_success:
                    return answer
            time.sleep(0.2)
        raise AssertionError(f"{path} was never taken: {self.statuses}\n{self.site.logs()}")

    # --- asking for what was promised -------------------------------------------------------------------------------------

    def settle(self) -> float:
        """(I7) Seconds until nothing of it runs any more. Raises AssertionError after five minutes."""
        start = time.monotonic()
        told: dict[str, Any] = {}
        while time.monotonic() - start < SETTLE_S:
            try:
                answer = self.clients.alice.get(f"/uploads/{self.upload}", params={"size": 0})
                told = answer.json() if answer.is_success else told
            except httpx.HTTPError:
                pass
            if told.get("done"):
                return time.monotonic() - start
            time.sleep(0.5)
        raise AssertionError(f"still running after {SETTLE_S:.0f} s: {told.get('counts')}\n{self.site.logs()}")

    def check(self) -> dict[str, Any]:
        """Every invariant; what was measured. Raises AssertionError."""
        settled_s = self.settle()
        receipt = self._receipt()
        self._check_receipt(receipt)
        self.ready = {item["image"] for item in receipt["items"] if item["state"] == "ready"}
        refused_before = self.clients.refused_searches
        self._check_search()
        self._check_site()
        counts = {state: n for state, n in receipt["counts"].items() if n}
        return {
            "files": len(self.files), "counts": counts, "answers": dict(sorted(self.statuses.items())),
            "slowest_answer_s": round(self.slowest_s, 1), "settled_s": round(settled_s, 1),
            "files_left_without_row": self.left,
            "searches_asked_again": self.clients.refused_searches - refused_before,
        }  # fmt: skip

    def throw_away(self) -> None:
        """Into the trash, and out of the index: the stand-in for Qdrant looks at every point there is, and once there are some
        thousands what runs beside a search keeps it from answering in time.
        """
        job = self._insist("POST", f"/uploads/{self.upload}/trash").json()["id"]
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            if self._insist("GET", f"/jobs/{job}").json()["state"] == "done":
                return
            time.sleep(0.5)
        raise AssertionError(f"what was broken before is not thrown away\n{self.site.logs()}")

    def _receipt(self) -> dict[str, Any]:
        told: dict[str, Any] = self.clients.alice.get(f"/uploads/{self.upload}", params={"size": 1000}).json()
        return told

    def _check_receipt(self, receipt: dict[str, Any]) -> None:
        """(I1, I4, I8)"""
        items = receipt["items"]
        assert receipt["total"] == sum(receipt["counts"].values()) == len(items) == len(self.files), receipt["counts"]
        assert {item["id"]: str(item["image"]) for item in items} == self.promised
        for item in items:
            number = int(item["name"].removesuffix(".png"))
            if number in self.poison:
                assert (item["state"], item["reason"] != "") == ("failed", True), item
            else:
                assert item["state"] == "ready" or item["reason"] in self.may_fail, (item, self.statuses)

    def _check_search(self) -> None:
        """(I1, I2, I5, I6) Every image that is to be found, once, and no other; by an outsider none."""
        for words in ("pink", "brown"):
            found = list(self.clients.everything(words, self.collection))
            assert len(found) == len(set(found)), "an image was found twice"
            assert set(found) == self.ready, (len(found), len(self.ready))
        self.clients.check_outsider(sorted(self.ready)[:3])

    def _check_site(self) -> None:
        """(I3, I5)"""
        report = json.loads(self.site.manage("verify", "--json"))
        # what was cut off between a file and its row: told, and removed when somebody says so (webapp/library/ingest.py)
        self.left = report["counts"].pop("files_without_row")
        assert not any(report["counts"].values()), report
        if self.left:
            assert json.loads(self.site.manage("verify", "--repair", "--json"))["clean"]
        told = json.loads(self.site.run(ENCODERS).splitlines()[-1])
        assert told["lacking"] == 0
        assert told["points"] == told["regions"], told


class Clients:
    """alice's and charlie's programs."""

    def __init__(self, site: Production) -> None:
        make_people(site)
        self.alice, self.charlie = program(site, "alice"), program(site, "charlie")
        self._made = count(1)
        self.refused_searches = 0  # that had to be asked again

    def close(self) -> None:
        self.alice.close()
        self.charlie.close()

    def new_collection(self) -> str:
        told = {"name": f"Collection {next(self._made)}", "team": "Team A"}
        return str(self.alice.post("/collections", json=told).json()["id"])

    def everything(self, words: str, collection: str) -> Iterator[str]:
        """Ids of all that alice finds, page by page."""
        told: dict[str, Any] = {"text": words, "size": PAGE, "collection": collection, "every_image": True}
        while True:
            page = self._searched(told)
            yield from (str(hit["image"]) for hit in page["hits"])
            if page["next_cursor"] is None:
                return
            told["cursor"] = page["next_cursor"]

    def _searched(self, told: dict[str, Any]) -> dict[str, Any]:
        """An outage is said and never shown as an empty page, so asking again is right; how often it was, is counted. The
        stand-in for Qdrant may need longer than a search has, on a machine that does much else.
        """
        until = time.monotonic() + ANSWERS_WITHIN_S
        while True:
            answer = self.alice.get("/search", params=told)
            if answer.status_code != 503 or time.monotonic() > until:
                break
            self.refused_searches += 1
            time.sleep(1.0)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def check_outsider(self, images: Sequence[str]) -> None:
        """(I6)"""
        answer = self.charlie.get("/search", params={"text": "pink"})
        assert answer.status_code == 503 or answer.json()["hits"] == [], answer.text
        for image in images:
            assert self.charlie.get(f"/images/{image}").status_code == 404
