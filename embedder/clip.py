"""load_clip(): a CLIP-family checkpoint (PLIP, QuiltNet and their like) from a folder in transformers' layout.

The network is transformers' own CLIPModel, built from the folder's config.json and filled with checked tensors.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embedder.clip_folder import LEGACY_END, NO_TOKEN, Pixels, find_folder, find_weights, read_json, read_pixels, read_tokenizer
from embedder.devices import choose_device, parse_dtype
from embedder.encoder import TowerEncoder
from embedder.errors import WeightsMismatch
from embedder.preprocess import PREPROCESSING
from embedder.torchvision_shim import ensure_torchvision
from embedder.towers import Conventions
from embedder.weights import filled, hash_checked, read_state_dict

ensure_torchvision()
from transformers import CLIPConfig  # noqa: E402 - needs the shim first
from transformers.models.clip.modeling_clip import CLIPModel  # noqa: E402

# Tables of 0, 1, 2 … that older exports stored among the weights.
POSITION_NUMBERS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
# What decides the vectors and shows in no tensor's shape.
UNSHAPED = ("hidden_act", "layer_norm_eps", "num_attention_heads", "eos_token_id")


class ClipVision(nn.Module):
    """Normalised pixels -> pooled vectors [n, probe_dim]; `project` carries those into the search space."""

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.trunk = model.vision_model
        self.projection = model.visual_projection

    def forward(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.trunk(pixel_values=pixels).pooler_output
        return pooled.to(self.projection.weight.dtype)

    def project(self, probe: Tensor) -> Tensor:
        """[n, probe_dim] -> [n, dim], not yet normalised."""
        projected: Tensor = self.projection(probe)
        return projected

    def use_dtype(self, dtype: torch.dtype) -> None:
        """Computes the trunk in ``dtype``; the projection stays in float32."""
        self.trunk.to(dtype)


class ClipText(nn.Module):
    """Token rows, filled with NO_TOKEN behind the end mark -> text vectors [n, dim], not yet normalised.

    Attention is causal and the end mark is what is pooled, so that nothing behind it reaches the result.
    """

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.trunk = model.text_model
        self.projection = model.text_projection

    def forward(self, tokens: Tensor) -> Tensor:
        longest = int((tokens != NO_TOKEN).sum(dim=1).max())
        kept = tokens[:, :longest].clamp(min=0)  # 0 is the lowest number, and never taken for the end mark
        vectors: Tensor = self.projection(self.trunk(input_ids=kept).pooler_output)
        return vectors


class ClipTowers(nn.Module):
    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.logit_scale = model.logit_scale
        self.visual = ClipVision(model)
        self.text = ClipText(model)


def load_clip(
    *, weights: Path | None, tokenizer: Path | None, weights_sha256: str | None, device: str, dtype: str
) -> TowerEncoder:
    """See embedder.load_encoder. ``weights``: the folder, else $CLIP_WEIGHTS; ``tokenizer``: only where it is kept elsewhere.

    "auto" means float32: the family's members differ in what less precision costs them.
    Raises WeightsError, TokenizerError, DeviceError.
    """
    target, precision = choose_device(device), parse_dtype("float32" if dtype == "auto" else dtype)
    folder = find_folder(weights)
    config = read_config(folder)
    pixels = read_pixels(folder)
    _check_sizes(config, pixels)
    words = read_tokenizer(
        tokenizer or folder,
        context_length=config.text_config.max_position_embeddings,
        vocabulary=config.text_config.vocab_size,
        end=config.text_config.eos_token_id,
    )
    file = find_weights(folder)
    digest = hash_checked(file, weights_sha256)
    return TowerEncoder(
        ClipTowers(load_model(file, config)),
        words,
        conventions=conventions(config, pixels),
        name="clip",
        weights_sha256=digest,
        device=target,
        dtype=precision,
    )


def read_config(folder: Path) -> CLIPConfig:
    """The folder's config.json. Raises WeightsNotFound, WeightsMismatch for another family or senseless values."""
    table = read_json(folder, "config.json")
    if table.get("model_type") != "clip":
        raise WeightsMismatch(f"The folder's config.json describes a model of type {table.get('model_type')!r}, not 'clip'.")
    try:
        return CLIPConfig.from_dict(table)
    except Exception as exc:  # its validators derive from bare Exception
        raise WeightsMismatch("The folder's config.json does not describe a CLIP model: download it again.") from exc


def load_model(file: Path, config: CLIPConfig) -> CLIPModel:
    """Checked tensors in a float32 CLIPModel on the CPU. Raises WeightsError."""
    try:
        with torch.device("meta"):  # no memory and no random numbers for parameters that are replaced at once
            model = CLIPModel(config)
    except (KeyError, TypeError, ValueError, RuntimeError, ZeroDivisionError) as exc:
        raise WeightsMismatch("The folder's config.json does not describe a CLIP model: download it again.") from exc
    tensors = {name: tensor for name, tensor in read_state_dict(file).items() if name not in POSITION_NUMBERS}
    model = filled(model, tensors)
    for part in (model.text_model, model.vision_model):  # not among the weights, so still without memory
        positions = len(part.embeddings.position_embedding.weight)
        part.embeddings.position_ids = torch.arange(positions).expand(1, -1)
    return model


def conventions(config: CLIPConfig, pixels: Pixels) -> Conventions:
    return Conventions(
        image_side_px=pixels.side_px,
        patches=(pixels.side_px // config.vision_config.patch_size) ** 2,
        mean=pixels.mean,
        std=pixels.std,
        preprocessing=f"{PREPROCESSING}-mean-{_list(pixels.mean)}-std-{_list(pixels.std)}",
        projection=f"visual_projection-l2-{_unshaped_digest(config)}",
        dim=config.projection_dim,
        probe_dim=config.vision_config.hidden_size,
        pad=NO_TOKEN,
    )


def _check_sizes(config: CLIPConfig, pixels: Pixels) -> None:
    patch = config.vision_config.patch_size
    side, end, vocabulary = config.vision_config.image_size, config.text_config.eos_token_id, config.text_config.vocab_size
    if side != pixels.side_px:
        raise WeightsMismatch(f"The folder's preprocessing makes {pixels.side_px} px squares, its model reads {side} px.")
    if not isinstance(patch, int) or not 0 < patch <= side:
        raise WeightsMismatch(f"The folder's config.json names {patch!r} as the side of a patch.")
    if not isinstance(end, int) or not (end == LEGACY_END or 0 < end < vocabulary):
        raise WeightsMismatch(f"The folder's config.json names {end!r} as the end mark, which its vocabulary does not hold.")


def _unshaped_digest(config: CLIPConfig) -> str:
    """Heads, activation and the like: the same tensors under other ones make other vectors."""
    table: dict[str, Any] = {
        part: {name: getattr(values, name, None) for name in UNSHAPED}
        for part, values in (("text", config.text_config), ("vision", config.vision_config))
    }
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


def _list(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.8g}" for value in values)
