"""Carries the archive's lasting files from one store to the other.

May be cut off anywhere and run again, beside a running site: what is there already, of the same size and not older, stays as it
is. A source goes only where this very run has read both and found them the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from webapp.library import files
from webapp.library.store import Store, Stored
from webapp.library.upkeep import Progress, unheard
from webapp.library.verify_files import digest_of

AT_ONCE, FILES_A_STEP = 8, 500  # a small picture is mostly waiting for answers
COPIED, THERE, GONE, DIFFERS = "copied", "there", "gone", "differs"
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Report:
    """``there``: already before; ``gone``: deleted meanwhile; ``differs``: names of files that are not the same in both."""

    copied: int
    there: int
    gone: int
    removed: int
    differs: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Move:
    """``dry``: only looks. ``remove``: what was compared goes from ``source``."""

    source: Store
    target: Store
    remove: bool = False
    dry: bool = False

    def run(self, progress: Progress = unheard) -> Report:
        """Raises StoreAway, OSError; what has been carried is there then."""
        counts: Counter[str] = Counter()
        differs: list[str] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for kind in files.LASTING:
                total, done = sum(1 for _ in self.source.listed(kind)), 0
                wanted = self._wanted(kind)
                while some := list(islice(wanted, FILES_A_STEP)):
                    for name, outcome in pool.map(self._carry, some):
                        counts[outcome] += 1
                        differs += [name] if outcome == DIFFERS else []
                        done += 1
                        progress(kind, done, total)
        removed = counts[COPIED] + counts[THERE] if self.remove and not self.dry else 0
        return Report(copied=counts[COPIED], there=counts[THERE], gone=counts[GONE], removed=removed, differs=differs)

    def _wanted(self, kind: str) -> Iterator[tuple[Stored, bool]]:
        """(a file of the source, whether the target has it)"""
        find = self.target.lookup()
        for stored in self.source.listed(kind):
            there = find(stored.name)
            yield stored, there is not None and _covers(there, stored)

    def _carry(self, wanted: tuple[Stored, bool]) -> tuple[str, str]:
        stored, there = wanted
        if self.dry or (there and not self.remove):
            return stored.name, THERE if there else COPIED
        try:
            if not there:
                with self.source.local(stored.name) as path:
                    self.target.copy_in(path, stored.name, changed_ns=stored.changed_ns)
            if _digest(self.source, stored.name) != _digest(self.target, stored.name):
                return stored.name, DIFFERS
        except FileNotFoundError:
            return stored.name, GONE
        if self.remove:
            self.source.delete(stored.name)
        return stored.name, THERE if there else COPIED


def _covers(there: Stored, stored: Stored) -> bool:
    """As far as size and time tell; a bucket knows full seconds."""
    return there.size == stored.size and there.changed_ns // SECOND_NS >= stored.changed_ns // SECOND_NS


def _digest(store: Store, name: str) -> str:
    """Raises FileNotFoundError."""
    _, file = store.open(name)
    with file:
        return digest_of(file)
