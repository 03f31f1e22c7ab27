"""Uploads: one row a file from second zero, so that the receipt always adds up."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from webapp.accounts.models import User
from webapp.library.models.collections import Collection
from webapp.library.models.images import Image


class ItemState(models.TextChoices):
    """What became of the file's bytes; an accepted file's further way is its image's state.

    An archive is received, then unpacked: its members have rows of their own, and the receipt counts those instead of it.
    """

    PENDING = "pending", "not received yet"
    RECEIVED = "received", "being unpacked"
    UNPACKED = "unpacked", "unpacked"
    ATTACHED = "attached", "read beside its images"
    ACCEPTED = "accepted", "accepted"
    DUPLICATE = "duplicate", "already there"
    FAILED = "failed", "refused"
    CANCELLED = "cancelled", "cancelled"


class Kind(models.TextChoices):
    """What a line of an upload stands for."""

    FILE = "file", "a file"
    ARCHIVE = "archive", "an archive of files"
    PAGE = "page", "a further page of a file"
    SIDECAR = "sidecar", "words beside an image"
    TABLE = "table", "a table about the images"


CAME_BY = {
    "form": "on the upload page",
    "admin": "in the admin",
    "api": "by the API",
    "tus": "by a tus client",
    "command": "by a command",
    "import": "from a folder of this machine",
    "demo": "drawn for the demo",
}


class Upload(models.Model):
    """``defaults``: metadata for every file of it that brings none of its own. ``cancelled_at``: nothing more is taken in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="uploads")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="uploads")
    source = models.CharField(max_length=10, default="form")  # a key of CAME_BY
    defaults = models.JSONField(default=dict, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    table_errors = models.JSONField(default=list, blank=True, help_text="rows of its table that were not taken, and why")

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def came_by(self) -> str:
        """Its source, for people."""
        return CAME_BY.get(self.source, self.source)


class UploadItem(models.Model):
    """``image``: the new image, or the one that the file is a duplicate of. ``parent``: the archive or file that it came out of.

    ``key`` is its address for the transfer; ``metadata`` what a table or a file beside it says of it; ``sha256`` as the sender
    announced it, then as it was received.
    """

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="items")
    name = models.CharField(max_length=1024)
    bytes = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FILE)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="members")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=ItemState.choices, default=ItemState.PENDING)
    reason = models.CharField(max_length=40, blank=True)
    reason_text = models.CharField(max_length=300, blank=True)
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="upload_items")
    made_at = models.DateTimeField(auto_now_add=True)
    received_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["upload", "state"], name="counts_an_upload")]

    def __str__(self) -> str:
        return f"{self.pk}: {self.state}"
