"""The archive in Django's admin, to look at and to act on many at once: for superusers, and for staff in collections that they
may change. What is written here is written down.

Uploads, vectors and regions are shown and never edited: they follow from files.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webapp.accounts import rights
from webapp.accounts.admin import Looked, Recorded
from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import bulk_jobs, editing, identity, leases
from webapp.library.admin_rights import ByCollection, ByTeam, WithinRights
from webapp.library.bulk_jobs import MOST_NAMED, TooMany, Which
from webapp.library.models import Caption, Collection, IdentityPattern, Image, KnownEncoder, Term, Upload, Vocabulary
from webapp.library.upload_admin import UploadAdmin


@admin.register(Collection)
class CollectionAdmin(WithinRights):
    list_display = ("name", "team", "visibility", "made_by", "made_at")
    list_filter = ("visibility", ByTeam)
    search_fields = ("name",)
    fields = ("team", "name", "description", "visibility", "made_by", "made_at")
    readonly_fields = ("made_by", "made_at")  # who made it sees it where it is private: no right to be given by a form

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:
        if not change and isinstance(request.user, User):
            obj.made_by = request.user
        super().save_model(request, obj, form, change)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        """A staff account alone opens none."""
        return super().get_queryset(request).filter(pk__in=Collection.objects.editable_by(request.user).values("pk"))

    def has_delete_permission(self, request: HttpRequest, obj: Collection | None = None) -> bool:
        """An empty one only: images are deleted as images, with their files and points."""
        return super().has_delete_permission(request, obj) and obj is not None and not obj.images.exists()


class CaptionInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Caption
    fields = ("text", "made_by")
    readonly_fields = ("made_by",)
    extra = 0


@admin.register(Image)
class ImageAdmin(WithinRights):
    list_display = ("id", "name", "collection", "state", "reason", "stain", "organ", "case", "stored_at")
    list_filter = ("state", "reason", ByCollection)
    search_fields = ("=id", "name", "=sha256", "=case")
    list_select_related = ("collection",)
    show_full_result_count = False
    fields = (
        "collection",
        "name",
        "stain",
        "organ",
        "finding",
        "case",
        "slide",
        "mpp",
        "tags",
        "metadata",
        "state",
        "reason_text",
    )
    readonly_fields = ("state", "reason_text")
    inlines = (CaptionInline,)
    actions = ("retry_failed", "embed_again", "throw_away")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        images: QuerySet[Image] = super().get_queryset(request)
        return images.filter(collection__in=Collection.objects.editable_by(request.user))

    def change_view(self, request: HttpRequest, object_id: str, *arguments: Any, **named: Any) -> HttpResponse:
        seen = self.get_object(request, object_id) if request.method == "GET" else None
        if seen is not None and self.has_view_permission(request, seen) and isinstance(request.user, User):
            record(request.user, "view", seen, team=seen.collection.team, admin=True)
        return super().change_view(request, object_id, *arguments, **named)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # files come in by upload

    def has_delete_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        return False  # by the trash, which takes files and points along

    def save_model(self, request: HttpRequest, obj: Image, form: Any, change: bool) -> None:
        before = Image.objects.filter(pk=obj.pk).values(*editing.FIELDS).first() or {}
        super().save_model(request, obj, form, change)
        leases.unsent([obj.pk])
        if isinstance(request.user, User):
            editing.noted(obj, before, user=request.user)

    @admin.action(description="Try the failed ones again")
    def retry_failed(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        _start(self, request, bulk_jobs.RETRY, images)

    @admin.action(description="Embed again; they stay searchable meanwhile")
    def embed_again(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        _start(self, request, bulk_jobs.REEMBED, images)

    @admin.action(description="Throw away: they can be brought back from the trash")
    def throw_away(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        _start(self, request, bulk_jobs.THROW_AWAY, images)


def _start(page: admin.ModelAdmin, request: HttpRequest, kind: str, images: QuerySet[Image]) -> None:  # type: ignore[type-arg]
    """A job on the chosen images, of which it changes those that whoever asked may change; the message leads to it."""
    if not isinstance(request.user, User):
        return
    try:
        job = Which(images=list(images.order_by().values_list("pk", flat=True)[: MOST_NAMED + 1])).start(kind, user=request.user)
    except TooMany:
        page.message_user(
            request, f"At most {MOST_NAMED:,} at a time: choose by upload, or on the collection's page.", messages.ERROR
        )
        return
    record(request.user, f"job-{kind}", None, job=str(job.pk), images=len(job.arguments["images"]))
    page.message_user(request, _told(), messages.SUCCESS)


def _told() -> SafeString:
    return format_html('Begun. How far it is stands under <a href="{}">long work</a>.', reverse("jobs"))


class PatternForm(forms.ModelForm):  # type: ignore[type-arg]
    """``example``: a text to try the pattern on; it is never kept. ``tried``: what came of it, where it was only tried."""

    example = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "autocomplete": "off"}),
        help_text="A text to try the pattern on. It is not kept.",
    )

    class Meta:
        model = IdentityPattern
        fields = ("name", "pattern", "unless", "in_names", "in_headers", "enabled")
        widgets: ClassVar = {name: forms.Textarea(attrs={"rows": 4, "cols": 80}) for name in ("pattern", "unless")}
        help_texts: ClassVar = {
            "name": "What reviewers read beside the place where it was found.",
            "pattern": "A regular expression in RE2's syntax, searched without regard to case.",
            "unless": "Another one: what was found does not count where this is found in it.",
        }

    tried = ""

    def clean(self) -> dict[str, Any]:
        told: dict[str, Any] = super().clean() or self.cleaned_data
        pattern, unless = told.get("pattern", ""), told.get("unless", "")
        if pattern and (fault := identity.fault_of(pattern, unless)):
            raise forms.ValidationError(fault)
        if IdentityPattern.objects.exclude(pk=self.instance.pk).count() >= identity.MOST_PATTERNS:
            raise forms.ValidationError(f"There are at most {identity.MOST_PATTERNS} patterns.")
        if "_try" in self.data and pattern:
            found = identity.example_found(pattern, unless, told.get("example", ""))
            self.tried = "The example would be held." if found else "Nothing is found in the example."
            self.add_error("example", self.tried)  # keeps it from being saved; render_change_form shows it as what it is
        return told


@admin.register(IdentityPattern)
class IdentityPatternAdmin(Recorded):
    form = PatternForm
    change_form_template = "admin/library/identitypattern/change_form.html"
    list_display = ("name", "in_names", "in_headers", "enabled")
    list_editable = ("in_names", "in_headers", "enabled")
    fields = ("name", "pattern", "unless", "example", "in_names", "in_headers", "enabled")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any) -> HttpResponse:
        form = context["adminform"].form
        if form.is_bound and form.tried:
            form.errors.pop("example", None)
            context["errors"] = []
            messages.info(request, f"{form.tried} Nothing was saved.")
        return super().render_change_form(request, context, *arguments, **options)

    def save_model(self, request: HttpRequest, obj: IdentityPattern, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        actor = request.user if isinstance(request.user, User) else None
        record(actor, "identity-pattern-changed", obj, fields=list(form.changed_data))

    def delete_model(self, request: HttpRequest, obj: IdentityPattern) -> None:
        record(request.user if isinstance(request.user, User) else None, "identity-pattern-deleted", obj)
        super().delete_model(request, obj)


admin.site.register(Upload, UploadAdmin)


class TermInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Term
    fields = ("kind", "text", "synonyms")
    extra = 1


@admin.register(Vocabulary)
class VocabularyAdmin(WithinRights):
    """All to administrators, to staff those of teams that they edit in."""

    list_display = ("name", "team")
    inlines = (TermInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Vocabulary]:
        words: QuerySet[Vocabulary] = super().get_queryset(request)
        return words if request.user.is_superuser else words.filter(team__in=rights.teams_edited_by(request.user))


@admin.register(KnownEncoder)
class KnownEncoderAdmin(Looked):
    list_display = ("name", "fingerprint", "is_target", "seen_at")
