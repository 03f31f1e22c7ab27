"""Text search over HTTP on a large archive, and how small the web process is: `python -m benchmarks.serve`.

An archive of --regions synthetic regions (rows, stored vectors, index) is made in a folder of its own, or found in --archive;
`manage.py up` serves it in one process with --encoder. Every query's words are new, so each is encoded. The web process of
production mode is measured apart: no torch, no engine in process, Redis and Qdrant by their clients.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.machine import machine, versions, write

ROOT = Path(__file__).parents[1]
PORT = 8199
STARTS_WITHIN_S = 180.0
PLACES = ("colon", "lung", "kidney", "liver", "skin", "breast", "prostate", "thyroid", "stomach", "brain", "spleen", "ovary")
SIGHTS = (
    "glands",
    "brown nuclei",
    "fat cells",
    "necrosis",
    "lymphocytes",
    "mucin",
    "keratin",
    "blood vessels",
    "collagen",
    "crypts",
)
WAYS = ("in {}", "of the {}", "near {}", "from {}", "without {}")


def main() -> None:
    options = _options()
    with _archive(options.archive) as data:
        environment = _environment(data, options.encoder)
        made_s = 0.0 if (data / "conchive.sqlite3").exists() else _timed(lambda: _make(options.regions, environment))
        with _serving(environment) as (process, token):
            served = measure(process.pid, token, queries=options.queries)
        report = {
            "machine": machine(),
            "versions": versions("django", "django-ninja", "waitress", "qdrant-edge-py", "torch"),
            "settings": {"regions": options.regions, "encoder": options.encoder, "queries": options.queries, "made_s": made_s},
            "embedded": served,
            "production_web": web_process(data),
        }
    write("serve", report)


@contextmanager
def _archive(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _make(regions: int, environment: Mapping[str, str]) -> None:
    _python(f"from benchmarks import serve_archive; serve_archive.make({regions})", environment)


def measure(pid: int, token: str, *, queries: int) -> dict[str, Any]:
    """Milliseconds of requests one after the other, and of four people at once."""
    texts = [f"{sight} {way.format(place)}" for place, sight, way in product(PLACES, SIGHTS, WAYS)]
    np.random.default_rng(0).shuffle(texts)
    warm, alone, together = texts[:20], texts[20 : 20 + queries], texts[20 + queries :][: 2 * queries]
    ask(warm, token)
    return {
        "resident_mb_before": _resident_mb(pid),
        "one_at_a_time": _summary(ask(alone, token)),
        "the_same_again": _summary(ask(alone, token)),
        "four_at_once": _summary(_at_once(together, token, people=4)),
        "resident_mb_after": _resident_mb(pid),
    }


def ask(texts: list[str], token: str) -> list[float]:
    """Seconds of each search, over one connection. Raises RuntimeError for an answer without hits: it would flatter."""
    connection, seconds = http.client.HTTPConnection("127.0.0.1", PORT), []
    for text in texts:
        start = time.perf_counter()
        connection.request("GET", f"/api/v1/search?text={quote(text)}", headers={"Authorization": f"Bearer {token}"})
        told = json.loads(connection.getresponse().read())
        seconds.append(time.perf_counter() - start)
        if len(told.get("hits", ())) != 60:
            raise RuntimeError(f"a search was not answered with a full page: {str(told)[:200]}")
    connection.close()
    return seconds


def web_process(data: Path) -> dict[str, Any]:
    """Resident memory of a web process in production mode after it has served pages, and whether it has loaded torch."""
    told = _python("from benchmarks import serve_web; serve_web.main()", _environment(data, "mini") | {
        "CONCHIVE_EMBEDDED": "false",
        "REDIS_URL": os.environ.get("REDIS_URL", "redis://127.0.0.1:1"),
        "QDRANT_URL": os.environ.get("QDRANT_URL", "http://127.0.0.1:1"),
        "SECRET_KEY": "benchmark " * 6,
        "ALLOWED_HOSTS": "testserver",
        "HTTPS": "false",
    })  # fmt: skip
    measured: dict[str, Any] = json.loads(told.strip().splitlines()[-1])
    return measured


# --- processes --------------------------------------------------------------------------------------------------------


def _environment(data: Path, encoder: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "QDRANT_URL", "DATABASE_URL")}
    return kept | {
        "CONCHIVE_DATA": str(data),
        "CONCHIVE_ENCODER": encoder,
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }


def _python(program: str, environment: Mapping[str, str]) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return ran.stdout


@contextmanager
def _serving(environment: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "manage.py", "up", "--listen", f"127.0.0.1:{PORT}"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process, _token_when_ready(Path(environment["CONCHIVE_DATA"]), process)
        finally:
            process.terminate()


def _token_when_ready(data: Path, process: subprocess.Popen[bytes]) -> str:
    """The API token of `up`, once its encoder is loaded."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.5)
        try:
            token: str = json.loads((data / "server.json").read_text())["token"]
            connection = http.client.HTTPConnection("127.0.0.1", PORT)
            connection.request("GET", "/api/v1/status", headers={"Authorization": f"Bearer {token}"})
            if json.loads(connection.getresponse().read())["ok"]:
                return token
        except (OSError, ValueError, KeyError):
            continue
    raise RuntimeError("the site did not become ready")


def _at_once(texts: list[str], token: str, *, people: int) -> list[float]:
    seconds: list[float] = []
    threads = [
        threading.Thread(target=lambda some: seconds.extend(ask(some, token)), args=(texts[n::people],)) for n in range(people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def _summary(seconds: list[float]) -> dict[str, float]:
    milliseconds = 1000 * np.array(seconds)
    shares = {f"p{share}_ms": round(float(np.percentile(milliseconds, share)), 1) for share in (50, 95, 99)}
    return {"requests": len(seconds), **shares, "most_ms": round(float(milliseconds.max()), 1)}


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return round(int(kibibytes) / 1024, 1)


def _timed(run: Any) -> float:
    start = time.perf_counter()
    run()
    return round(time.perf_counter() - start, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--regions", type=int, default=100_000)
    parser.add_argument("--encoder", default="mini", choices=["mini", "fake"])
    parser.add_argument("--queries", type=int, default=180)
    parser.add_argument("--archive", type=Path, help="made here and kept, or used again; a temporary one by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
