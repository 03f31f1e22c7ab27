"""tus 1.0: a file's bytes, in one request or many, resumable after anything. https://tus.io/protocols/resumable-upload

Every announced file has an address here; a tus client that knows nothing of announcements makes its own by POST. The same
functions serve pages (session and CSRF token) and programs (api/transfers.py, by token). The right to add is asked anew on every
request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt

from webapp.accounts import limits
from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import ingest, quotas, transfer
from webapp.library.kinds import NewFile
from webapp.library.metadata import BadMetadata, Metadata
from webapp.library.models import Collection, ItemState, UploadItem
from webapp.library.transfer import Checksum, Trouble

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration"
PIECE_TYPE = "application/offset+octet-stream"
LARGEST = 2**53  # what a number in a browser can say; no limit of the archive's is near it
STATUS = {"team_bytes": 429, "team_files": 429, "too_many_files": 413, "no_space": 507}
SAID = ("caption", "stain", "organ", "finding", "case", "slide", "mpp", "tags")

Answer = Callable[[HttpRequest, User], HttpResponse]


def status_of(full: quotas.NoRoom) -> int:
    return STATUS[full.reason]


# --- the two addresses --------------------------------------------------------------------------------------------------


def create(request: HttpRequest, user: User, address: Callable[[UploadItem], str]) -> HttpResponse:
    """POST: an upload of one file. Upload-Metadata names its collection and filename, and may say what is known of it."""
    told = _metadata(request)
    try:
        collection = Collection.objects.editable_by(user).get(pk=told.get("collection", ""))
    except (Collection.DoesNotExist, ValidationError, ValueError):
        raise Trouble(
            404, "not_found", "There is no collection of this id that you may add to: name it in Upload-Metadata."
        ) from None
    deferred = request.headers.get("Upload-Defer-Length") == "1"
    size = None if deferred else _number(request, "Upload-Length")
    file = NewFile(told.get("filename") or told.get("name") or "unnamed", size, told.get("sha256", ""))
    try:
        defaults = Metadata.from_mapping({name: told[name] for name in SAID if name in told})
        upload = ingest.start_upload(user=user, collection=collection, source="tus", files=[file], defaults=defaults)
    except BadMetadata as bad:
        raise Trouble(400, "metadata", str(bad)) from bad
    except quotas.NoRoom as full:
        raise Trouble(status_of(full), full.reason, full.text) from full
    record(user, "upload", upload, files=1)
    item = upload.items.select_related("upload__collection__team", "upload__user").get()
    if item.state == ItemState.FAILED:
        raise Trouble(413 if item.reason == "too_many_bytes" else 415, item.reason, item.reason_text)
    if request.headers.get("Content-Type") == PIECE_TYPE:
        _append(request, item, at=0)
    return _answer(item, 201, Location=address(item))


def serve(request: HttpRequest, user: User, key: uuid.UUID) -> HttpResponse:
    """HEAD, PATCH and DELETE of one file."""
    try:
        of = UploadItem.objects.select_related("upload__collection__team", "upload__user")
        item = of.get(key=key, upload__collection__in=Collection.objects.editable_by(user))
    except ObjectDoesNotExist:
        raise Trouble(404, "not_found", "There is nothing of this address that you may send to.") from None
    method = request.headers.get("X-HTTP-Method-Override", request.method)
    if method == "HEAD":
        return _told(item)
    if method == "DELETE":
        transfer.drop(item)
        return HttpResponse(status=204)
    if method != "PATCH":
        raise Trouble(405, "method", "Here are HEAD, PATCH and DELETE.")
    try:
        return _patch(request, item)
    except Trouble as trouble:
        if trouble.status == 409:
            trouble.offset = transfer.offset(item)
        raise


def _patch(request: HttpRequest, item: UploadItem) -> HttpResponse:
    if request.headers.get("Content-Type") != PIECE_TYPE:
        raise Trouble(415, "type", f"A piece has the type {PIECE_TYPE}.")
    if item.bytes is None and "Upload-Length" in request.headers:
        transfer.tell_length(item, _number(request, "Upload-Length"))
    _append(request, item, at=_number(request, "Upload-Offset"))
    return _answer(item, 204)


def _append(request: HttpRequest, item: UploadItem, *, at: int) -> None:
    if "Content-Length" not in request.headers:
        raise Trouble(411, "length", "A piece says how long it is: Content-Length.")
    try:
        transfer.append(item, request, at=at, size=_number(request, "Content-Length"), checksum=_checksum(request))
    except UnreadablePostError as gone:
        raise Trouble(400, "broken_off", "The connection broke off; what has arrived is kept.") from gone
    if item.state == ItemState.FAILED:
        raise Trouble(STATUS.get(item.reason, 422), item.reason, item.reason_text)


def _told(item: UploadItem) -> HttpResponse:
    """How far it is. Gone where nothing more is taken, so that no client goes on for ever."""
    if item.state in (ItemState.FAILED, ItemState.CANCELLED):
        return _answer(item, 410)
    response = _answer(item, 200)
    if item.bytes is None:
        response.headers["Upload-Defer-Length"] = "1"
    else:
        response.headers["Upload-Length"] = str(item.bytes)
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(item: UploadItem, status: int, **headers: str) -> HttpResponse:
    """Upload-State: what became of the file, which tus itself has no word for."""
    response = HttpResponse(status=status, headers=headers)
    response.headers["Upload-Offset"] = str(transfer.offset(item))
    response.headers["Upload-State"] = item.state
    if item.state == ItemState.PENDING:
        response.headers["Upload-Expires"] = http_date(transfer.expires_at().timestamp())
    return response


# --- what a request says ------------------------------------------------------------------------------------------------


def _number(request: HttpRequest, name: str) -> int:
    told = request.headers.get(name, "")
    if not (told.isascii() and told.isdecimal()) or len(told) > 16 or int(told) > LARGEST:
        raise Trouble(400, "number", f"{name} is a number of bytes.")
    return int(told)


def _checksum(request: HttpRequest) -> Checksum | None:
    told = request.headers.get("Upload-Checksum")
    if told is None:
        return None
    algorithm, _, packed = told.partition(" ")
    digest = _unpacked(packed.strip(), "Upload-Checksum")
    if algorithm != "sha256" or len(digest) != hashlib.sha256().digest_size:
        raise Trouble(400, "checksum", "A checksum is «sha256», a space and the digest in base64.")
    return Checksum(digest)


def _metadata(request: HttpRequest) -> dict[str, str]:
    """Upload-Metadata: pairs of a name and a text in base64, parted by commas."""
    pairs = [pair.strip().partition(" ") for pair in request.headers.get("Upload-Metadata", "").split(",") if pair.strip()]
    try:
        return {name: _unpacked(packed.strip(), "Upload-Metadata").decode() for name, _, packed in pairs}
    except UnicodeDecodeError:
        raise Trouble(400, "metadata", "Upload-Metadata is text in UTF-8.") from None


def _unpacked(packed: str, where: str) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise Trouble(400, "base64", f"{where} is written in base64.") from None


# --- for pages ----------------------------------------------------------------------------------------------------------


def answered(request: HttpRequest, work: Callable[[], HttpResponse]) -> HttpResponse:
    """``work`` done under the protocol's rules, whoever asks: its version, its headers, troubles as JSON."""
    if request.method == "OPTIONS":
        response = HttpResponse(status=204, headers=_abilities())
    elif request.headers.get("Tus-Resumable") != VERSION:
        response = _trouble(Trouble(412, "version", f"This is tus {VERSION}: say so in Tus-Resumable."))
        response.headers["Tus-Version"] = VERSION
    else:
        try:
            response = work()
        except Trouble as trouble:
            response = _trouble(trouble)
        except limits.TooMany as many:
            response = _trouble(Trouble(429, "too_many", str(many)))
            response.headers["Retry-After"] = str(many.retry_after_s)
    response.headers["Tus-Resumable"] = VERSION
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _abilities() -> dict[str, str]:
    return {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Checksum-Algorithm": "sha256"}


def _trouble(trouble: Trouble) -> HttpResponse:
    told: dict[str, Any] = {"detail": trouble.text, "reason": trouble.reason}
    if trouble.offset is not None:
        told["offset"] = trouble.offset
    response = JsonResponse(told, status=trouble.status)
    if trouble.status == 460:
        response.reason_phrase = "Checksum Mismatch"
    if trouble.offset is not None:
        response.headers["Upload-Offset"] = str(trouble.offset)
    return response


def _for_pages(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Signed in and of this site, or told in JSON that it is not: a script can ask a person to sign in and go on."""

    @login_not_required
    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        if not isinstance(request.user, User):
            told = {"detail": "Sign in again: what has arrived is kept.", "reason": "signed_out", "sign_in": reverse("sign-in")}
            return JsonResponse(told, status=401)
        if _is_foreign(request):
            told = {
                "detail": "The page is out of date: sign in again, or load it anew.",
                "reason": "csrf",
                "sign_in": reverse("sign-in"),
            }
            return JsonResponse(told, status=403)
        user = request.user
        return answered(request, lambda: view(request, user, **arguments))

    return guarded


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        """Only that it is rejected counts: the answer is made by whoever asked for Django's check here."""
        del request
        return HttpResponse(reason, status=403)


def _is_foreign(request: HttpRequest) -> bool:
    check = _Csrf(lambda _: HttpResponse())
    check.process_request(request)
    return check.process_view(request, lambda _: HttpResponse(), (), {}) is not None


@_for_pages
def creation(request: HttpRequest, user: User) -> HttpResponse:
    if request.method != "POST":
        raise Trouble(405, "method", "Here is POST.")
    return create(request, user, lambda item: request.build_absolute_uri(reverse("tus-item", args=[item.key])))


@_for_pages
def item(request: HttpRequest, user: User, key: uuid.UUID) -> HttpResponse:
    return serve(request, user, key)
