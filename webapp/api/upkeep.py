"""For operators: verify, repair and reindex in the process that holds the index. Slow: an answer may take minutes."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja import Router, Schema

import search.errors
from embedder import errors
from webapp.accounts.models import Scope
from webapp.api.auth import TokenAuth, caller
from webapp.library import upkeep, verify
from webapp.outages import Outage

router = Router(auth=TokenAuth(Scope.OPERATE), tags=["upkeep"])


class HowToVerify(Schema):
    """``deep`` reads every original to compare its checksum."""

    repair: bool = False
    deep: bool = False


class Report(Schema):
    clean: bool
    counts: dict[str, int]
    waiting: int
    examples: dict[str, list[str]]


class HowToReindex(Schema):
    """``encode``: embed every image again first."""

    encode: bool = False


class Reindexed(Schema):
    regions: int
    texts: int
    encoded: int


@router.post("/upkeep/verify", response=Report)
def verify_archive(request: HttpRequest, how: HowToVerify) -> dict[str, Any]:
    _require_operator(request)
    try:
        report = upkeep.repaired(deep=how.deep) if how.repair else verify.verify(deep=how.deep)
    except (search.errors.SearchError, errors.EmbedderError) as exc:
        raise Outage("The archive cannot be verified just now.", detail=str(exc)) from exc
    return report.as_dict()


@router.post("/upkeep/reindex", response=Reindexed)
def reindex(request: HttpRequest, how: HowToReindex) -> dict[str, Any]:
    _require_operator(request)
    try:
        return vars(upkeep.reindex(encode=how.encode))
    except (search.errors.SearchError, errors.EmbedderError, LookupError) as exc:
        raise Outage("The index cannot be made anew just now.", detail=str(exc)) from exc


def _require_operator(request: HttpRequest) -> None:
    if not caller(request).is_superuser:
        raise PermissionDenied("This is for the archive's operator.")
