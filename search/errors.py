"""What can go wrong between a vector and its ranked ids; each error keeps its cause and says one sentence.

Every error carries ``reason``, a short stable code that other rooms store and count. The sentence is for people and may change.
"""

from __future__ import annotations


class SearchError(Exception):
    """Base of everything this room raises on purpose."""

    reason = "search_error"


# --- the engine is away: try again later, the page says 503 ---------------------------------------------------------


class IndexUnavailable(SearchError):
    """The engine does not answer, or answers that it cannot."""

    reason = "unavailable"


class IndexTimedOut(IndexUnavailable):
    """The engine took longer than it is allowed to."""

    reason = "timed_out"


class CircuitOpen(IndexUnavailable):
    """The engine failed several times just now: it is not asked again for some seconds."""

    reason = "circuit_open"


class IndexLocked(IndexUnavailable):
    """Another process holds the embedded index."""

    reason = "locked"


# --- the installation is wrong: somebody has to act -----------------------------------------------------------------


class AccessRefused(SearchError):
    """The server refuses the API key."""

    reason = "access_refused"


class SchemaMismatch(SearchError):
    """The index holds vectors of another dimension, distance or encoder fingerprint."""

    reason = "schema_mismatch"


class IndexMissing(SearchError):
    """There is no such index, or no such version of it."""

    reason = "missing"


class IndexDamaged(SearchError):
    """The files of the embedded index cannot be opened. It is derived data: rebuild it from the stored vectors."""

    reason = "damaged"


class SnapshotFailed(SearchError):
    """A snapshot could not be made, or is not one that can be restored here."""

    reason = "snapshot"


class UpkeepFailed(SearchError):
    """Optimising or making a version went wrong, for example on a full disk; the index answers as before."""

    reason = "upkeep"


class CountMismatch(SearchError):
    """A version or a copy does not hold as many points as it must: nothing was switched."""

    reason = "count_mismatch"


class CopyMismatch(SearchError):
    """A copied vector differs from its original."""

    reason = "copy_mismatch"


# --- the request is wrong -------------------------------------------------------------------------------------------


class BadVector(SearchError):
    """Not float32 of the index's length, not finite, or not of unit length."""

    reason = "bad_vector"


class PointsNotFound(SearchError):
    """Ids named as examples are not in the index, or not within the caller's scope (the two are never told apart)."""

    reason = "points_not_found"


class BadCursor(SearchError):
    """The cursor belongs to another query, scope, filter or index version."""

    reason = "bad_cursor"


class RequestRefused(SearchError):
    """The engine understood the request and refuses it."""

    reason = "refused"
