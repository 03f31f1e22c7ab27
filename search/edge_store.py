"""Store over Qdrant Edge: the versions of one embedded index, held by one process."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TypeVar

from search import optimising, snapshots
from search.edge import EdgeEngine
from search.errors import IndexMissing, IndexUnavailable, SearchError, UpkeepFailed
from search.filters import Tree
from search.manifest import UNFINISHED, Lock, Manifest, read_manifest, remove_leftovers, sync_folder, write_manifest
from search.schema import EdgeSettings, Schema
from search.store import VersionInfo
from search.types import Health, OptimiseReport, Snapshot

T = TypeVar("T")


class EdgeStore:
    """``folder`` belongs to this process until close(). Raises IndexLocked, IndexDamaged.

    Versions are opened when they are first asked for, the live one at once: a damaged index says so at start.
    """

    def __init__(self, folder: Path, settings: EdgeSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._changing = threading.RLock()
        self._engines: dict[str, EdgeEngine] = {}
        self._optimising = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._closed = False
        self._lock = Lock(folder)
        try:
            self._manifest = read_manifest(folder)
            remove_leftovers(folder, self._manifest)
            if self._manifest.live is not None:
                self.engine(self._manifest.live)
        except BaseException:
            self._lock.release()  # whatever it was: the next try must not find the folder locked
            raise

    def versions(self) -> list[VersionInfo]:
        manifest = self._manifest
        return [
            VersionInfo(name=name, schema=schema, points=self.engine(name).count(Tree(), exact=True), live=name == manifest.live)
            for name, schema in manifest.versions.items()
        ]

    def live(self) -> tuple[str, Schema]:
        manifest = self._manifest  # replaced whole, so that name and schema belong together
        if manifest.live is None:
            raise IndexMissing(f"the index at {self._folder} has no version yet")
        return manifest.live, manifest.versions[manifest.live]

    def schema_of(self, version: str) -> Schema:
        try:
            return self._manifest.versions[version]
        except KeyError as exc:
            raise IndexMissing(f"the index at {self._folder} has no version {version!r}") from exc

    def engine(self, version: str) -> EdgeEngine:
        found = self._engines.get(version)
        return found if found is not None else self._open(version)

    def _open(self, version: str) -> EdgeEngine:
        with self._changing:
            self._require_open()
            if version not in self._engines:
                schema = self.schema_of(version)
                self._engines[version] = EdgeEngine.load(self._path_of(version), schema, self._settings)
            return self._engines[version]

    def create(self, schema: Schema) -> str:
        def make(folder: Path) -> None:
            folder.mkdir()
            EdgeEngine.create(folder, schema, self._settings).close()

        return self._add(schema, make)

    def _add(self, schema: Schema, make: Callable[[Path], None]) -> str:
        """A version whose folder ``make`` fills. A crash on the way leaves a folder that the next start removes."""
        with self._changing:
            self._require_open()
            name = self._manifest.next_name()
            unfinished = self._folder / f"{UNFINISHED}{name}"
            if unfinished.exists():
                shutil.rmtree(unfinished)
            try:
                make(unfinished)
                unfinished.rename(self._folder / name)
                sync_folder(self._folder)
                self._set(self._manifest.with_version(name, schema))
            except OSError as exc:
                raise UpkeepFailed(f"no version can be made in {self._folder}: {exc.strerror}") from exc
            return name

    def switch(self, version: str) -> None:
        with self._changing:
            self.engine(version)  # it must open before it answers for all
            self._set(replace(self._manifest, live=version))

    def drop(self, version: str) -> None:
        with self._changing:
            self.schema_of(version)
            opened = self._engines.pop(version, None)  # a version too damaged to open can still be dropped
            if opened is not None:
                opened.close()
            path = self._path_of(version)
            self._set(self._manifest.without(version))
            shutil.rmtree(path)

    def _set(self, manifest: Manifest) -> None:
        write_manifest(self._folder, manifest)
        self._manifest = manifest

    def _require_open(self) -> None:
        if self._closed:
            raise IndexUnavailable(f"the index at {self._folder} is closed")

    def optimise(self, version: str, *, force: bool) -> OptimiseReport:
        """Builds the index in a child process, on a copy: the folder needs its own size again until that is done."""
        engine = self.engine(version)
        engine.flush()
        points, unindexed = engine.unindexed()
        report = partial(OptimiseReport, points=points, unindexed_before=unindexed, unindexed_after=unindexed, ran=False)
        if not force and not self._pays(points, unindexed):
            return report(reason=f"{unindexed} unindexed points of {points} are scanned faster than an index is built")
        if not self._optimising.acquire(blocking=False):
            return report(reason="another optimisation is running")
        try:
            return self._optimise(version, engine, report, self._settings.for_points(points))
        finally:
            self._optimising.release()

    def _pays(self, points: int, unindexed: int) -> bool:
        return unindexed >= max(self._settings.optimise_after, self._settings.optimise_share * points)

    def _optimise(
        self, version: str, engine: EdgeEngine, report: Callable[..., OptimiseReport], settings: EdgeSettings
    ) -> OptimiseReport:
        start = time.perf_counter()
        copy = self._folder / f"{UNFINISHED}{version}-{uuid.uuid4().hex}"  # never one that an orphan still writes to
        try:
            engine.while_still(lambda: self._copy(version, engine, copy))
            if not self._optimised(copy, self.schema_of(version), settings):
                return report(reason="the engine found nothing to gain", took_s=time.perf_counter() - start)
            self._take_over(version, engine, copy)
        except OSError as exc:
            raise UpkeepFailed(f"optimising needs room for a copy of the index: {exc.strerror}") from exc
        finally:
            engine.stop_journal()
            shutil.rmtree(copy, ignore_errors=True)
        _, after = engine.unindexed()
        return report(ran=True, reason="enough points were unindexed", unindexed_after=after, took_s=time.perf_counter() - start)

    def _copy(self, version: str, engine: EdgeEngine, copy: Path) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._path_of(version), copy)
        engine.start_journal()

    def _optimised(self, copy: Path, schema: Schema, settings: EdgeSettings) -> bool:
        with self._changing:
            self._require_open()
            self._child = optimising.start(copy, schema, settings)
        try:
            return optimising.finish(self._child)
        finally:
            self._child = None

    def _take_over(self, version: str, engine: EdgeEngine, copy: Path) -> None:
        with self._changing:
            self._require_open()
            schema = self.schema_of(version)  # it may have been dropped meanwhile
            old, name = self._path_of(version), self._manifest.next_folder_of(version)
            copy.rename(self._folder / name)
            sync_folder(self._folder)
            try:
                engine.adopt(self._folder / name, schema, commit=lambda: self._set(self._manifest.moved(version, name)))
            except SearchError:
                shutil.rmtree(self._folder / name, ignore_errors=True)
                raise
            shutil.rmtree(old)

    def _path_of(self, version: str) -> Path:
        return self._folder / self._manifest.folder_of(version)

    def snapshot(self, version: str, target: str | None) -> Snapshot:
        """A tar file in the folder ``target``, by default ``snapshots`` beside the index. Writes wait; reads do not."""
        engine, schema = self.engine(version), self.schema_of(version)
        folder = self._folder.parent / "snapshots" if target is None else Path(target)

        def pack() -> Snapshot:
            points = engine.count(Tree(), exact=True)
            return snapshots.pack(self._path_of(version), schema, version=version, points=points, into=folder)

        return engine.while_still(pack)

    def restore(self, snapshot: Snapshot) -> str:
        schema = snapshots.schema_in(Path(snapshot.location))
        return self._add(schema, lambda folder: snapshots.unpack(Path(snapshot.location), folder))

    def health(self) -> Health:
        engine, engine_version = "edge", package_version("qdrant-edge-py")
        start = time.perf_counter()
        try:
            name, _ = self.live()
            points = self.engine(name).count(Tree(), exact=True)
        except SearchError as exc:
            return Health(ok=False, engine=engine, engine_version=engine_version, detail=str(exc))
        taken_ms = 1e3 * (time.perf_counter() - start)
        return Health(ok=True, engine=engine, engine_version=engine_version, version=name, points=points, latency_ms=taken_ms)

    def close(self) -> None:
        """Flushes every version and lets another process open the index. Closing twice does nothing."""
        with self._changing:
            if self._closed:
                return
            self._closed = True
            if self._child is not None:
                self._child.kill()
            for engine in self._engines.values():
                engine.close()
            self._lock.release()
