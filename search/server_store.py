"""Store over a Qdrant server: versions are collections, the index's name is an alias of the live one.

Calls go to the collection by its own name, which this process looks up behind the alias at most every few seconds: the name
carries the encoder's fingerprint, so that a switch by somebody else can never mix two encoders in one search or write.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from qdrant_client import QdrantClient, models

from search.breaker import CircuitBreaker
from search.calls import Caller
from search.errors import IndexMissing, RequestRefused, SchemaMismatch, SearchError, SnapshotFailed
from search.filters import Tree
from search.schema import FIELDS, Schema, ServerSettings
from search.server import ServerEngine
from search.server_models import collection_of, index_params
from search.store import VersionInfo
from search.types import Health, OptimiseReport, Snapshot

T = TypeVar("T")

FINGERPRINT_DIGITS = 12  # of the fingerprint in a collection's name; the whole one is in its metadata


class ServerStore:
    """``name``: the alias, "images" or "texts". ``patient``: a client that waits long enough for snapshots."""

    def __init__(self, client: QdrantClient, name: str, settings: ServerSettings, *, patient: QdrantClient) -> None:
        if re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) is None:
            raise ValueError(f"an index name is lower-case letters, digits and _, not {name!r}")
        self._client = client
        self._patient = patient
        self._name = name
        self._settings = settings
        self._caller = Caller(CircuitBreaker(failures=settings.breaker_failures, pause_s=settings.breaker_pause_s))
        self._live: tuple[float, str, Schema] | None = None  # looked up at, collection, schema
        self._schemas: dict[str, Schema] = {}

    def _read(self, what: str, call: Callable[[], T]) -> T:
        return self._caller(what, call, allowed_s=self._settings.query_timeout_s)

    def _write(self, what: str, call: Callable[[], T]) -> T:
        return self._caller(what, call, allowed_s=self._settings.write_timeout_s)

    def _slow(self, what: str, call: Callable[[], T]) -> T:
        return self._caller(what, call, allowed_s=self._settings.snapshot_timeout_s)

    # --- which version --------------------------------------------------------------------------------------------

    def live(self) -> tuple[str, Schema]:
        cached = self._live
        if cached is not None and time.monotonic() - cached[0] < self._settings.live_version_cache_s:
            return cached[1], cached[2]
        # no lock: behind one, threads would wait for a dead server one after another
        collection = self._aliased()
        schema = self.schema_of(collection)
        self._live = (time.monotonic(), collection, schema)
        return collection, schema

    def _aliased(self) -> str:
        aliases = self._read("looking up the live version", self._client.get_aliases).aliases
        for alias in aliases:
            if alias.alias_name == self._name:
                return alias.collection_name
        raise IndexMissing(f"the server has no index named {self._name!r} yet")

    def schema_of(self, version: str) -> Schema:
        """A collection's schema never changes, so it is read once."""
        if version not in self._schemas:
            config = self.engine(version).info().config
            params = config.params.vectors
            fingerprint = (config.metadata or {}).get("fingerprint")
            if not isinstance(params, models.VectorParams) or not isinstance(fingerprint, str):
                raise SchemaMismatch(f"collection {version} was not made by Conchive: it has no encoder fingerprint")
            self._schemas[version] = Schema(fingerprint=fingerprint, dim=params.size, distance=params.distance.value.lower())
        return self._schemas[version]

    def versions(self) -> list[VersionInfo]:
        live = self._live_name()
        return [
            VersionInfo(
                name=name, schema=self.schema_of(name), points=self.engine(name).count(Tree(), exact=True), live=name == live
            )
            for name in self._collections()
        ]

    def _live_name(self) -> str | None:
        try:
            return self._aliased()
        except IndexMissing:
            return None

    def _collections(self) -> list[str]:
        found = self._read("listing versions", self._client.get_collections).collections
        ours = re.compile(rf"{self._name}\.[0-9a-z]+\.[0-9]+")
        return sorted(one.name for one in found if ours.fullmatch(one.name))

    def engine(self, version: str) -> ServerEngine:
        return ServerEngine(self._client, version, caller=self._caller, settings=self._settings)

    # --- changing versions ----------------------------------------------------------------------------------------

    def create(self, schema: Schema) -> str:
        name = self._next_name(schema)
        arguments = collection_of(schema, self._settings)
        limit_s = self._settings.write_timeout_s
        try:
            self._write("creating a version", lambda: self._client.create_collection(name, **arguments, timeout=limit_s))
        except RequestRefused:
            # another process was first with the same name: the same collection, if it means the same
            schema.require(self.schema_of(name), where=f"collection {name}")
        for field, kind in FIELDS.items():
            self._index(name, field, index_params(kind))
        return name

    def _index(self, name: str, field: str, params: object) -> None:
        limit_s = self._settings.write_timeout_s

        def create() -> object:
            return self._client.create_payload_index(name, field, field_schema=params, wait=True, timeout=limit_s)  # type: ignore[arg-type]

        self._write(f"indexing {field}", create)

    def _next_name(self, schema: Schema) -> str:
        digits = re.sub(r"[^0-9a-z]", "", schema.fingerprint.lower())[:FINGERPRINT_DIGITS] or "0"
        numbers = [int(name.rsplit(".", 1)[1]) for name in self._collections()]
        return f"{self._name}.{digits}.{max(numbers, default=0) + 1:04d}"

    def switch(self, version: str) -> None:
        changes: list[models.CreateAliasOperation | models.DeleteAliasOperation] = []
        if self._live_name() is not None:
            changes.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._name)))
        alias = models.CreateAlias(collection_name=version, alias_name=self._name)
        changes.append(models.CreateAliasOperation(create_alias=alias))
        limit_s = self._settings.write_timeout_s
        self._write("switching", lambda: self._client.update_collection_aliases(changes, timeout=limit_s))
        self._live = None

    def drop(self, version: str) -> None:
        self.schema_of(version)
        limit_s = self._settings.write_timeout_s
        self._write("dropping a version", lambda: self._client.delete_collection(version, timeout=limit_s))
        self._schemas.pop(version, None)
        self._live = None

    # --- upkeep -----------------------------------------------------------------------------------------------------

    def optimise(self, version: str, *, force: bool) -> OptimiseReport:
        """A server optimises by itself; this only says how far it is."""
        del force
        info = self.engine(version).info()
        points = info.points_count or 0
        unindexed = max(0, points - (info.indexed_vectors_count or 0))
        reason = f"the server optimises by itself (status {info.status.value})"
        return OptimiseReport(ran=False, reason=reason, points=points, unindexed_before=unindexed, unindexed_after=unindexed)

    def snapshot(self, version: str, target: str | None) -> Snapshot:
        """Kept by the server beside its data, under the name in ``location``; ``target`` must be None."""
        if target is not None:
            raise SnapshotFailed("a server keeps its snapshots itself: give no target")
        schema, points = self.schema_of(version), self.engine(version).count(Tree(), exact=True)
        try:
            made = self._slow("making a snapshot", lambda: self._patient.create_snapshot(version, wait=True))
        except NotImplementedError as exc:
            raise SnapshotFailed("the in-memory client makes no snapshots") from exc
        if made is None:
            raise SnapshotFailed(f"the server made no snapshot of {version}")
        location = f"file://{self._settings.snapshots_folder}/{version}/{made.name}"
        return Snapshot(
            location=location, version=version, fingerprint=schema.fingerprint, dim=schema.dim, points=points,
            made_at=made.creation_time or "",
        )  # fmt: skip

    def restore(self, snapshot: Snapshot) -> str:
        name = self._next_name(Schema(fingerprint=snapshot.fingerprint, dim=snapshot.dim))
        try:
            self._slow("restoring", lambda: self._patient.recover_snapshot(name, location=snapshot.location, wait=True))
        except NotImplementedError as exc:
            raise SnapshotFailed("the in-memory client restores no snapshots") from exc
        except RequestRefused as exc:
            raise SnapshotFailed(f"the server cannot restore {snapshot.location}") from exc
        return name

    def health(self) -> Health:
        start = time.perf_counter()
        try:
            engine_version = self._read("asking for its version", self._client.info).version
            name, _ = self.live()
            points = self.engine(name).count(Tree(), exact=False)
        except SearchError as exc:
            return Health(ok=False, engine="server", detail=str(exc))
        taken_ms = 1e3 * (time.perf_counter() - start)
        return Health(ok=True, engine="server", engine_version=engine_version, version=name, points=points, latency_ms=taken_ms)

    def close(self) -> None:
        for client in {self._client, self._patient}:
            client.close()
