"""One store, measured in a process of its own: `python -m benchmarks.search_stores STORE STEP ARCHIVE FOLDER` prints one JSON.

"build" fills the store in FOLDER from the archive, "ask" opens it and asks. Between the two the process ends, so that the memory
which "ask" reports is that of a store which was opened and asked, and of nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.search_data import DIM, SHARES, TOP, Archive, Floats, number_of, payload_of, point_id

BATCH = 1_000  # points of one upsert
WARM_UP = 20  # questions
ROUNDS = 5
PATIENCE_S = 6.0  # for one scope; slow stores are asked fewer questions, never fewer than WARM_UP

Ask = Callable[[Floats, int], list[int]]  # (vector, share) -> numbers of the ten best points


class Store(Protocol):
    def build(self, archive: Archive, folder: Path) -> dict[str, Any]: ...

    def open(self, archive: Archive, folder: Path) -> Ask: ...


class Numpy:
    """Exact scan of float32 rows, the limit of what a scan can be: rows in scope are gathered where that reads less."""

    def build(self, archive: Archive, folder: Path) -> dict[str, Any]:
        del archive, folder
        return {}

    def open(self, archive: Archive, folder: Path) -> Ask:
        del folder
        rows = np.load(archive.folder / "vectors.npy")
        inside = {share: np.flatnonzero(archive.mask(share)) for share in SHARES}
        outside = {share: ~archive.mask(share) for share in SHARES}

        def ask(vector: Floats, share: int) -> list[int]:
            if share <= 10:
                return [int(one) for one in inside[share][_best(rows[inside[share]] @ vector)]]
            scores = rows @ vector
            scores[outside[share]] = -np.inf
            return [int(one) for one in _best(scores)]

        return ask


class Faiss:
    """``recipe``: faiss's own description of an index. Scopes are bitmaps that it looks into while it scans or walks."""

    def __init__(self, recipe: str, *, walks: bool = False) -> None:
        self._recipe = recipe
        self._walks = walks

    def build(self, archive: Archive, folder: Path) -> dict[str, Any]:
        import faiss

        index = faiss.index_factory(DIM, self._recipe, faiss.METRIC_INNER_PRODUCT)
        start = time.perf_counter()
        for first in range(0, len(archive.vectors), 100_000):
            rows = np.array(archive.vectors[first : first + 100_000])
            if not index.is_trained:
                index.train(rows)
            index.add(rows)
        taken_s = time.perf_counter() - start
        faiss.write_index(index, str(folder / "faiss"))
        return {"ingest points/s": len(archive.vectors) / taken_s}

    def open(self, archive: Archive, folder: Path) -> Ask:
        import faiss as untyped  # its stubs lack what is used here

        faiss: Any = untyped
        index = faiss.read_index(str(folder / "faiss"))
        bits = {share: np.packbits(archive.mask(share), bitorder="little") for share in SHARES}
        kept = {share: faiss.IDSelectorBitmap(packed) for share, packed in bits.items()}
        options = {"efSearch": 128} if self._walks else {}
        kind = faiss.SearchParametersHNSW if self._walks else faiss.SearchParameters

        def ask(vector: Floats, share: int) -> list[int]:
            chosen = options if share == 100 else options | {"sel": kept[share]}
            return [int(one) for one in index.search(vector[None], TOP, params=kind(**chosen))[1][0]]

        return ask


class LocalMode:
    """qdrant-client's own in-process store: exact, in Python."""

    def build(self, archive: Archive, folder: Path) -> dict[str, Any]:
        from qdrant_client import QdrantClient, models

        from search.schema import to_stored

        client = QdrantClient(path=str(folder / "local"))
        client.create_collection("images", models.VectorParams(size=DIM, distance=models.Distance.COSINE))
        start = time.perf_counter()
        for first in range(0, len(archive.vectors), BATCH):
            rows = np.array(archive.vectors[first : first + BATCH])
            ids = range(first, first + len(rows))
            payloads = [to_stored(point_id(one), payload_of(one, int(archive.collections[one]))) for one in ids]
            client.upsert("images", models.Batch(ids=[point_id(one) for one in ids], vectors=rows.tolist(), payloads=payloads))
        taken_s = time.perf_counter() - start
        client.close()
        return {"ingest points/s": len(archive.vectors) / taken_s}

    def open(self, archive: Archive, folder: Path) -> Ask:
        from qdrant_client import QdrantClient, models

        from benchmarks.search_data import collection_id

        client = QdrantClient(path=str(folder / "local"))

        def ask(vector: Floats, share: int) -> list[int]:
            names = [collection_id(one) for one in archive.scopes[share]]
            scope = models.Filter(must=[models.FieldCondition(key="collection", match=models.MatchAny(any=names))])
            found = client.query_points("images", query=vector, query_filter=scope, limit=TOP).points
            return [number_of(str(point.id)) for point in found]

        return ask


