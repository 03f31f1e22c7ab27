"""What of Django's admin would otherwise tell of foreign collections and teams: its filters and its choices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.accounts import rights
from webapp.accounts.admin import Recorded
from webapp.accounts.models import Team
from webapp.library.models import Collection


class ByCollection(admin.SimpleListFilter):
    """Django's own would name every collection there is."""

    title, parameter_name = "collection", "collection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  Django's signature
        return [(str(pk), name) for pk, name in Collection.objects.editable_by(request.user).values_list("pk", "name")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        chosen = self.value()
        known = {value for value, _ in self.lookup_choices}
        return rows.filter(collection=chosen) if chosen in known else rows


class ByTeam(admin.SimpleListFilter):
    title, parameter_name = "team", "team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  Django's signature
        return [(str(team.pk), team.name) for team in rights.teams_edited_by(request.user)]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        chosen = self.value()
        known = {value for value, _ in self.lookup_choices}
        return rows.filter(team=chosen) if chosen in known else rows


class WithinRights(Recorded):
    """What can be chosen for a thing's collection or team is what whoever asks may change."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.remote_field.model is Collection:
            options["queryset"] = Collection.objects.editable_by(request.user)
        elif db_field.remote_field.model is Team:
            options["queryset"] = rights.teams_edited_by(request.user)
        return super().formfield_for_foreignkey(db_field, request, **options)
