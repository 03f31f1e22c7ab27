"""Admin → Uploads → Add: the site's own upload form within the admin, for staff who may change the collection."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from webapp.accounts.models import User
from webapp.library.admin_rights import ByCollection
from webapp.library.forms import UploadDefaults
from webapp.library.models import Collection, ItemState, Upload, UploadItem
from webapp.library.receipts import FILTERS
from webapp.library.upload_actions import UploadActions
from webapp.library.upload_page import UploadPage
from webapp.requests import uuid_of

LACKING = (
    "Your staff account lacks the permission “Can add upload”. An administrator can give it to you. "
    "Editors of a collection upload from the collection’s own page as well."
)
COUNTED = {
    "ready": FILTERS["ready"],
    "open": FILTERS["running"] | FILTERS["pending"],
    "held": FILTERS["held"],
    "failed": FILTERS["failed"],
}


class UploadAdmin(UploadActions):
    """Uploads of those collections that the person may change; a staff account alone opens none."""

    list_display = ("made_at", "collection", "user", "came", "files", "searchable", "open", "to_review", "failed", "receipt")
    list_filter = ("source", ByCollection)
    list_select_related = ("collection", "user")
    fields = readonly_fields = ("collection", "user", "source", "made_at", "cancelled_at", "defaults", "receipt")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upload]:
        editable = Collection.objects.editable_by(request.user)
        counted = UploadItem.objects.exclude(state=ItemState.UNPACKED)  # as the receipt counts: what came out, not the archive
        counts = {f"n_{name}": _counted(counted.filter(which)) for name, which in COUNTED.items()}
        uploads: QuerySet[Upload] = super().get_queryset(request)
        return uploads.filter(collection__in=editable).annotate(n_files=_counted(counted), **counts)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("library.add_upload")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002  Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Choose a collection, then the form: it is sent to the site's own addresses, which ask for the right again."""
        if not self.has_add_permission(request) or not isinstance(request.user, User):
            raise PermissionDenied(LACKING)
        collections = Collection.objects.editable_by(request.user).select_related("team").order_by("team__name", "name")
        chosen = _chosen(collections, request.GET.get("collection", ""))
        told = {
            **self.admin_site.each_context(request),
            "title": "Add upload",
            "opts": self.opts,
            "collections": collections,
            "collection": chosen,
            "form": UploadDefaults(),
            "page": UploadPage.of(chosen, request.user) if chosen else None,
            "source": "admin",
        }
        return TemplateResponse(request, "admin/library/upload/add.html", told | (extra_context or {}))

    def files(self, upload: Any) -> int:
        return int(upload.n_files)

    def searchable(self, upload: Any) -> int:
        return int(upload.n_ready)

    @admin.display(description="not done yet")
    def open(self, upload: Any) -> int:
        return int(upload.n_open)

    def to_review(self, upload: Any) -> int:
        return int(upload.n_held)

    def failed(self, upload: Any) -> int:
        return int(upload.n_failed)

    @admin.display(description="how it came", ordering="source")
    def came(self, upload: Upload) -> str:
        return upload.came_by

    def receipt(self, upload: Upload) -> str:
        return format_html('<a href="{}">Receipt</a>', reverse("receipt", args=[upload.pk]))


def _counted(items: QuerySet[UploadItem]) -> Coalesce:
    """Of one upload's items; by the index over upload and state, and for those on the page alone."""
    counted = items.filter(upload=OuterRef("pk")).order_by().values("upload").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _chosen(collections: QuerySet[Collection], told: str) -> Collection | None:
    """The only one where there is no choice. Raises Http404 for one that the person may not change, or that there is not."""
    if not told:
        only = list(collections[:2])
        return only[0] if len(only) == 1 else None
    pk = uuid_of(told)
    found = collections.filter(pk=pk).first() if pk else None
    if found is None:
        raise Http404
    return found
