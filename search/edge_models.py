"""Conditions, query forms and schema in the words of qdrant-edge-py."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import qdrant_edge as edge

from search import filters, queries
from search.filters import Condition, OneOf, Tree
from search.plan import GRAPH_FROM_SHARE, How
from search.schema import FIELDS, HNSW_FULL_SCAN_KB, EdgeSettings, FieldType, Schema, utc_text
from search.store import Search
from search.types import Array

INDEX_FROM_KB = 1_000  # the engine's own threshold; whether it pays is decided before the engine is asked


def config_of(schema: Schema, settings: EdgeSettings) -> edge.EdgeConfig:
    """float16 vectors on disk, a 4-bit copy in RAM that is scanned or walked first, HNSW where ``settings.graph``."""
    links = settings.links if settings.graph else 0
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(
            size=schema.dim,
            distance=edge.Distance.Cosine,
            datatype=edge.VectorStorageDatatype.Float16,
            quantization_config=edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits4, memory=edge.Memory.Pinned),
        ),
        hnsw_config=edge.HnswIndexConfig(
            m=links, ef_construct=settings.links_build_candidates, full_scan_threshold=HNSW_FULL_SCAN_KB
        ),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=INDEX_FROM_KB),
        max_search_threads=settings.search_threads,
    )


def index_params(kind: FieldType) -> edge.PayloadSchemaParams:
    """Only the scope's index, which every question reads, is held in RAM: all of them took half of the process's own memory."""
    cold = edge.Memory.Cold
    if kind is FieldType.TENANT:
        return edge.UuidIndexParams(is_tenant=True, memory=edge.Memory.Pinned)
    if kind is FieldType.UUID:
        return edge.UuidIndexParams(memory=cold)
    if kind is FieldType.INTEGER:
        return edge.IntegerIndexParams(lookup=False, range=True, memory=cold)
    if kind is FieldType.DATETIME:
        return edge.DatetimeIndexParams(memory=cold)
    return edge.KeywordIndexParams(memory=cold)


def index_updates() -> list[edge.UpdateOperation]:
    """One operation for each field of the schema."""
    return [edge.UpdateOperation.create_field_index(name, index_params(kind)) for name, kind in FIELDS.items()]


def row_of(vector: Array) -> list[float]:
    """A view that the engine reads in 8 µs for 512 numbers, 21 for an array, 14 for a new list. Its stubs know only lists."""
    return cast("list[float]", vector.data)


def _rows(vectors: tuple[Array, ...]) -> list[edge.NamedVector]:
    return [row_of(vector) for vector in vectors]


def filter_of(tree: Tree) -> edge.Filter | None:
    if not tree.must and not tree.must_not:
        return None
    return edge.Filter(must=[_condition(one) for one in tree.must], must_not=[_condition(one) for one in tree.must_not])


def _condition(condition: Condition) -> edge.ConditionType:
    if isinstance(condition, OneOf):
        return _one_of(condition)
    if isinstance(condition, filters.HasId):
        return edge.HasIdCondition(point_ids=set(condition.ids))
    if isinstance(condition, filters.Integers):
        return edge.FieldCondition(key=condition.field, range=edge.RangeFloat(gte=condition.at_least, lte=condition.at_most))
    since, before = (None if moment is None else utc_text(moment) for moment in (condition.since, condition.before))
    return edge.FieldCondition(key=condition.field, range=edge.RangeDateTime(gte=since, lt=before))


@lru_cache(maxsize=64)
def _one_of(condition: OneOf) -> edge.FieldCondition:
    """Kept: a scope of a hundred collections is slow to hand over, and a caller asks within the same one again and again."""
    return edge.FieldCondition(key=condition.field, match=edge.MatchAny(any=list(condition.values)))


def request_of(search: Search, settings: EdgeSettings, *, oversampling: float | None = None) -> edge.QueryRequest:
    """``oversampling``: another one than the settings'."""
    return edge.QueryRequest(
        query=_form(search.form),
        filter=filter_of(search.tree),
        limit=search.limit,
        score_threshold=search.min_score,
        with_payload=[search.group_field] if search.group_field else False,
        with_vector=False,
        params=_params(search, settings, oversampling or settings.oversampling),
    )


def _params(search: Search, settings: EdgeSettings, oversampling: float) -> edge.SearchParams:
    # the 4-bit copy alone is off by 0.003 and finds 88 % of the best ten: rank its candidates by their float16 vectors
    quantised = edge.QuantizationSearchParams(rescore=True, oversampling=oversampling)
    if search.how is How.SCAN:
        return edge.SearchParams(exact=True, quantization=quantised)
    acorn = edge.AcornSearchParams(enable=search.how is How.WIDE, max_selectivity=GRAPH_FROM_SHARE)
    return edge.SearchParams(hnsw_ef=settings.candidates, quantization=quantised, acorn=acorn)


def _form(form: queries.Form) -> edge.Query:
    if isinstance(form, queries.ByVector):
        return edge.Query.Nearest(row_of(form.vector))
    if isinstance(form, queries.ByBestScore):
        return edge.Query.RecommendBestScore(
            edge.RecommendQuery(positives=_rows(form.positives), negatives=_rows(form.negatives))
        )
    pairs = [edge.ContextPair(positive=row_of(positive), negative=row_of(negative)) for positive, negative in form.pairs]
    if form.target is None:
        return edge.Query.Context(edge.ContextQuery(pairs=pairs))
    return edge.Query.Discover(edge.DiscoverQuery(target=row_of(form.target), pairs=pairs))
