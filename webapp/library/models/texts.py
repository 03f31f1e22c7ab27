"""Vocabularies: terms that an image can be described with."""

from __future__ import annotations

import hashlib
import unicodedata
import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from webapp.accounts.models import Team, User

if TYPE_CHECKING:
    from webapp.library.models.collections import Viewer


def text_key(text: str) -> str:
    """The same for texts that differ in space, case or composition only: one vector serves them all."""
    plain = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    return hashlib.sha256(plain.encode()).hexdigest()


class TermKind(models.TextChoices):
    ORGAN = "organ", "organ"
    TISSUE = "tissue", "tissue type"
    STAIN = "stain", "stain"
    FINDING = "finding", "finding"


class VocabularyQuerySet(models.QuerySet["Vocabulary"]):
    def visible_to(self, user: Viewer) -> VocabularyQuerySet:
        """The bundled vocabulary and those of one's own teams."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self
        return self.filter(Q(team=None) | Q(team__in=user.memberships.values("team")))


class Vocabulary(models.Model):
    """``team`` None: bundled, seen by everyone signed in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="vocabularies")
    name = models.CharField(max_length=120)

    objects = VocabularyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name_plural = "vocabularies"

    def __str__(self) -> str:
        return self.name


class Term(models.Model):
    """``synonyms``: other ways to say it; all of them, in every prompt template of its kind, make its vector."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vocabulary = models.ForeignKey(Vocabulary, on_delete=models.CASCADE, related_name="terms")
    kind = models.CharField(max_length=10, choices=TermKind.choices, default=TermKind.FINDING)
    text = models.CharField(max_length=200)
    synonyms = models.JSONField(default=list, blank=True)
    key = models.CharField(max_length=64, db_index=True, editable=False)
    indexed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["kind", "text"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["vocabulary", "kind", "text"], name="one_term_a_vocabulary")]

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> list[str]:
        return [self.text, *self.synonyms]

    def save(self, *arguments: object, **options: object) -> None:
        key = text_key("|".join([self.kind, *self.names]))
        if key != self.key:
            self.key, self.indexed_at = key, None
        super().save(*arguments, **options)  # type: ignore[arg-type]
