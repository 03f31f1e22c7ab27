"""tus 1.0 by token: the addresses that announced files are sent to, in one request or in many. library/tus_views.py says how."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router

from webapp.api.auth import caller
from webapp.library import tus_views
from webapp.library.models import UploadItem

router = Router(tags=["uploads"])


@router.api_operation(["OPTIONS", "POST"], "/uploads/tus", response={204: None, 201: None})
def create_transfer(request: HttpRequest) -> HttpResponse:
    """tus: an upload of one file; Upload-Metadata names its `collection` and `filename`. Answers its address in Location."""

    def absolute(item: UploadItem) -> str:
        return request.build_absolute_uri(address(item))

    return tus_views.answered(request, lambda: tus_views.create(request, caller(request), absolute))


@router.api_operation(["OPTIONS", "HEAD", "PATCH", "DELETE"], "/uploads/tus/{key}", response={204: None, 200: None})
def transfer_file(request: HttpRequest, key: UUID) -> HttpResponse:
    """tus: how far a file is, its next bytes, or its end."""
    return tus_views.answered(request, lambda: tus_views.serve(request, caller(request), key))


def address(item: UploadItem) -> str:
    """Where an item's bytes go to."""
    return reverse("api:transfer_file", args=[item.key])
