"""Pairs of images that may be the same, for a person to decide on; nothing is deleted by itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from webapp.accounts.models import User
from webapp.library.models.images import Image


class Likeness(models.TextChoices):
    BYTES = "bytes", "same file"
    PIXELS = "pixels", "same pixels"
    NEAR = "near", "nearly the same"


class DuplicatePair(models.Model):
    """``first`` has the smaller id. ``cosine``: of NEAR, between their standard views. ``decided_at`` None: to be reviewed."""

    class Decision(models.TextChoices):
        KEEP_BOTH = "both", "both are kept"
        THROWN_AWAY = "one", "one is in the trash"

    first = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    likeness = models.CharField(max_length=10, choices=Likeness.choices)
    cosine = models.FloatField(null=True)
    found_at = models.DateTimeField(auto_now_add=True)
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-cosine", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["first", "second"], name="one_pair_of_two_images")]

    def __str__(self) -> str:
        return f"{self.first_id} {self.likeness} {self.second_id}"
