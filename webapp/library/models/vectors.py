"""Vectors in SQL: a lost index is rebuilt from them without an encoder."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from django.db import models
from django.db.models import Q
from numpy.typing import NDArray

from webapp.library.models.images import Region


def to_bytes(vector: NDArray[np.float32]) -> bytes:
    """float32 [dim] -> little-endian bytes."""
    return np.ascontiguousarray(vector, "<f4").tobytes()


def from_bytes(stored: bytes | memoryview) -> NDArray[np.float32]:
    """Bytes -> float32 [dim]."""
    return np.frombuffer(bytes(stored), "<f4").astype(np.float32)


class Embedding(models.Model):
    """One region seen by one encoder. ``search``: unit vector; ``probe``: before projection and normalisation.

    ``indexed_at``: when the index had acknowledged its point; None: still to be sent. ``compared_at``: when its image was
    compared with the others, for near duplicates; None: still to be.
    """

    region = models.ForeignKey(Region, on_delete=models.CASCADE, related_name="embeddings")
    fingerprint = models.CharField(max_length=64, db_index=True)
    search = models.BinaryField()
    probe = models.BinaryField()
    made_at = models.DateTimeField(auto_now_add=True)
    indexed_at = models.DateTimeField(null=True, blank=True)
    compared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["region", "fingerprint"], name="one_vector_a_region_and_encoder")
        ]
        indexes: ClassVar = [
            models.Index(fields=["fingerprint", "indexed_at"], name="points_to_send"),
            models.Index(fields=["fingerprint"], condition=Q(compared_at=None), name="images_to_compare"),
        ]

    def __str__(self) -> str:
        return f"{self.region_id} by {self.fingerprint[:8]}"


class TextEmbedding(models.Model):
    """One text (or one term with its synonyms and templates) read by one encoder; ``key`` is text_key's."""

    key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    search = models.BinaryField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "fingerprint"], name="one_vector_a_text_and_encoder")]

    def __str__(self) -> str:
        return f"{self.key[:8]} by {self.fingerprint[:8]}"


class KnownEncoder(models.Model):
    """An encoder that has filled an index. ``is_target``: the one that every image is to be embedded with now.

    ``name`` is load_encoder's, so that the encoder of an older index can still be loaded to answer queries.
    """

    fingerprint = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=20)
    dim = models.PositiveSmallIntegerField()
    spec = models.JSONField(default=dict)
    is_target = models.BooleanField(default=False)
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["is_target"], condition=Q(is_target=True), name="one_target_encoder")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint[:8]}"
