"""How the site is: encoder, index, and how much of the archive is searchable."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from webapp.api.auth import caller
from webapp.api.searching import Coverage
from webapp.explore.status import status

router = Router(tags=["status"])


class Index(Schema):
    ok: bool
    engine: str
    points: int | None
    detail: str


class Encoder(Schema):
    name: str
    state: str
    fingerprint: str | None


class Status(Schema):
    ok: bool
    encoder: Encoder
    images: Index
    texts: Index
    coverage: Coverage


@router.get("/status", response=Status)
def show_status(request: HttpRequest) -> dict[str, Any]:
    return status(caller(request))
