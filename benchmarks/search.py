"""How fast, exact and large the vector index is: `python -m benchmarks.search [--points 100000 | 1000000]`.

The product (VectorIndex on Edge, through its public surface, under a scope that keeps 1, 10, 50 and 100 % of the points), the
engine's bare call, and beside them exact brute force in numpy (the limit of a scan), faiss, and qdrant-client's local mode. Every
store is opened and asked in a fresh process. benchmarks/search_data.py says what the archive looks like.

Local mode is measured on 20,000 points with the product beside it: at 100,000 it takes minutes to fill and a second to answer.
Writes benchmarks/results/search-100k.json or search-1m.json. Needs about 8 GB of disk and 5 GB of memory for a million points.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, versions, write

ROOT = Path(__file__).parents[1]
QUESTIONS = 200
FEW_POINTS = 20_000  # as many as local mode is asked to hold
MOST_FOR_FAISS_GRAPH = 200_000  # above, building it takes longer than all the rest
Numbers = dict[str, Any]

# points -> what is asked of the product at every scope
TARGETS = {
    100_000: {"p95 ms": 3.0, "recall@10": 0.98, "RSS MiB": 450, "ingest points/s": 5_000},
    1_000_000: {"p95 ms": 25.0, "recall@10": 0.97, "RSS MiB": 3_072, "ingest points/s": 5_000},
}


def main() -> None:
    asked = _arguments()
    with _folder(asked.folder) as folder:
        report: Numbers = {
            "machine": machine(),
            "versions": versions("qdrant-edge-py", "qdrant-client", "faiss-cpu", "numpy"),
            "command": " ".join(["python -m benchmarks.search", *sys.argv[1:]]),
            "points": asked.points,
            "graph": not asked.no_graph,
        }
        stores = measure(folder / "archive", asked.points, _stores(asked.points, asked))
        product = stores.pop("product without graph") if asked.no_graph else stores.pop("product")
        report["stores"] = {"product": product, **stores}
        report["product"] = {name: product.pop(name) for name in ("beside", "threads")}
        if not asked.quick and asked.points > FEW_POINTS:
            few = measure(folder / "few", FEW_POINTS, ["product", "local mode"])
            few["product"].pop("beside")
            report[f"stores at {FEW_POINTS} points"] = few
        report["ratios"] = ratios(report)
        report["targets"] = against_targets(report, TARGETS.get(asked.points, {}))
    report["machine"]["load_after"] = [round(load, 2) for load in os.getloadavg()]
    write(f"search-{_label(asked.points)}{'-quick' if asked.quick else ''}", report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--no-graph", action="store_true", help="the product with EdgeSettings(graph=False)")
    parser.add_argument("--quick", action="store_true", help="only the product and numpy")
    parser.add_argument(
        "--folder", type=Path, help="for archive and stores; a run that was cut off goes on from what it finds here"
    )
    return parser.parse_args()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """A given folder is emptied only by a run that ends: what a cut-off one has measured is kept."""
    if given is None:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)
        return
    given.mkdir(parents=True, exist_ok=True)
    yield given
    shutil.rmtree(given)


def _stores(points: int, asked: argparse.Namespace) -> list[str]:
    product = "product without graph" if asked.no_graph else "product"
    if asked.quick:
        return [product, "numpy"]
    graph = ["faiss HNSW"] if points <= MOST_FOR_FAISS_GRAPH else []
    return [product, "numpy", "faiss flat", "faiss float16", *graph]


def _label(points: int) -> str:
    return f"{points // 1_000_000}m" if points % 1_000_000 == 0 else f"{points // 1_000}k"


# --- running -------------------------------------------------------------------------------------------------------------


def measure(archive: Path, points: int, names: list[str]) -> dict[str, Numbers]:
    """Every store by name: what filling it and asking it gave."""
    archive.mkdir(exist_ok=True)
    _step(archive, "archive", "benchmarks.search_data", str(archive), str(points), str(QUESTIONS))
    found = {name: _measured(name, archive, archive / name.replace(" ", "-")) for name in names}
    shutil.rmtree(archive)
    return found


def _measured(name: str, archive: Path, folder: Path) -> Numbers:
    """In the order of the steps; the store's folder goes with the last one, its results stay beside it."""
    places = (str(archive), str(folder))
    if not (archive / f"{folder.name}-build.json").exists():
        shutil.rmtree(folder, ignore_errors=True)  # half of a store, from a run that was cut off
        folder.mkdir()
    told: Numbers = _step(archive, f"{folder.name}-build", "benchmarks.search_stores", name, "build", *places)
    told |= _step(archive, f"{folder.name}-ask", "benchmarks.search_stores", name, "ask", *places)
    if name.startswith("product"):
        told["beside"] = _step(archive, f"{folder.name}-beside", "benchmarks.search_product", "beside", name, *places)
        told["threads"] = _step(archive, f"{folder.name}-threads", "benchmarks.search_product", "threads", name, *places)
    shutil.rmtree(folder, ignore_errors=True)
    return told


def _step(archive: Path, step: str, module: str, *arguments: str) -> Any:
    """What a process printed; read back where an earlier run got so far."""
    file = archive / f"{step}.json"
    if not file.exists():
        start = time.monotonic()
        done = subprocess.run([sys.executable, "-m", module, *arguments], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        print(f"{step}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        file.write_text(done.stdout or "null")
    return json.loads(file.read_text())


# --- reading -------------------------------------------------------------------------------------------------------------


def ratios(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """How many times as long as the product every other store takes at p50, per scope."""
    found = _times_as_long(report["stores"])
    for name, stores in report.items():
        if name.startswith("stores at"):
            found |= {f"{store}{name.removeprefix('stores')}": one for store, one in _times_as_long(stores).items()}
    return found


def _times_as_long(stores: Mapping[str, Numbers]) -> dict[str, dict[str, float]]:
    ours = stores["product"]["scope keeps"]
    return {
        name: {share: round(one["p50 ms"] / ours[share]["p50 ms"], 2) for share, one in store["scope keeps"].items()}
        for name, store in stores.items()
        if name != "product"
    }


def against_targets(report: Mapping[str, Any], targets: Mapping[str, float]) -> dict[str, Numbers]:
    """The worst scope against each target."""
    product = report["stores"]["product"]
    scopes = product["scope keeps"].values()
    worst = {
        "p95 ms": max(one["p95 ms"] for one in scopes),
        "recall@10": min(one["recall@10"] for one in scopes),
        "RSS MiB": product["RSS MiB"],
        "ingest points/s": product["ingest points/s"],
    }
    at_least = ("recall@10", "ingest points/s")
    return {
        name: {
            "target": limit,
            "measured": worst[name],
            "met": worst[name] >= limit if name in at_least else worst[name] <= limit,
        }
        for name, limit in targets.items()
    }


if __name__ == "__main__":
    main()