class Answered(NamedTuple):
    """One scope: rounds of seconds per question, processor seconds of all, and the share of the true ten best that was found."""

    seconds: list[list[float]]
    processor_s: float
    recall: float

    def told(self) -> dict[str, float]:
        """Medians over the rounds, so that one disturbed round does not decide; and what a machine that others use cannot spoil:
        the quietest round, and processor time (of all threads; waiting for a core is not in it).
        """
        milliseconds = [1e3 * np.array(one) for one in self.seconds]
        return {
            "p50 ms": float(np.median([np.percentile(one, 50) for one in milliseconds])),
            "p95 ms": float(np.median([np.percentile(one, 95) for one in milliseconds])),
            "p95 ms, quietest round": float(min(np.percentile(one, 95) for one in milliseconds)),
            "processor ms": 1e3 * self.processor_s / sum(map(len, self.seconds)),
            "recall@10": round(self.recall, 4),
            "asked": sum(map(len, self.seconds)),
        }


def asked(archive: Archive, ask: Ask, share: int) -> Answered:
    """Asks every question in every round, or for as long as patience lasts."""
    truth, found = archive.truth(share), []
    for vector in archive.queries[:WARM_UP]:
        ask(vector, share)
    end, processor = time.monotonic() + PATIENCE_S, time.process_time()
    rounds: list[list[float]] = []
    for number in range(ROUNDS):
        if number and time.monotonic() > end:
            break
        rounds.append([])
        for row, vector in enumerate(archive.queries):
            if len(rounds[-1]) >= WARM_UP and time.monotonic() > end:
                break
            start = time.perf_counter()
            best = ask(vector, share)
            rounds[-1].append(time.perf_counter() - start)
            if number == 0:
                found.append(len(set(best) & set(truth[row].tolist())) / TOP)
    return Answered(rounds, time.process_time() - processor, float(np.mean(found)))


def memory_mib() -> dict[str, int]:
    """Resident memory of this process: all of it, what only it has, and what is mapped from files and can be dropped."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    names = {"RSS MiB": "VmRSS", "of it private MiB": "RssAnon", "of it files MiB": "RssFile"}
    return {told: int(lines[name].split()[0]) // 1024 for told, name in names.items()}


def measure(store: Store, archive: Archive, folder: Path) -> dict[str, Any]:
    start = time.perf_counter()
    ask = store.open(archive, folder)
    told: dict[str, Any] = {"open s": time.perf_counter() - start}
    told["scope keeps"] = {f"{share} %": asked(archive, ask, share).told() for share in SHARES}
    return told | memory_mib()


def stores() -> dict[str, Store]:
    from benchmarks.search_product import Product

    return {
        "product": Product(),
        "product without graph": Product(graph=False),
        "numpy": Numpy(),
        "faiss flat": Faiss("Flat"),
        "faiss float16": Faiss("SQfp16"),
        "faiss HNSW": Faiss("HNSW16", walks=True),
        "local mode": LocalMode(),
    }


def main(name: str, step: str, archive_folder: str, folder: str) -> None:
    store, archive = stores()[name], Archive(Path(archive_folder))
    told = store.build(archive, Path(folder)) if step == "build" else measure(store, archive, Path(folder))
    told["disk MiB"] = sum(file.stat().st_blocks * 512 for file in Path(folder).rglob("*")) // 2**20
    print(json.dumps(told))


def _best(scores: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    top = np.argpartition(-scores, TOP)[:TOP]
    return top[np.argsort(-scores[top])]


if __name__ == "__main__":
    main(*sys.argv[1:])
