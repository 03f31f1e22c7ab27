"""What an index stores: vector shape and meaning, payload fields and their index types, engine settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from search.errors import SchemaMismatch
from search.types import Payload

DIM = 512
HNSW_FULL_SCAN_KB = 10_000  # below this many kB of matching vectors a scan beats the graph


class FieldType(Enum):
    """How a payload field is indexed. A UUID is a keyword that is compared as a number, in a third of the time.

    TENANT is a UUID whose points are also stored and linked together.
    """

    TENANT = "tenant"
    UUID = "uuid"
    KEYWORD = "keyword"
    INTEGER = "integer"
    DATETIME = "datetime"


KEYWORDS = (FieldType.KEYWORD, FieldType.UUID, FieldType.TENANT)

# Every field that a filter, a facet, a scope or a group may name; the engines build an index for each.
FIELDS: dict[str, FieldType] = {
    "collection": FieldType.TENANT,
    "kind": FieldType.KEYWORD,
    "image": FieldType.UUID,
    "case": FieldType.KEYWORD,
    "slide": FieldType.KEYWORD,
    "stain": FieldType.KEYWORD,
    "organ": FieldType.KEYWORD,
    "tags": FieldType.KEYWORD,
    "width_px": FieldType.INTEGER,
    "height_px": FieldType.INTEGER,
    "mpp_nm": FieldType.INTEGER,
    "taken_at": FieldType.DATETIME,
    "added_at": FieldType.DATETIME,
    "has_caption": FieldType.KEYWORD,  # YES or NO
    "image_group": FieldType.UUID,
    "case_group": FieldType.KEYWORD,
}
# Written on every point, so that a point without image or case is a group of its own and not left out of grouped pages.
GROUP_FIELDS = {"image": "image_group", "case": "case_group"}
# Edge 0.9 reads a bool in a match as the integer 1 and finds nothing, so truth is a word.
YES, NO = "yes", "no"
_DERIVED = tuple(GROUP_FIELDS.values())


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What the vectors of one version are. ``fingerprint``: the encoder's; one index never mixes two."""

    fingerprint: str
    dim: int = DIM
    distance: str = "cosine"

    def require(self, stored: Schema, *, where: str) -> None:
        """Raises SchemaMismatch with every difference to ``stored``."""
        mine, theirs = asdict(self), asdict(stored)
        differences = [f"{name} is {theirs[name]}, expected {mine[name]}" for name in mine if mine[name] != theirs[name]]
        if differences:
            raise SchemaMismatch(f"{where}: {'; '.join(differences)}. Fill a new version for this encoder, then switch.")


@dataclass(frozen=True, kw_only=True)
class EdgeSettings:
    """The embedded engine. Defaults and why: docs/decisions/0005-edge-schema.md.

    ``graph``: build HNSW when optimised, up to ``graph_up_to`` points; without it every query scans the quantised copy.
    ``candidates``: width of a graph walk (ef).
    ``oversampling``: candidates taken from the 4-bit copy per wanted hit before they are ranked by their float16 vectors.
    ``flush_after_points``, ``flush_after_s``: an acknowledged write is in the log and survives kill -9; it is on disk, and
    survives power loss, once so many points or seconds of writes have gathered. With 1 point every write is on disk at once.
    ``optimise_after``, ``optimise_share``: optimise() pays from so many unindexed points, and from such a share of all points.
    ``search_threads``: None lets the engine take one per core.
    """

    graph: bool = True
    graph_up_to: int = 300_000
    links: int = 16
    links_build_candidates: int = 100
    candidates: int = 200
    oversampling: float = 2.0
    flush_after_points: int = 10_000
    flush_after_s: float = 10.0
    optimise_after: int = 10_000
    optimise_share: float = 0.05
    search_threads: int | None = None

    def for_points(self, points: int) -> EdgeSettings:
        """A graph over a million points takes 8 GiB to build, and far longer than all else; a scan of them answers in 16 ms."""
        return replace(self, graph=self.graph and points <= self.graph_up_to)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """A Qdrant server or cluster. Times in seconds.

    ``query_timeout_s`` bounds one answer together with its retry; ``write_timeout_s`` bounds writes and schema changes.
    ``breaker_failures`` failures in a row stop all calls for ``breaker_pause_s``. A switch made by another process is seen within
    ``live_version_cache_s``. ``snapshots_folder``: where the server keeps them, as the server sees it.
    """

    shard_number: int = 1
    replication_factor: int = 1
    write_consistency_factor: int = 1
    links: int = 16
    links_build_candidates: int = 100
    candidates: int = 128
    oversampling: float = 2.0
    connect_timeout_s: float = 1.0
    query_timeout_s: int = 3
    write_timeout_s: int = 30
    breaker_failures: int = 3
    breaker_pause_s: float = 5.0
    live_version_cache_s: float = 5.0
    snapshot_timeout_s: int = 3_600
    snapshots_folder: str = "/qdrant/snapshots"


def to_stored(point_id: str, payload: Payload) -> dict[str, Any]:
    """A Payload as the engines store it: absent values left out, dates in UTC, group fields filled."""
    stored = {name: _plain(value) for name, value in vars(payload).items() if value not in (None, ())}
    stored["has_caption"] = YES if payload.has_caption else NO
    stored["image_group"] = payload.image or point_id
    stored["case_group"] = case_group(payload.collection, payload.case) if payload.case else stored["image_group"]
    return stored


def case_group(collection: str, case: str) -> str:
    """Cases are named by whoever filled the collection: «1» in another one is another patient's."""
    return f"{collection}/{case}"


def from_stored(stored: dict[str, Any]) -> Payload:
    """The inverse of to_stored()."""
    values = {name: value for name, value in stored.items() if name not in _DERIVED}
    values["tags"] = tuple(values.get("tags", ()))
    values["has_caption"] = values.get("has_caption") == YES
    for name in ("taken_at", "added_at"):
        if name in values:
            values[name] = datetime.fromisoformat(values[name])
    return Payload(**values)


def utc_text(moment: datetime) -> str:
    """A date as both engines read it: RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return utc_text(value)
    return list(value) if isinstance(value, tuple) else value
