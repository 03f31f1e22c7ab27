"""What people changed about images, word by word: shown on the image's page, and undone from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from django.db import models

from webapp.accounts.models import User
from webapp.library.models.images import Image

if TYPE_CHECKING:
    from uuid import UUID


class Entry(TypedDict):
    """One thing that changed. ``field``: of the image, "further: …" for one of Image.metadata, or "caption"; None on one side of
    a caption: it was not there.

    ``caption``: its id, else "". ``about``: what a removed caption comes back with.
    """

    field: str
    caption: str
    before: Any
    after: Any
    about: dict[str, Any]


class Source(models.TextChoices):
    EDIT = "edit", "by hand"
    ACCEPTED = "accepted", "accepted from a suggestion"
    UNDO = "undo", "undone"
    TABLE = "table", "from a table"


class ImageChange(models.Model):
    """One act of one person: all entries came together and go together. The audit log only says that it happened.

    ``revision``: the image's after it. ``evidence``: of an accepted suggestion, what the model said then.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="changes")
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    revision = models.PositiveIntegerField()
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.EDIT)
    entries = models.JSONField(default=list)
    evidence = models.JSONField(default=dict, blank=True)
    undoes = models.OneToOneField("self", null=True, blank=True, on_delete=models.CASCADE, related_name="undone_by")

    class Meta:
        ordering: ClassVar = ["-revision"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["image", "revision"], name="one_change_a_revision")]

    def __str__(self) -> str:
        return f"{self.image_id} at revision {self.revision}"

    @property
    def is_undone(self) -> bool:
        return hasattr(self, "undone_by")

    def touches(self, field: str, caption: UUID | None = None) -> bool:
        wanted = str(caption) if caption else ""
        return any(entry["field"] == field and entry["caption"] == wanted for entry in self.entries)
