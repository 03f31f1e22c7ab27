"""What a person asks with -> unit vectors: here (embedded), or by the queue "query" so that the web process needs no torch."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from embedder import errors
from webapp import hints, wiring
from webapp.explore import batching, remote, warmup
from webapp.explore.asking import BadQuery
from webapp.explore.warmup import ready_encoder, warm_up
from webapp.library.models import KnownEncoder, text_key
from webapp.outages import Outage

if TYPE_CHECKING:
    from PIL import Image

    from embedder import Encoder

__all__ = ["EncodedText", "PictureRefused", "encode_query", "encode_query_image", "encoder_state", "warm_up"]

Array = NDArray[np.float32]
ENCODERS = ("mini", "conch", "clip", "fake")
CACHED_S = 7 * 24 * 3600


@dataclass(frozen=True, eq=False)
class EncodedText:
    """``vector``: float32 [dim], unit. ``cut``: the tail of the words that the encoder does not read, "" mostly."""

    vector: Array
    cut: str = ""


class PictureRefused(BadQuery):
    """A query picture that cannot be read. ``reason``: a code of embedder.errors."""


def encode_query(texts: Sequence[str], *, fingerprint: str) -> list[EncodedText]:
    """Each text's vector by the encoder with ``fingerprint``, from the cache where it was asked before.

    Raises Outage where that encoder is loading, absent, another one, or too slow.
    """
    keys = [_cache_key(text, fingerprint) for text in texts]
    known = hints.known(keys)
    missing = {key: plain(text) for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing and settings.ENCODE_QUERIES_HERE:
        known |= encode_and_cache(missing, encoder=wanted_encoder(fingerprint))
    elif missing:
        known |= remote.texts(missing, fingerprint=fingerprint)
    return [_unpacked(known[key]) for key in keys]


def encode_and_cache(missing: dict[str, str], *, encoder: Encoder) -> dict[str, tuple[bytes, str]]:
    """Cache key -> text becomes cache key -> (vector's bytes, cut tail), which is what the cache holds."""
    vectors = batching.encode_texts(encoder, list(missing.values()))
    fresh = {
        key: (vector.astype("<f4").tobytes(), encoder.cut_text(text))
        for (key, text), vector in zip(missing.items(), vectors, strict=True)
    }
    hints.remember(fresh, kept_s=CACHED_S)
    return fresh


def encode_query_image(data: bytes, *, fingerprint: str) -> tuple[Array, Image.Image]:
    """A picture's bytes -> float32 [dim], unit, and the decoded picture; here, whatever the settings say.

    Raises PictureRefused, Outage.
    """
    encoder = wanted_encoder(fingerprint)
    picture = decoded(data)
    vector: Array = encoder.encode_images([picture])[0]
    return vector, picture


def encode_pixels(picture: Image.Image, *, fingerprint: str) -> Array:
    """A decoded RGB picture -> float32 [dim], unit; here, whatever the settings say. Raises Outage."""
    vector: Array = wanted_encoder(fingerprint).encode_images([picture])[0]
    return vector


def encoder_state() -> str:
    """ "loading", "ready" or "failed: reason", of whichever process encodes queries."""
    return warmup.state_here() if settings.ENCODE_QUERIES_HERE else remote.encoder_state()


def plain(text: str) -> str:
    """What the encoder reads: one composition, single spaces; text_key() names texts that are alike."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def decoded(data: bytes) -> Image.Image:
    """Upright RGB, by the sandbox. Raises PictureRefused, Outage."""
    try:
        return wiring.get_sandbox().open_rgb(data, limits=wiring.decode_limits())
    except errors.ImageError as exc:
        raise PictureRefused(exc.reason, str(exc)) from exc
    except errors.SandboxUnavailable as exc:
        raise Outage("Pictures cannot be read just now.", detail=str(exc)) from exc


def wanted_encoder(fingerprint: str) -> Encoder:
    """The configured encoder, or the one whose index still answers while the configured one's is being filled.

    Raises Outage where neither has this fingerprint: a search never mixes two.
    """
    encoder = ready_encoder(timeout_s=settings.QUERY_TIMEOUT_S)
    if encoder.spec.fingerprint == fingerprint:
        warmup.drop_former()
        return encoder
    former = KnownEncoder.objects.filter(fingerprint=fingerprint).exclude(name=settings.CONCHIVE_ENCODER).first()
    if former is not None and former.name in ENCODERS:
        encoder = ready_encoder(former.name, timeout_s=settings.QUERY_TIMEOUT_S)
    if encoder.spec.fingerprint != fingerprint:
        raise Outage(
            "The archive is being re-indexed for another encoder.",
            detail="Searching by words or by a new picture works again when all images have been read anew.",
            still_works=warmup.STILL_WORKS,
        )
    return encoder


def _cache_key(text: str, fingerprint: str) -> str:
    return f"query:{fingerprint}:{text_key(text)}"


def _unpacked(stored: tuple[bytes, str]) -> EncodedText:
    return EncodedText(np.frombuffer(stored[0], "<f4").astype(np.float32), stored[1])
