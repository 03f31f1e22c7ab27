"""The product on Edge for benchmarks/search.py: VectorIndex through its public surface, what it adds to the engine, and threads.

`python -m benchmarks.search_product STEP PRODUCT ARCHIVE FOLDER` prints one JSON object; STEP is "beside" (other questions and
several callers, on an index that search_stores built) or "threads" (writers and readers, on an index of its own).
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search_data import SHARES, TOP, Archive, Floats, number_of, scope_of
from benchmarks.search_stores import BATCH, ROUNDS, Ask, memory_mib
from search import Ask as Question
from search import Filters, Keyword, Nearest, Schema, Scope, open_edge
from search.edge_models import request_of
from search.filters import Tree, tree_of
from search.index import Index
from search.plan import how_for
from search.queries import ByVector
from search.schema import EdgeSettings
from search.store import Search

FINGERPRINT = "0" * 64
FEW = 40  # questions where an answer may take long
CALLERS = 8
CALLING_S = 2.5
WRITTEN = 20_000  # points, by eight writers
WRITERS_BATCH = 100


class Product:
    """One index on Edge with the site's settings, or without a graph."""

    def __init__(self, *, graph: bool = True) -> None:
        self._graph = graph

    def build(self, archive: Archive, folder: Path) -> dict[str, Any]:
        with opened(folder, graph=self._graph) as index:
            taken = np.array([_upsert(index, archive, first) for first in range(0, len(archive.vectors), BATCH)])
            wall_s, processor_s = taken.sum(axis=0)
            unindexed = {f"{share} %": _plain(index, archive, share, archive.queries[:FEW]) for share in SHARES}
            report = index.optimise(force=True)
            return {
                "ingest points/s": len(archive.vectors) / wall_s,
                "ingest points a processor second": len(archive.vectors) / processor_s,
                "before optimise()": unindexed,
                "optimise s": report.took_s,
                "unindexed after": report.unindexed_after,
                "while building": memory_mib(),
            }

    def open(self, archive: Archive, folder: Path) -> Ask:
        index = opened(folder, graph=self._graph)
        scopes = {share: scope_of(archive.scopes[share]) for share in SHARES}

        def ask(vector: Floats, share: int) -> list[int]:
            return [number_of(hit.id) for hit in index.query(Nearest(vector), scope=scopes[share], limit=TOP)]

        return ask


def opened(folder: Path, *, graph: bool) -> Index:
    index = open_edge(folder / "edge", settings=EdgeSettings(graph=graph))
    index.ensure(Schema(fingerprint=FINGERPRINT))
    return index


def _upsert(index: Index, archive: Archive, first: int) -> tuple[float, float]:
    """Seconds and processor seconds of one upsert. Making the points is the caller's work and not counted."""
    points = archive.points(first, min(first + BATCH, len(archive.vectors)))
    start, processor = time.perf_counter(), time.process_time()
    index.upsert(points)
    return time.perf_counter() - start, time.process_time() - processor


# --- other questions -----------------------------------------------------------------------------------------------------


def beside(archive: Archive, folder: Path, *, graph: bool) -> dict[str, Any]:
    with opened(folder, graph=graph) as index:
        return {
            "adapter": {f"{share} %": overhead(index, archive, share) for share in SHARES},
            "fifty hits": {f"{share} %": _plain(index, archive, share, archive.queries, limit=50) for share in SHARES},
            "other questions, scope keeps 10 %": other_questions(index, archive, 10),
            "other questions, scope keeps 50 %": other_questions(index, archive, 50),
            f"{CALLERS} callers": {f"{share} %": callers(index, archive, share) for share in SHARES},
        }


def overhead(index: Index, archive: Archive, share: int) -> dict[str, float | bool]:
    """The product and the engine's own call, in turn in one process; the engine's requests are made beforehand."""
    scope = scope_of(archive.scopes[share])
    engine = index._store.engine(index.describe().name)
    tree = tree_of(scope, Filters())
    how = how_for(kept=engine.count(tree, exact=False), points=engine.count(Tree(), exact=False))
    asked = [request_of(Search(form=ByVector(row), tree=tree, limit=TOP, how=how), EdgeSettings()) for row in archive.queries]
    requests = iter(asked * (ROUNDS + 1))
    ours, bare = _medians_ms(
        [
            lambda row: index.query(Nearest(row), scope=scope, limit=TOP),
            lambda _: engine._shard.query(next(requests)),  # type: ignore[attr-defined]
        ],
        archive.queries,
    )
    added = ours - bare
    return {"p50 ms": ours, "engine p50 ms": bare, "added ms": added, "within its limit": added <= max(0.3, 0.2 * bare)}


def other_questions(index: Index, archive: Archive, share: int) -> dict[str, dict[str, float]]:
    """What a page asks: with a filter, grouped by image and by case, diverse, and everything at once."""
    scope = scope_of(archive.scopes[share])
    stained = Filters(keywords=(Keyword(field="stain", any_of=("HE",)),), has_caption=True)
    ways: dict[str, Callable[[Floats], object]] = {
        "filtered by stain and caption": lambda row: index.query(Nearest(row), scope=scope, filters=stained),
        "one hit an image": lambda row: index.query(Nearest(row), scope=scope, group_by="image", limit=20),
        "one hit a case": lambda row: index.query(Nearest(row), scope=scope, group_by="case", limit=20),
        "diverse": lambda row: index.query(Nearest(row), scope=scope, diversity=0.3, limit=20),
        "first page of 50": lambda row: index.page(Nearest(row), scope=scope, size=50),
    }
    return {name: _milliseconds(way, archive.queries[:FEW]) for name, way in ways.items()}


