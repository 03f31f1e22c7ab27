"""What is asked: pictures that people search with, and searches that they keep."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from webapp.accounts.models import AuditEvent, Role, Team, User

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))  # the first letter of each, and how many it has


def _oldest_kept() -> datetime:
    return timezone.now() - timedelta(days=settings.QUERY_PICTURE_DAYS)


class QueryPictureQuerySet(models.QuerySet["QueryPicture"]):
    def visible_to(self, user: User | AnonymousUser) -> QueryPictureQuerySet:
        """One's own while they are kept, and those of saved searches that one sees: a query picture belongs to no collection."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        own = Q(user=user, made_at__gte=_oldest_kept())
        seen = KeptPicture.objects.filter(query__in=SavedQuery.objects.visible_to(user))
        return self.filter(own | Q(pk__in=seen.values("picture")))

    def outdated(self) -> QueryPictureQuerySet:
        """What no saved search keeps, once its time is over or its owner is gone."""
        return self.filter(Q(made_at__lt=_oldest_kept()) | Q(user=None), kept=None)

    def light(self) -> QueryPictureQuerySet:
        """Without the pictures themselves, which a search does not need."""
        return self.defer("display", "thumbnail")


class QueryPicture(models.Model):
    """A picture that somebody searched with: its vector and small copies, never its file. Paging and describing reuse it.

    ``search``: float32 bytes of the unit vector by the encoder ``fingerprint``, None until it is encoded. ``display``: a JPEG of
    at most 1,024 px a side without metadata, to take parts of; ``width`` and ``height``: the upright picture's own, in pixels.
    ``reason``: a code of embedder.errors where it cannot be. ``user`` None: saved searches keep it, its owner is gone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)
    fingerprint = models.CharField(max_length=64)
    search = models.BinaryField(null=True)
    thumbnail = models.BinaryField(null=True)
    display = models.BinaryField(null=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=40, blank=True)
    reason_text = models.CharField(max_length=300, blank=True)

    objects = QueryPictureQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return str(self.id)


class WithDashes(models.Func):
    """A UUID as text, as str() writes it and the audit trail keeps it; SQLite holds it without its dashes."""

    template = "CAST(%(expressions)s AS text)"
    output_field = models.CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> tuple[str, Any]:
        parts = " || '-' || ".join(f"substr(%(expressions)s, {start}, {n})" for start, n in UUID_PARTS)
        return self.as_sql(compiler, connection, template=f"({parts})", **context)


class SavedQueryQuerySet(models.QuerySet["SavedQuery"]):
    def visible_to(self, user: User | AnonymousUser) -> SavedQueryQuerySet:
        """One's own, and those of one's teams; an administrator sees every team's, and nobody else's own."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.filter(Q(owner=user) | Q(team__isnull=False))
        return self.filter(Q(owner=user, team=None) | Q(team__in=user.memberships.values("team")))

    def last_used_first(self) -> SavedQueryQuerySet:
        """By what the audit trail says of them; those never opened follow, newest first."""
        opened = AuditEvent.objects.filter(action="search-opened", target_id=WithDashes(models.OuterRef("pk")))
        last = models.Subquery(opened.order_by("-at").values("at")[:1])
        return self.annotate(used_at=last).order_by(models.F("used_at").desc(nulls_last=True), "-made_at", "id")

    def editable_by(self, user: User | AnonymousUser) -> SavedQueryQuerySet:
        """One's own, and every one of a team that one owns."""
        visible = self.visible_to(user)
        if not isinstance(user, User) or user.is_superuser:
            return visible
        return visible.filter(Q(owner=user) | Q(team__in=user.memberships.filter(role=Role.OWNER).values("team")))


