"""Addresses; those that probes and Prometheus ask are answered before any of these: operating/probes.py."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from webapp.accounts.views import admin_door
from webapp.api import site

admin.site.site_header = admin.site.site_title = "Conchive"
admin.site.index_title = "Administration"

handler500 = "webapp.outages.server_error"

# one door: the admin's own form would ask for no second factor
admin.site.login = admin_door  # type: ignore[method-assign]

urlpatterns = [
    path("api/v1/", site.urls()),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
    path("", include("webapp.accounts.urls")),
    path("", include("webapp.library.media_urls")),
    path("", include("webapp.library.urls")),
    path("", include("webapp.explore.urls")),
]
