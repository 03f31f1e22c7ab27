"""What looks like a patient's identity in a file's name or header: patterns that an administrator may change."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class IdentityPattern(models.Model):
    """A regular expression, searched without regard to case. ``name`` is what reviewers read, and all that is ever kept.

    ``unless``: another one; a match in which it is found is dismissed.
    """

    name = models.CharField(max_length=80, unique=True)
    pattern = models.CharField(max_length=1000)
    unless = models.CharField(max_length=1000, blank=True)
    in_names = models.BooleanField(default=True)
    in_headers = models.BooleanField(default=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
