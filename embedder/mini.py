"""load_mini(): an encoder exported by embedder.training; without a path, the demonstration encoder that ships with the code."""

from __future__ import annotations

from pathlib import Path

from embedder.devices import choose_device, parse_dtype
from embedder.encoder import ConchEncoder
from embedder.errors import WeightsNotFound
from embedder.tokenizer import PromptTokenizer
from embedder.weights import config_from_metadata, hash_checked, load_towers, read_metadata, read_state_dict

DATA = Path(__file__).parent / "data"
BUNDLED_WEIGHTS = DATA / "mini.safetensors"
BUNDLED_TOKENIZER = DATA / "mini_tokenizer.json"


def load_mini(
    *, weights: Path | None, tokenizer: Path | None, weights_sha256: str | None, device: str, dtype: str
) -> ConchEncoder:
    """See embedder.load_encoder. Raises WeightsError, TokenizerError, DeviceError.

    "auto" means float32 here: so small a network gains nothing from less, and its vectors stay the same on every machine.
    """
    target, precision = choose_device(device), parse_dtype("float32" if dtype == "auto" else dtype)
    file = find_weights(weights)
    digest = hash_checked(file, weights_sha256)
    config = config_from_metadata(read_metadata(file))
    words = PromptTokenizer(tokenizer or BUNDLED_TOKENIZER, context_length=config.context_length, vocabulary=config.vocabulary)
    towers = load_towers(read_state_dict(file), config)
    return ConchEncoder(towers, words, name="mini", weights_sha256=digest, device=target, dtype=precision)


def find_weights(path: Path | None) -> Path:
    """The file given, or the bundled one. Raises WeightsNotFound."""
    file = path or BUNDLED_WEIGHTS
    if not file.is_file():
        raise WeightsNotFound("The mini encoder's weights are not at the configured path: reinstall, or check the path.")
    return file
