"""One file of gigabytes through tus, with a broken connection and a killed site on its way: `python -m benchmarks.large_file`.

A zip of uncompressed TIFFs goes up in pieces of 8 MB, one after the other, as the upload page and `manage.py add` send it. The
connection breaks within a piece at two fifths, and the whole site is killed within another at four fifths; both times the sender
asks how much has arrived and goes on from there. Told are the bytes a second, what was sent twice, the memory, and how long it
takes until every image in it can be searched. Encoder: the fake one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tifffile

from benchmarks.bulk import TUS, Memory, settled
from benchmarks.machine import machine, versions, write
from tests.faults.site import Site, running_site

SIDE_PX = 5000  # 75 MB a member
PIECE_BYTES = 8_000_000
BROKEN_AT, KILLED_AT = 0.4, 0.8


def make(path: Path, gigabytes: float) -> int:
    """Members of the zip, which is at least so large. Their pixels are noise: nothing of it can be compressed on its way."""
    noise = np.random.default_rng(5).integers(60, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    members = int(gigabytes * 1e9 / noise.nbytes) + 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for number in range(members):
            one = Path(folder) / "one.tif"
            tifffile.imwrite(one, np.roll(noise, number, axis=1), photometric="rgb")
            archive.write(one, f"scanner/{number:03}.tif")
    return members


class Interrupted(Exception):
    """The sender stops in the middle of a piece."""


class Sending:
    """``sent``: bytes that left the sender, those that were sent twice among them."""

    def __init__(self, site: Site, address: str, path: Path) -> None:
        self._site, self._address, self._path = site, address, path
        self.sent = 0
        self.size = path.stat().st_size

    def send(self, *, until: float = 1.0, kill: bool = False) -> None:
        """What has not arrived, up to this share of the file: there the connection breaks, or the site dies."""
        with self._site.client() as client, self._path.open("rb") as file:
            at = self._offset(client)
            while at < self.size:
                file.seek(at)
                piece = file.read(PIECE_BYTES)
                broken = at + len(piece) > until * self.size
                headers = TUS | {"Upload-Offset": str(at), "Content-Length": str(len(piece))}
                content = self._half(piece, kill=kill) if broken else piece
                self.sent += len(piece) // 2 if broken else len(piece)
                try:
                    answer = client.patch(self._absolute(), content=content, headers=headers, timeout=600.0)
                except (Interrupted, httpx.HTTPError):
                    assert broken, f"lost at {at}"
                    return
                assert answer.status_code == 204, (answer.status_code, answer.text[:300])
                at = int(answer.headers["Upload-Offset"])

    def _half(self, piece: bytes, *, kill: bool) -> Iterator[bytes]:
        yield piece[: len(piece) // 2]
        if kill:
            self._site.kill()
        raise Interrupted

    def _offset(self, client: httpx.Client) -> int:
        """As a client asks that goes on."""
        answer = client.head(self._absolute(), headers={"Tus-Resumable": "1.0.0"})
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["Upload-Offset"])

    def _absolute(self) -> str:
        return f"http://127.0.0.1:{self._site.port}{self._address}"


def announced(site: Site, size: int) -> tuple[str, str]:
    """(upload, where its one file goes to)"""
    made = site.command("shell", "-c", "from webapp.accounts.models import Team; Team.objects.get_or_create(name='Lab')")
    assert made.returncode == 0, made.stderr
    with site.client() as client:
        collection = client.post("/collections", json={"name": "Large", "team": "Lab"}).json()["id"]
        parts = {"files": ("files.json", json.dumps([["scanner.zip", size, ""]]).encode())}
        answer = client.post(f"/collections/{collection}/announce", files=parts)
    assert answer.status_code == 201, answer.text
    [item] = answer.json()["items"]
    return str(answer.json()["upload"]), str(item["address"])


def run(site: Site, path: Path, members: int) -> dict[str, Any]:
    """Raises AssertionError where anything is lost."""
    upload, address = announced(site, path.stat().st_size)
    sending, memory, start = Sending(site, address, path), Memory(site), time.monotonic()
    with memory.watched():
        sending.send(until=BROKEN_AT)
        sending.send(until=KILLED_AT, kill=True)
        site.start()
        sending.send()
        sent_s = time.monotonic() - start
        peak_sending_mib = memory.peak_mib
        receipt = settled(site, upload)
        total_s = time.monotonic() - start
    counts = {state: count for state, count in receipt["counts"].items() if count}
    assert counts.get("ready") == members, receipt["counts"]
    report = json.loads(site.command("verify", "--json").stdout)
    assert report["clean"], report
    return {
        "bytes": sending.size,
        "members": members,
        "counts": counts,
        "bytes_sent_twice": sending.sent - sending.size,
        "seconds_sending": round(sent_s, 1),
        "megabytes_per_s": round(sending.size / sent_s / 1e6, 1),
        "seconds_until_searchable": round(total_s, 1),
        "peak_mib_sending": round(peak_sending_mib),
        "peak_mib": round(memory.peak_mib),
        "peak_site_mib": round(memory.peak_site_mib),
        "verify_clean": True,
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--gb", type=float, default=5.0)
    asked.add_argument("--data", type=Path, default=None, help="where the zip and the site lie; a temporary folder by default")
    given = asked.parse_args()
    where = {"machine": machine(), "versions": versions("django", "pillow", "tifffile", "qdrant-edge-py", "waitress", "httpx")}
    with tempfile.TemporaryDirectory(prefix="conchive-large-", dir=given.data) as folder:
        path = Path(folder) / "scanner.zip"
        members = make(path, given.gb)
        with running_site(Path(folder) / "data") as site:
            measured = run(site, path, members)
    write("large-file", where | {"encoder": "fake"} | measured)


if __name__ == "__main__":
    main()
