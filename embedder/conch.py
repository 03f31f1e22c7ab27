"""load_conch(): CONCH's released checkpoint and tokenizer, from files that the lab fetched itself."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from embedder.devices import choose_device, parse_dtype
from embedder.encoder import ConchEncoder
from embedder.errors import TokenizerError
from embedder.files import chosen_path
from embedder.model import CONCH
from embedder.tokenizer import PromptTokenizer
from embedder.towers import TokenReader
from embedder.weights import find_file, hash_checked, load_towers, read_state_dict

HINT = " The weights are gated: `python -m embedder fetch` gets them with your own access token."
TOKENIZER_IN_PACKAGE = "open_clip_custom/tokenizers/conch_byte_level_bpe_uncased.json"


def load_conch(
    *, weights: Path | None, tokenizer: Path | None, weights_sha256: str | None, device: str, dtype: str
) -> ConchEncoder:
    """See embedder.load_encoder. Raises WeightsError, TokenizerError, DeviceError."""
    choose_device(device)  # an absent one is told before anything is read
    file = find_weights(weights)
    words = PromptTokenizer(find_tokenizer(tokenizer), context_length=CONCH.context_length, vocabulary=CONCH.vocabulary)
    return load_with(words, file, weights_sha256=weights_sha256, device=device, dtype=dtype)


def load_with(words: TokenReader, file: Path, *, weights_sha256: str | None, device: str, dtype: str) -> ConchEncoder:
    """The checkpoint in ``file`` behind any tokenizer. Raises WeightsError, DeviceError."""
    target, precision = choose_device(device), parse_dtype(dtype)
    digest = hash_checked(file, weights_sha256)
    towers = load_towers(read_state_dict(file), CONCH)
    return ConchEncoder(towers, words, name="conch", weights_sha256=digest, device=target, dtype=precision)


def find_weights(path: Path | None) -> Path:
    """The file given, or the one in $CONCH_WEIGHTS. Raises WeightsNotFound with what to do."""
    return find_file(path, variable="CONCH_WEIGHTS", what="CONCH checkpoint", hint=HINT)


def find_tokenizer(path: Path | None) -> Path:
    """The file given, the one in $CONCH_TOKENIZER, or the one inside an installed `conch` package."""
    configured = chosen_path(path, "CONCH_TOKENIZER")
    if configured is not None:
        return configured
    package = find_spec("conch")
    for folder in (package.submodule_search_locations or []) if package else []:
        inside = Path(folder) / TOKENIZER_IN_PACKAGE
        if inside.is_file():
            return inside
    raise TokenizerError("No CONCH tokenizer is configured: give its path or set CONCH_TOKENIZER.")
