"""What a request names and its user may change; anything else is answered as if it were not there."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from webapp.accounts.models import User
from webapp.library.models import Collection, Upload
from webapp.requests import uuid_of


def editable_collection(user: User, pk: UUID) -> Collection:
    """Raises Http404."""
    return get_object_or_404(Collection.objects.editable_by(user).select_related("team"), pk=pk)


def collection_named(user: User, told: str) -> Collection | None:
    """What cannot be seen is as what is not there."""
    pk = uuid_of(told)
    return Collection.objects.editable_by(user).select_related("team").filter(pk=pk).first() if pk else None


def uploads_of(user: object) -> QuerySet[Upload]:
    """Into collections that this user may change: receipts name files."""
    return Upload.objects.filter(collection__in=Collection.objects.editable_by(user))  # type: ignore[arg-type]
