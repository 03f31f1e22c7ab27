"""Addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from webapp.api import site
from webapp.health import healthz

admin.site.site_header = admin.site.site_title = "Conchive"
admin.site.index_title = "Administration"

handler500 = "webapp.outages.server_error"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("api/v1/", site.urls()),
    path("admin/", admin.site.urls),
    path("", include("webapp.accounts.urls")),
    path("", include("webapp.library.media_urls")),
    path("", include("webapp.library.urls")),
    path("", include("webapp.explore.urls")),
]
