"""Ten thousand files through tus while everything dies: `python -m benchmarks.bulk`.

Small pictures go up four at a time to a site in a process of its own, with the fake encoder. One in a hundred is corrupt, two in
a hundred repeat another; the sender is closed twice in the middle of its requests and goes on by asking what is missing, and the
whole site with its worker is killed twice. The receipt must add up exactly, and `verify` must find nothing.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from PIL import Image as Pictures

from benchmarks.machine import machine, resident_mib, versions, write
from tests.faults.site import Site, running_site

LANES = 4
CORRUPT_ONE_IN, REPEATED_ONE_IN = 100, 50
IN_PIECES_ONE_IN, PIECE_BYTES = 20, 8_000
PATIENCE_S = 300.0  # for a site that was killed to take files again
LOOK_EVERY_S = 2.0
SAMPLE_EVERY_S = 0.25
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


class Closed(Exception):
    """The sender was closed in the middle of what it did."""


# --- files --------------------------------------------------------------------------------------------------------------


def is_corrupt(number: int) -> bool:
    return number % CORRUPT_ONE_IN == 7


def is_repeated(number: int) -> bool:
    return number % REPEATED_ONE_IN == 23


def file(number: int) -> bytes:
    """A picture of 128 pixels, other for every number; what repeats another repeats the one before it."""
    if is_repeated(number):
        return file(number - 1)
    dice = random.Random(number)
    tones = bytes(dice.randrange(120, 256) for _ in range(16 * 16 * 3))
    drawn = Pictures.frombytes("RGB", (16, 16), tones).resize((128, 128), Pictures.Resampling.BICUBIC)
    packed = io.BytesIO()
    drawn.save(packed, "PNG")
    data = packed.getvalue()
    return data[: len(data) // 2] if is_corrupt(number) else data


def expected(n: int) -> dict[str, int]:
    """What a receipt of so many files says."""
    told = Counter("failed" if is_corrupt(each) else "duplicate" if is_repeated(each) else "ready" for each in range(n))
    return dict(told)


# --- sending ------------------------------------------------------------------------------------------------------------


class Sender:
    """Sends what is missing of an upload, over and over, until nothing is; or until it is closed."""

    def __init__(self, site: Site, upload: str) -> None:
        self._site, self._upload = site, upload
        self._closed = threading.Event()
        self.sent = 0
        self.connections_lost = 0

    def close(self) -> None:
        self._closed.set()

    def run(self) -> bool:
        """False where it was closed before it was through."""
        while not self._closed.is_set():
            missing = self._missing()
            if not missing:
                return True
            with ThreadPoolExecutor(LANES) as lanes:
                list(lanes.map(self._lane, [missing[lane::LANES] for lane in range(LANES)]))
        return False

    def _missing(self) -> list[dict[str, Any]]:
        """As a page asks after it was loaded anew."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                with self._site.client() as client:
                    answer = client.get(f"/uploads/{self._upload}/pending")
                if answer.status_code == 200:
                    return list(answer.json()["items"])
            except httpx.HTTPError:
                self.connections_lost += 1
            time.sleep(0.2)
        raise AssertionError("the site does not say what is missing")

    def _lane(self, items: Sequence[dict[str, Any]]) -> None:
        client = self._site.client()
        try:
            for item in items:
                client = self._send(client, item)
        except Closed:
            return
        finally:
            client.close()

    def _send(self, client: httpx.Client, item: dict[str, Any]) -> httpx.Client:
        """The client that is to be gone on with: after a restart of the site it has another token. Raises Closed."""
        number = int(Path(item["name"]).stem)
        data, at = file(number), int(item["offset"])
        step = PIECE_BYTES if number % IN_PIECES_ONE_IN == 0 else len(data)
        until = time.monotonic() + PATIENCE_S
        while at < len(data):
            if time.monotonic() > until:
                raise AssertionError(f"{item['name']} was never taken")
            try:
                at = self._piece(client, item["address"], data, at, step)
            except httpx.HTTPError:
                self.connections_lost += 1
                time.sleep(0.2)
                client.close()
                client, at = self._again(item["address"], at)
        self.sent += 1
        return client

    def _piece(self, client: httpx.Client, address: str, data: bytes, at: int, step: int) -> int:
        """Where to go on. Raises httpx.HTTPError."""
        piece = data[at : at + step]
        headers = TUS | {"Upload-Offset": str(at), "Content-Length": str(len(piece))}
        answer = client.patch(self._absolute(address), content=self._until_closed(piece), headers=headers)
        if answer.status_code in (204, 409):
            return int(answer.headers["Upload-Offset"])
        if answer.status_code in (401, 423, 503):  # a token of before the restart, another connection, an outage
            raise httpx.HTTPError(str(answer.status_code))
        raise AssertionError(f"{answer.status_code}: {answer.text[:300]}")

    def _absolute(self, address: str) -> str:
        return f"http://127.0.0.1:{self._site.port}{address}"

    def _until_closed(self, piece: bytes) -> Iterator[bytes]:
        """In two halves: a sender that is closed leaves the second one unsent, and the connection breaks."""
        yield piece[: len(piece) // 2]
        if self._closed.is_set():
            raise Closed
        yield piece[len(piece) // 2 :]

    def _again(self, address: str, at: int) -> tuple[httpx.Client, int]:
        client = self._site.client()
        try:
            answer = client.head(self._absolute(address), headers={"Tus-Resumable": "1.0.0"})
        except httpx.HTTPError:
            return client, at
        return client, int(answer.headers.get("Upload-Offset", at)) if answer.status_code == 200 else at


# --- what happens meanwhile ---------------------------------------------------------------------------------------------


class Memory:
    """The most that the site's process and its decoders have held together, over all its lives."""

    def __init__(self, site: Site) -> None:
        self._site, self._over = site, threading.Event()
        self.peak_mib = self.peak_site_mib = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        watching = threading.Thread(target=self._watch)
        watching.start()
        try:
            yield
        finally:
            self._over.set()
            watching.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            if self._site.process is not None:
                held = [resident_mib(pid) for pid in family(self._site.process.pid)]
                self.peak_mib = max(self.peak_mib, sum(held))
                self.peak_site_mib = max(self.peak_site_mib, held[0])


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for each in found:
        for thread in Path(f"/proc/{each}/task").glob("*/children"):  # a child is listed below the thread that made it
            with suppress(OSError):
                found += map(int, thread.read_text().split())
    return found


def run(site: Site, n: int, *, closings: int = 2, kills: int = 2) -> dict[str, Any]:
    """Sends ``n`` files under fire; returns what was measured. Raises AssertionError where the receipt does not add up."""
    upload = _announced(site, n)
    memory, start = Memory(site), time.monotonic()
    with memory.watched():
        sent_s, lost, done_kills = _sent_under_fire(site, upload, n, closings, kills)
        receipt = settled(site, upload)
        total_s = time.monotonic() - start
    counts = {state: count for state, count in receipt["counts"].items() if count}
    assert receipt["total"] == sum(receipt["counts"].values()) == n, receipt["counts"]
    assert counts == expected(n), (counts, expected(n))
    with site.client() as client:
        assert client.get("/status").json()["coverage"]["ready"] == counts["ready"]
    report = json.loads(site.command("verify", "--json").stdout)
    assert report["clean"], report
    return {
        "files": n,
        "counts": counts,
        "sender_closed": closings,
        "site_killed": done_kills,
        "connections_lost": lost,
        "seconds_sending": round(sent_s, 1),
        "seconds": round(total_s, 1),
        "images_per_s": round(n / total_s, 2),
        "peak_mib": round(memory.peak_mib),
        "peak_site_mib": round(memory.peak_site_mib),
        "verify_clean": True,
    }


def _announced(site: Site, n: int) -> str:
    made = site.command("shell", "-c", "from webapp.accounts.models import Team; Team.objects.get_or_create(name='Lab')")
    assert made.returncode == 0, made.stderr
    listed = json.dumps([[f"{number}.png", len(file(number)), ""] for number in range(n)])
    with site.client() as client:
        collection = client.post("/collections", json={"name": "In bulk", "team": "Lab"}).json()["id"]
        parts = {"files": ("files.json", listed.encode())}
        answer = client.post(f"/collections/{collection}/announce", files=parts, timeout=300.0)
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["items"]) == n
    return str(answer.json()["upload"])


def _sent_under_fire(site: Site, upload: str, n: int, closings: int, kills: int) -> tuple[float, int, int]:
    """(seconds, connections lost, kills). Closings and kills are spread over the files."""
    events = sorted(
        [((each + 1) / (closings + 1), "close") for each in range(closings)]
        + [((each + 0.5) / kills, "kill") for each in range(kills)]
    )
    start, sent, lost, killed = time.monotonic(), 0, 0, 0
    while True:
        sender = Sender(site, upload)
        sending = ThreadPoolExecutor(1).submit(sender.run)
        while not sending.done():
            if events and sent + sender.sent >= events[0][0] * n:
                _, event = events.pop(0)
                if event == "close":
                    sender.close()
                    break
                site.kill()
                site.start()
                killed += 1
            time.sleep(0.02)
        through = sending.result()
        sent, lost = sent + sender.sent, lost + sender.connections_lost
        if through:
            return time.monotonic() - start, lost, killed


def settled(site: Site, upload: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    changed, before = time.monotonic(), None
    while time.monotonic() - changed < PATIENCE_S:
        with site.client() as client:
            told = client.get(f"/uploads/{upload}", params={"size": 0}, timeout=120.0).json()
        if told["done"]:
            return told
        if told["counts"] != before:
            changed, before = time.monotonic(), told["counts"]
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"nothing moves any more: {told['counts']}\n{site.log.read_text()[-4000:]}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--files", type=int, default=10_000)
    asked.add_argument("--data", type=Path, default=None, help="where to make the data folder; a temporary one by default")
    asked.add_argument("--name", default="bulk", help="of the result")
    given = asked.parse_args()
    where = {"machine": machine(), "versions": versions("django", "celery", "pillow", "qdrant-edge-py", "waitress", "httpx")}
    with (
        tempfile.TemporaryDirectory(prefix="conchive-bulk-", dir=given.data) as folder,
        running_site(Path(folder) / "data") as site,
    ):
        measured = run(site, given.files)
    write(given.name, where | {"encoder": "fake", "lanes": LANES} | measured)


if __name__ == "__main__":
    main()