class SavedQuery(models.Model):
    """A question that is kept to be asked again, with the rights of whoever opens it. ``team`` None: for its owner alone.

    ``address``: the query-string without a page's place in it. ``fingerprint``: of the encoder that answered when it was saved.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    note = models.TextField(blank=True, max_length=1000)
    address = models.TextField(max_length=4000)
    fingerprint = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)

    objects = SavedQueryQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-made_at", "id"]
        verbose_name_plural = "saved queries"

    def __str__(self) -> str:
        return self.name


class KeptPicture(models.Model):
    """A query picture of a saved search: it lives as long as the search, and is seen by whoever sees that."""

    query = models.ForeignKey(SavedQuery, on_delete=models.CASCADE, related_name="pictures")
    picture = models.ForeignKey(QueryPicture, on_delete=models.CASCADE, related_name="kept")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["query", "picture"], name="one_picture_a_query")]

    def __str__(self) -> str:
        return f"{self.picture_id} of {self.query_id}"


class LinkMode(models.TextChoices):
    LIVE = "live", "asked again by whoever opens it"
    FROZEN = "frozen", "as it was when it was shared"


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def open(self) -> ShareLinkQuerySet:
        """Neither expired nor revoked, by the database's clock."""
        return self.filter(revoked_at=None, expires_at__gt=Now())

    def managed_by(self, user: User | AnonymousUser) -> ShareLinkQuerySet:
        """Those that one made, and those to searches that one may change: owners of a team revoke their team's."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        return self.filter(Q(made_by=user) | Q(query__in=SavedQuery.objects.editable_by(user)))


class ShareLink(models.Model):
    """A way to a saved query for whoever holds its token, of which only the hash is kept. It gives no right to an image.

    ``guests``: opens without an account; frozen ones only, where the site's setting allows it. ``guests_read``: they see the
    search's name, its note and the images' captions too. ``password``: of guests, a hash, or "". ``fingerprint``: of the encoder
    that answered when it was made.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    query = models.ForeignKey(SavedQuery, on_delete=models.CASCADE, related_name="links")
    sha256 = models.CharField(max_length=64, unique=True)
    mode = models.CharField(max_length=10, choices=LinkMode.choices, default=LinkMode.LIVE)
    guests = models.BooleanField(default=False)
    guests_read = models.BooleanField(default=False)
    password = models.CharField(max_length=128, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return str(self.id)


class FrozenHit(models.Model):
    """One hit of a frozen link as it was: ids and its score, never a copy of anything."""

    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="hits")
    rank = models.PositiveIntegerField()
    image_id = models.UUIDField()
    region_id = models.UUIDField()
    score = models.FloatField()
    band = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering: ClassVar = ["rank"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["link", "rank"], name="one_hit_a_rank")]

    def __str__(self) -> str:
        return f"{self.rank}: {self.image_id}"


class Watch(models.Model):
    """A user is told when new images match a saved query."""

    query = models.ForeignKey(SavedQuery, on_delete=models.CASCADE, related_name="watches")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="watches")
    by_mail = models.BooleanField(default=False)
    made_at = models.DateTimeField(auto_now_add=True)
    compared_to = models.DateTimeField(help_text="images that became searchable later are still to be compared")
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["query", "user"], name="one_watch_a_user")]

    def __str__(self) -> str:
        return f"{self.user} watches {self.query}"


class WatchMatch(models.Model):
    """A new image that a watched query found, as its watcher's rights were when it was found; shown only as they are now."""

    watch = models.ForeignKey(Watch, on_delete=models.CASCADE, related_name="matches")
    image_id = models.UUIDField()
    score = models.FloatField()
    band = models.CharField(max_length=12, blank=True)
    found_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-found_at", "-score"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["watch", "image_id"], name="one_match_an_image")]

    def __str__(self) -> str:
        return f"{self.watch_id}: {self.image_id}"


@receiver(post_delete, sender=User)
def with_their_owner(**_: object) -> None:
    """A team keeps what a former member saved for it; what was somebody's own goes with them."""
    SavedQuery.objects.filter(owner=None, team=None).delete()
    QueryPicture.objects.filter(user=None, kept=None).delete()
