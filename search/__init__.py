"""Unit vectors -> ranked ids, within what the caller may see.

    from search import Nearest, Schema, Scope, open_edge
    index = open_edge("var/index")
    index.ensure(Schema(fingerprint=encoder.spec.fingerprint))
    hits = index.query(Nearest(vector), scope=Scope.of([collection_id]), limit=20)

The engines are imported on first use: open_edge needs qdrant-edge-py, open_server qdrant-client.
"""

from __future__ import annotations

from search import errors
from search.calibrate import Band, Calibration, Calibrator
from search.contract import Ask, VectorIndex
from search.filters import NO_FILTERS, DateRange, Filters, IntegerRange, Keyword
from search.opening import open_edge, open_server, over_client
from search.queries import Blend, Context, Like, Nearest, Query
from search.schema import EdgeSettings, Schema, ServerSettings, case_group
from search.store import VersionInfo
from search.types import Batch, Facet, Health, Hit, OptimiseReport, Page, Payload, Point, Scope, Snapshot

__all__ = [
    "NO_FILTERS",
    "Ask",
    "Band",
    "Batch",
    "Blend",
    "Calibration",
    "Calibrator",
    "Context",
    "DateRange",
    "EdgeSettings",
    "Facet",
    "Filters",
    "Health",
    "Hit",
    "IntegerRange",
    "Keyword",
    "Like",
    "Nearest",
    "OptimiseReport",
    "Page",
    "Payload",
    "Point",
    "Query",
    "Schema",
    "Scope",
    "ServerSettings",
    "Snapshot",
    "VectorIndex",
    "VersionInfo",
    "case_group",
    "errors",
    "open_edge",
    "open_server",
    "over_client",
]
