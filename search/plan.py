"""How an engine should look: along its graph, or through everything that the filter keeps.

A graph walk under a filter that keeps a tenth of the points, spread over several collections, loses its way: the links inside one
collection do not lead to the next. Measured at 100,000 × 512 with ten collections of a hundred in scope: recall@10 of the walk
0.13 in 1.5 ms, of an exact scan 1.00 in 0.9 ms; with twenty 0.69 and 1.00 (1.6 and 2.1 ms); with fifty 0.99 and 1.00
(1.5 and 5.3 ms). So the share that a filter keeps decides; the engine's estimate of it is asked once a minute.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING

from search.filters import Tree

if TYPE_CHECKING:
    from search.store import Engine

# Of the engine's estimate, which takes the collections of a scope for independent: half of the points are estimated as 0.39.
GRAPH_FROM_SHARE = 0.36
MOST_SCANNED = 200_000  # points: some 20 ms
SCANNED_ANYHOW = 25_000  # a millisecond, and recall@10 0.999 where the walk has 0.95 (20,000 points, half of them in scope)
KEPT_S = 60.0
KEPT = 1_024


class How(Enum):
    """GRAPH: the plain walk. SCAN: all that passes, by the quantised copy. WIDE: a walk that looks past those left out."""

    GRAPH = "graph"
    SCAN = "scan"
    WIDE = "wide"


def how_for(*, kept: int, points: int) -> How:
    """``kept`` of ``points`` pass the filter."""
    if kept <= SCANNED_ANYHOW:
        return How.SCAN
    if kept >= GRAPH_FROM_SHARE * points:
        return How.GRAPH
    return How.SCAN if kept <= MOST_SCANNED else How.WIDE


class Planner:
    """Remembers what was decided for a filter. Safe to call from several threads."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._decided: OrderedDict[tuple[str, Tree], tuple[float, How]] = OrderedDict()

    def how(self, version: str, engine: Engine, tree: Tree) -> How:
        if not tree.must:
            return How.GRAPH  # exclusions alone keep nearly everything
        with self._lock:
            known = self._decided.get((version, tree))
        if known is not None and self._clock() - known[0] < KEPT_S:
            return known[1]
        how = how_for(kept=engine.count(tree, exact=False), points=engine.count(Tree(), exact=False))
        with self._lock:
            self._decided[version, tree] = (self._clock(), how)
            self._decided.move_to_end((version, tree))
            while len(self._decided) > KEPT:
                self._decided.popitem(last=False)
        return how
