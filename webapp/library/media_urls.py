"""Addresses of the pictures."""

from __future__ import annotations

from django.urls import path

from webapp.library import media

urlpatterns = [
    path("images/<uuid:image_id>/thumbnail", media.thumbnail, name="thumbnail"),
    path("images/<uuid:image_id>/display", media.display, name="display"),
    path("trash/<uuid:image_id>/thumbnail", media.trashed_thumbnail, name="trashed-thumbnail"),
    path("images/<uuid:image_id>/original", media.original, name="original"),
]
