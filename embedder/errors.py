"""What can go wrong between a file or a prompt and its vector; each says one sentence a lab user understands.

Every error carries ``reason``, a short stable code that other rooms store and count. The sentence is for people and may change.
"""

from __future__ import annotations


class EmbedderError(Exception):
    """Base of everything this room raises on purpose."""

    reason = "embedder_error"


# --- images: one file is at fault, its batch mates are not ---------------------------------------------------------


class ImageError(EmbedderError):
    """This file cannot become a picture that the encoder may see."""

    reason = "unreadable"


class UnsupportedType(ImageError):
    """The content is not one of the formats we read (whatever the name says)."""

    reason = "unsupported_type"


class UnsupportedChannels(ImageError):
    """The pixels are not grey, RGB, CMYK or the like: for example five fluorescence channels."""

    reason = "unsupported_channels"


class EmptyFile(ImageError):
    """Zero bytes."""

    reason = "empty"


class TruncatedImage(ImageError):
    """The file ends before its pixels do."""

    reason = "truncated"


class CorruptImage(ImageError):
    """The format is known, but what it holds cannot be decoded."""

    reason = "corrupt"


class TooManyBytes(ImageError):
    reason = "too_many_bytes"


class TooManyPixels(ImageError):
    reason = "too_many_pixels"


class TooManyFrames(ImageError):
    reason = "too_many_frames"


class TooManyPages(ImageError):
    reason = "too_many_pages"


class NoSuchPage(ImageError):
    """A page is asked for that the file does not have."""

    reason = "no_such_page"


class ImageTooSmall(ImageError):
    reason = "too_small"


class ImageTooElongated(ImageError):
    reason = "too_elongated"


class WholeSlideImage(ImageError):
    """A pyramidal slide: it is cut into tiles, never embedded whole."""

    reason = "whole_slide"


class LabelOnly(ImageError):
    """All that the file shows is a slide's label or an overview with the label on it: never pictured, it may name a patient."""

    reason = "label_only"


class DecoderCrashed(ImageError):
    """The decoder process died on this file (killed by a signal, or out of memory without saying so)."""

    reason = "decoder_crash"


class DecoderTimedOut(ImageError):
    reason = "timeout"


class DecoderOutOfMemory(ImageError):
    reason = "memory"


# --- checkpoints and tokenizers: nobody's file is at fault, the installation is ------------------------------------


class WeightsError(EmbedderError):
    """The checkpoint cannot be used."""

    reason = "weights"


class WeightsNotFound(WeightsError):
    reason = "weights_not_found"


class WeightsTruncated(WeightsError):
    """The file is incomplete or is no checkpoint at all."""

    reason = "weights_truncated"


class WeightsNotPlain(WeightsError):
    """A pickle that holds more than tensors: it could run code, so it is not opened."""

    reason = "weights_not_plain"


class WeightsHashMismatch(WeightsError):
    reason = "weights_hash"


class WeightsMismatch(WeightsError):
    """Tensors are missing, unexpected or of another shape."""

    reason = "weights_mismatch"


class WeightsDegenerate(WeightsError):
    """Tensors are zero-filled or not finite."""

    reason = "weights_degenerate"


class AccessNotGranted(WeightsError):
    """The hub refuses the gated weights to this token."""

    reason = "weights_access"


class HubUnreachable(WeightsError):
    """The hub did not answer, or not to the end: nothing is wrong with the request."""

    reason = "hub_unreachable"


class TokenizerError(EmbedderError):
    reason = "tokenizer"


class SelfTestFailed(EmbedderError):
    """The loaded encoder does not compute the vectors stored for its fingerprint."""

    reason = "self_test"


class GoldenMismatch(EmbedderError):
    """Expected vectors cannot be compared with this encoder, or differ from what it computes."""

    reason = "golden"


# --- the machine ---------------------------------------------------------------------------------------------------


class DeviceError(EmbedderError):
    """The device is absent, or too small for even one image or prompt."""

    reason = "device"


class SandboxUnavailable(EmbedderError):
    """No decoder process can be started: nobody's file is at fault, and waiting or repairing the installation helps."""

    reason = "sandbox"


class BadPattern(EmbedderError):
    """A regular expression does not compile; the sentence says why."""

    reason = "bad_pattern"


class MissingDependency(EmbedderError):
    """An optional package is not installed (the web process runs without torch)."""

    reason = "missing_dependency"
