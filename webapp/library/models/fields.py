"""What a collection's tables may say beyond the archive's own fields, and how their columns are called."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from webapp.library.models.collections import Collection


class FieldKind(models.TextChoices):
    TEXT = "text", "text"
    CHOICE = "choice", "one of a list"
    NUMBER = "number", "number"
    DATE = "date", "date"


class FieldDefinition(models.Model):
    """One field of Image.metadata, or a closed list for one of the archive's own (stain, organ, finding).

    ``choices``: of a CHOICE, the words as they are kept. ``unit``: of a NUMBER, what it is kept in (mm, µm, years …).
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="field_definitions")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=FieldKind.choices, default=FieldKind.TEXT)
    unit = models.CharField(max_length=20, blank=True)
    choices = models.JSONField(default=list, blank=True)
    required = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["collection", "name"], name="one_definition_a_field")]

    def __str__(self) -> str:
        return self.name


class TableMapping(models.Model):
    """How a collection's tables are read, kept from the last one: ``match`` by which column, ``columns`` heading -> field."""

    class Match(models.TextChoices):
        NAME = "name", "file name"
        PATH = "path", "path below the folder"
        ID = "id", "image id"

    collection = models.OneToOneField(Collection, on_delete=models.CASCADE, related_name="table_mapping")
    match = models.CharField(max_length=10, choices=Match.choices, default=Match.PATH)
    key_column = models.CharField(max_length=200, default="file")
    columns = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"tables of {self.collection_id}"
