"""/api/v1: the same functions that pages call, for programs. Described by itself at /api/v1/docs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI

from webapp.accounts.limits import TooMany, too_many
from webapp.api.auth import TokenAuth
from webapp.explore.asking import BadQuery
from webapp.library.announcing import BadList
from webapp.library.deciding import NotDone
from webapp.library.editing import EditedMeanwhile
from webapp.library.metadata import BadMetadata
from webapp.library.quotas import NoRoom
from webapp.library.tus_views import status_of
from webapp.outages import Outage, outage_page
from webapp.plain_text import PlainJson

api = NinjaAPI(
    title="Conchive",
    version="1",
    urls_namespace="api",
    auth=TokenAuth(),
    parser=PlainJson(),
    description="Search a histopathology image archive by meaning. Tokens are made on the page of your account.",
)


def told(request: HttpRequest, *, status: int, reason: str, sentence: str) -> HttpResponse:
    return api.create_response(request, {"detail": sentence, "reason": reason}, status=status)


@api.exception_handler(BadQuery)
def bad_query(request: HttpRequest, exc: BadQuery) -> HttpResponse:
    return told(request, status=400, reason=exc.reason, sentence=str(exc))


@api.exception_handler(BadMetadata)
def bad_metadata(request: HttpRequest, exc: BadMetadata) -> HttpResponse:
    return told(request, status=400, reason="metadata", sentence=str(exc))


@api.exception_handler(EditedMeanwhile)
def edited_meanwhile(request: HttpRequest, exc: EditedMeanwhile) -> HttpResponse:
    sentence = "Somebody changed the same thing since: read it again, and send its revision."
    del exc
    return told(request, status=409, reason="edited_meanwhile", sentence=sentence)


@api.exception_handler(NoRoom)
def no_room(request: HttpRequest, exc: NoRoom) -> HttpResponse:
    return told(request, status=status_of(exc), reason=exc.reason, sentence=exc.text)


@api.exception_handler(BadList)
def bad_list(request: HttpRequest, exc: BadList) -> HttpResponse:
    return told(request, status=422, reason="files", sentence=str(exc))


@api.exception_handler(NotDone)
def not_done(request: HttpRequest, exc: NotDone) -> HttpResponse:
    return told(request, status=409, reason="gone_meanwhile", sentence=str(exc))


@api.exception_handler(Http404)
def not_there(request: HttpRequest, exc: Http404) -> HttpResponse:
    """The same words for what is foreign and what is unknown."""
    del exc
    return told(request, status=404, reason="not_found", sentence="There is nothing of this name that you may see.")


@api.exception_handler(PermissionDenied)
def denied(request: HttpRequest, exc: PermissionDenied) -> HttpResponse:
    return told(request, status=403, reason="not_allowed", sentence=str(exc) or "This is not allowed.")


@api.exception_handler(TooMany)
def too_often(request: HttpRequest, exc: TooMany) -> HttpResponse:
    return too_many(request, exc)


@api.exception_handler(Outage)
def outage(request: HttpRequest, exc: Outage) -> HttpResponse:
    return outage_page(request, exc)


def urls() -> tuple[list[URLPattern | URLResolver], str, str]:
    """For urls.py. Tokens, not sessions, open these addresses: the sign-in page is no answer to a program."""
    from webapp.api import (
        collections,
        duplicates,
        images,
        imports,
        jobs,
        links,
        review,
        saved,
        searching,
        status,
        teams,
        transfers,
        trash,
        upkeep,
        uploads,
        vocabularies,
    )

    for part in (
        collections,
        transfers,
        uploads,
        imports,
        review,
        duplicates,
        images,
        trash,
        jobs,
        searching,
        saved,
        links,
        vocabularies,
        teams,
        status,
        upkeep,
    ):
        api.add_router("", part.router)
    mounted: tuple[list[Any], str, str] = api.urls
    for pattern in mounted[0]:
        pattern.callback.login_required = False
    return mounted
