"""Images, the regions that vectors stand for, and captions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from webapp.accounts.models import User
from webapp.library.models.collections import Collection
from webapp.library.models.texts import text_key

if TYPE_CHECKING:
    from webapp.library.models.collections import Viewer


class State(models.TextChoices):
    """An image moves down this list; ready and failed are where it stays, held where it waits for a person, trashed for its end.

    Held: its name or header looks like a patient's; only editors see it until one of them releases it. Trashed: nobody sees it
    but editors in the trash, who may bring it back until it is deleted for good.
    """

    STORED = "stored", "waiting to be decoded"
    HELD = "held", "held for review"
    DECODED = "decoded", "waiting for its embedding"
    EMBEDDED = "embedded", "being added to the index"
    READY = "ready", "searchable"
    FAILED = "failed", "failed"
    TRASHED = "trashed", "in the trash"


AT_REST = (State.HELD, State.FAILED, State.TRASHED)  # nothing is done until a person says so
REPLACEABLE = (State.FAILED, State.TRASHED)  # the same file may come in again beside an image in one of these


class Kept(models.TextChoices):
    """What files.original() holds of an image: the bytes as they came, those encrypted, or a PNG of nothing but its pixels."""

    ORIGINAL = "original", "the original file"
    ENCRYPTED = "encrypted", "the original file, encrypted"
    PIXELS = "pixels", "the pixels alone"


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: Viewer) -> ImageQuerySet:
        """Nothing from the trash; what is held for review only to those who may review it."""
        seen = self.exclude(state=State.TRASHED).filter(collection__in=Collection.objects.visible_to(user))
        return seen.filter(~Q(state=State.HELD) | Q(collection__in=Collection.objects.editable_by(user)))

    def editable_by(self, user: Viewer) -> ImageQuerySet:
        return self.exclude(state=State.TRASHED).filter(collection__in=Collection.objects.editable_by(user))

    def held_for(self, user: Viewer) -> ImageQuerySet:
        """What ``user`` may review: release, or throw away."""
        return self.filter(state=State.HELD, collection__in=Collection.objects.editable_by(user))

    def trash_of(self, user: Viewer) -> ImageQuerySet:
        """What ``user`` may bring back, or delete for good."""
        return self.filter(state=State.TRASHED, collection__in=Collection.objects.editable_by(user))

    def history_visible_to(self, user: Viewer) -> ImageQuerySet:
        """Whose changes name people: for members of the team, not for everyone whom a collection is open to."""
        visible = self.visible_to(user)
        if not isinstance(user, User) or user.is_superuser:
            return visible
        return visible.filter(collection__team__in=user.memberships.values("team"))

    def ready(self) -> ImageQuerySet:
        return self.filter(state=State.READY)


class Image(models.Model):
    """One uploaded picture. ``sha256`` is of the file, ``pixels_sha256`` of the decoded RGB bytes; sizes in pixels, mpp in µm.

    ``lease_until`` and ``attempts`` guard the work on it: pipeline.py.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="images")
    added_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=255, help_text="the file's own name; seen by editors only")
    sha256 = models.CharField(max_length=64, db_index=True)
    pixels_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    bytes = models.BigIntegerField()
    format = models.CharField(max_length=12, blank=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    mode = models.CharField(max_length=20, blank=True)
    mpp = models.FloatField(null=True, blank=True)
    stain = models.CharField(max_length=80, blank=True, db_index=True)
    organ = models.CharField(max_length=80, blank=True, db_index=True)
    finding = models.CharField(max_length=120, blank=True)
    case = models.CharField(max_length=80, blank=True, db_index=True)
    slide = models.CharField(max_length=80, blank=True)
    tags = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    revision = models.PositiveIntegerField(default=0, editable=False, help_text="counts the changes that people made")
    kept = models.CharField(max_length=10, choices=Kept.choices, default=Kept.ORIGINAL, editable=False)
    page = models.PositiveIntegerField(null=True, editable=False, help_text="of a file with several pages, from 1")

    state = models.CharField(max_length=10, choices=State.choices, default=State.STORED)
    reason = models.CharField(max_length=40, blank=True, help_text="why it failed: a code of embedder.errors or pipeline.py")
    reason_text = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    stored_at = models.DateTimeField(auto_now_add=True)
    decoded_at = models.DateTimeField(null=True, blank=True)
    embedded_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    found_identity = models.JSONField(default=list, blank=True, help_text="[place, pattern's name] pairs, never what was found")
    reviewed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    trashed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    trashed_at = models.DateTimeField(null=True, blank=True)
    trashed_from = models.CharField(max_length=10, blank=True, editable=False, help_text="the state it was thrown away in")

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-stored_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["collection", "sha256"],
                condition=~Q(state__in=["failed", "trashed"]),
                name="one_image_of_the_same_bytes_a_collection",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "lease_until"], name="work_to_do"),
            models.Index(fields=["collection", "state"], name="counts_a_collection"),
            models.Index(fields=["collection", "bytes"], name="weighs_a_collection"),  # a team's use, without its rows
            models.Index(fields=["collection", "name"], name="names_in_a_collection"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Region(models.Model):
    """What one vector stands for: a box in the upright image's own pixels. ``id`` is uuid5(image, box).

    ``standard``: the view that the model's own preprocessing takes; the others are tiles of a large or long image.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="regions")
    left = models.PositiveIntegerField()
    top = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    standard = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["-standard", "top", "left"]

    def __str__(self) -> str:
        return f"{self.width}×{self.height} at {self.left},{self.top}"

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @staticmethod
    def id_of(image: uuid.UUID, box: tuple[int, int, int, int]) -> uuid.UUID:
        return uuid.uuid5(image, ",".join(map(str, box)))


class Caption(models.Model):
    """A sentence about an image: searchable itself, and what image → text answers with."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="captions")
    text = models.TextField()
    key = models.CharField(max_length=64, db_index=True, editable=False)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    indexed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["made_at"]

    def __str__(self) -> str:
        return self.text[:80]

    def save(self, *arguments: object, **options: object) -> None:
        key = text_key(self.text)
        if key != self.key:
            self.key, self.indexed_at = key, None
        super().save(*arguments, **options)  # type: ignore[arg-type]