def _plain(index: Index, archive: Archive, share: int, rows: Floats, *, limit: int = TOP) -> dict[str, float]:
    scope = scope_of(archive.scopes[share])
    return _milliseconds(lambda row: index.query(Nearest(row), scope=scope, limit=limit), rows)


def _milliseconds(way: Callable[[Floats], object], rows: Floats) -> dict[str, float]:
    seconds = [_seconds(way, row) for row in [*rows[:10], *rows]][10:]
    return {"p50 ms": 1e3 * float(np.percentile(seconds, 50)), "p95 ms": 1e3 * float(np.percentile(seconds, 95))}


def _medians_ms(ways: Sequence[Callable[[Floats], object]], rows: Floats) -> list[float]:
    """Medians of ways that take turns at every question; the first round is not counted.

    Which way goes first changes from question to question: the second finds the vectors it needs in the cache.
    """
    taken = np.zeros((ROUNDS + 1, len(rows), len(ways)))
    for turn, number in np.ndindex(taken.shape[:2]):
        for step in range(len(ways)):
            which = (turn + number + step) % len(ways)
            taken[turn, number, which] = _seconds(ways[which], rows[number])
    return [1e3 * float(one) for one in np.median(taken[1:], axis=(0, 1))]


def _seconds(way: Callable[[Floats], object], row: Floats) -> float:
    start = time.perf_counter()
    way(row)
    return time.perf_counter() - start


# --- several threads -----------------------------------------------------------------------------------------------------


def callers(index: Index, archive: Archive, share: int) -> dict[str, float]:
    """Questions/s of one thread, of eight, and of one that asks eight at a time."""
    scope = scope_of(archive.scopes[share])
    rows = archive.queries

    def alone(number: int) -> int:
        index.query(Nearest(rows[number % len(rows)]), scope=scope, limit=TOP)
        return 1

    def together(number: int) -> int:
        chosen = [rows[(number + step) % len(rows)] for step in range(CALLERS)]
        index.query_batch([Question(query=Nearest(row), limit=TOP) for row in chosen], scope=scope)
        return CALLERS

    one, eight, batch = (_rate(alone, threads=1), _rate(alone, threads=CALLERS), _rate(together, threads=1))
    return {"one, questions/s": one, "eight, questions/s": eight, "gain": eight / one, "one in batches, questions/s": batch}


def _rate(ask: Callable[[int], int], *, threads: int) -> float:
    end = time.monotonic() + CALLING_S

    def go_on(first: int) -> int:
        done, number = 0, 17 * first
        while time.monotonic() < end:
            done += ask(number)
            number += 1
        return done

    start = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        answered = sum(pool.map(go_on, range(threads)))
    return answered / (time.monotonic() - start)


def threads(archive: Archive, folder: Path, *, graph: bool) -> dict[str, Any]:
    """Eight writers and eight readers at once: what was lost, what failed. Errors end the run: result() raises them."""
    written = min(WRITTEN, len(archive.vectors))
    starts = range(0, written, WRITERS_BATCH)
    done = threading.Event()
    fresh = folder / "threads"
    shutil.rmtree(fresh, ignore_errors=True)
    with opened(fresh, graph=graph) as index, ThreadPoolExecutor(2 * CALLERS) as pool:
        start = time.perf_counter()
        readers = [pool.submit(_read_until, done, index, archive, number) for number in range(CALLERS)]
        writers = [pool.submit(_write, index, archive, starts[number::CALLERS]) for number in range(CALLERS)]
        try:
            for writer in writers:
                writer.result()
        finally:
            taken_s = time.perf_counter() - start
            done.set()
        read = sum(reader.result() for reader in readers)
        kept = {number_of(point.id) for batch in index.scroll_all(scope=Scope.everything()) for point in batch.points}
    lost = len(set(range(starts[-1] + WRITERS_BATCH)) - kept)
    shutil.rmtree(fresh)
    return {"written": written, "lost": lost, "questions answered": read, "errors": 0, "points/s": written / taken_s}


def _write(index: Index, archive: Archive, starts: Iterable[int]) -> None:
    for first in starts:
        index.upsert(archive.points(first, first + WRITERS_BATCH))


def _read_until(done: threading.Event, index: Index, archive: Archive, number: int) -> int:
    scope, read = scope_of(archive.scopes[50]), 0
    while not done.is_set():
        index.query(Nearest(archive.queries[(read + number) % len(archive.queries)]), scope=scope, limit=TOP)
        read += 1
    return read


def main(step: str, product: str, archive_folder: str, folder: str) -> None:
    run = {"beside": beside, "threads": threads}[step]
    print(json.dumps(run(Archive(Path(archive_folder)), Path(folder), graph=product == "product")))


if __name__ == "__main__":
    main(*sys.argv[1:])
