"""People, teams and the audit trail in Django's admin.

What allauth would show there is taken out: a row of a provider signs people in, and one of a second factor holds its secret.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from webapp.accounts import audit, limits, locking, rights, second_factors
from webapp.accounts.models import ApiToken, AuditEvent, LicenceAcceptance, Membership, Role, Team, User

admin.site.unregister([EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession])

RAISING = ("is_staff", "is_superuser", "groups", "user_permissions")
SIGNING_IN = ("username", "email")  # by which an account is entered: with them, staff could become whoever sees the images


class Recorded(admin.ModelAdmin):  # type: ignore[type-arg]
    """What is written in the admin is written down beside everything else, and not only in the admin's own log."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, "admin-added", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _record(request, "admin-changed", obj, fields=_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            _record(request, "admin-deleted", obj)
        return super().log_deletions(request, queryset)


def _record(request: HttpRequest, action: str, obj: Model, **details: object) -> None:
    actor = request.user if isinstance(request.user, User) else None
    audit.record(actor, action, obj, team=obj if isinstance(obj, Team) and action != "admin-deleted" else None, **details)


def _fields(message: Any) -> list[str]:
    """Their names, which Django tells in a list of what was done."""
    told = message if isinstance(message, list) else []
    return [str(name) for each in told for done in each.values() for name in done.get("fields", [])]


@admin.register(User)
class PeopleAdmin(Recorded, UserAdmin):  # type: ignore[type-arg]
    """Staff who may change people raise nobody, themselves least: what makes an administrator is an administrator's to give."""

    actions = ("unlock", "take_second_factors")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request)
        return people if request.user.is_superuser else people.filter(is_superuser=False)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fixed
        return (*fixed, *RAISING, *(SIGNING_IN if obj is not None else ()))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002  Django's name
        """For the same reason an administrator's to set; everybody sets their own elsewhere."""
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Both open an account to whoever has its password: for administrators, who know whom they do it for."""
        actions: dict[str, Any] = super().get_actions(request)
        return (
            actions if request.user.is_superuser else {name: told for name, told in actions.items() if name not in self.actions}
        )

    @admin.action(description="Unlock after too many failed sign-ins")
    def unlock(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for person in people:
            locking.unlock(person)
            _record(request, "unlocked", person)
        self.message_user(request, "They can try again at once.", messages.SUCCESS)

    @admin.action(description="Take their second factors away (lost phone)")
    def take_second_factors(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for person in people:
            if second_factors.take_away(person):
                _record(request, "second-factor-removed", person, kind="all")
        self.message_user(request, "They sign in by password alone until they set one up again.", messages.SUCCESS)


class KeepsAnOwner(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        had = Membership.objects.filter(team=self.instance.pk, role=Role.OWNER).exists()
        kept = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        if had and not any(each.get("role") == Role.OWNER and not each.get("DELETE") for each in kept):
            raise ValidationError("A team needs an owner.")


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    formset = KeepsAnOwner
    autocomplete_fields = ("user",)
    extra = 1


@admin.register(Team)
class TeamAdmin(Recorded):
    """All of them to administrators, to staff those that they own."""

    list_display = ("name",)
    search_fields = ("name",)
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return super().get_queryset(request).filter(pk__in=rights.teams_managed_by(request.user).values("pk"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A team's share of the disk is the site's to give."""
        return () if request.user.is_superuser else ("max_bytes", "max_files")


@admin.register(ApiToken)
class ApiTokenAdmin(Recorded):
    """Only to withdraw: a token is made where its owner can read it once."""

    list_display = ("name", "user", "made_at", "used_at")
    fields = readonly_fields = ("name", "user", "made_at", "used_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens: QuerySet[ApiToken] = super().get_queryset(request)
        return tokens if request.user.is_superuser else tokens.filter(user=request.user.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class Looked(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shown, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LicenceAcceptance)
class LicenceAcceptanceAdmin(Looked):
    """The ledger of who accepted which terms, and when."""

    list_display = ("user", "encoder", "terms_sha256", "at")
    list_filter = ("encoder",)
    search_fields = ("=user__username",)


class ByTarget(admin.SimpleListFilter):
    """Which kind of thing it was done to."""

    title = "what it was done to"
    parameter_name = "target"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = AuditEvent.objects.order_by().values_list("target_type", flat=True).distinct()
        return [(kind, kind or "nothing in particular") for kind in sorted(kinds)]

    def queryset(self, request: HttpRequest, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return events if self.value() is None else events.filter(target_type=self.value())


@admin.register(AuditEvent)
class AuditEventAdmin(Looked):
    """Read, never changed: by who, what, when and team, and as a table of what the filters leave."""

    list_display = ("at", "who", "what", "target_type", "target_id", "team", "details")
    list_filter = ("action", ByTarget, "team", ("actor", admin.RelatedOnlyFieldListFilter), "at")
    search_fields = ("=target_id", "=actor__username")
    search_help_text = "An id, or the name of a user, exactly."
    date_hierarchy = "at"
    list_select_related = ("actor", "team")
    show_full_result_count = False
    change_list_template = "admin/accounts/auditevent/change_list.html"

    @admin.display(description="who", ordering="actor__username")
    def who(self, event: AuditEvent) -> str:
        return str(event.actor) if event.actor else "nobody signed in, or someone who left"

    @admin.display(description="did what", ordering="action")
    def what(self, event: AuditEvent) -> str:
        return audit.ACTIONS.get(event.action, event.action)

    def get_urls(self) -> list[Any]:
        own = path("csv", self.admin_site.admin_view(self.as_csv), name="accounts_auditevent_csv")
        return [own, *super().get_urls()]

    def as_csv(self, request: HttpRequest) -> HttpResponseBase:
        """What the filters in the address leave, all of it, newest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        events = self.get_changelist_instance(request).get_queryset(request)
        actor = request.user if isinstance(request.user, User) else None
        limits.count("export", actor or limits.address_of(request))
        audit.record(actor, "audit-exported", filters=sorted(request.GET))
        response = StreamingHttpResponse(audit.lines_of(events), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
        response.headers["Cache-Control"] = "private, no-store"
        return response
