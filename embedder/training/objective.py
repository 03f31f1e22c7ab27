"""CoCa: a dual tower and, for training only, a captioner whose loss makes the vision trunk keep what words describe.

After Yu et al., "CoCa: Contrastive Captioners are Image-Text Foundation Models", TMLR 2022. The captioner never leaves training.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedder.model import PAD, AttentionalPooler, DualTower, FeedForward, ModelConfig, SelfAttention

MAX_LOG_SCALE = math.log(100.0)  # a hotter softmax only makes training unstable


class Losses(NamedTuple):
    """``total`` = contrastive + weight × captioning, all scalars."""

    total: Tensor
    contrastive: Tensor
    captioning: Tensor


class DecoderBlock(nn.Module):
    """Pre-norm block: words see earlier words, then the image, then themselves."""

    def __init__(self, *, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.ln_words = nn.LayerNorm(width)
        self.words = SelfAttention(width, heads)
        self.ln_cross = nn.LayerNorm(width)
        self.cross = nn.MultiheadAttention(width, heads, kdim=context_width, vdim=context_width, batch_first=True)
        self.ln_mlp = nn.LayerNorm(width)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor, image: Tensor, causal: Tensor) -> Tensor:
        x = x + self.words(self.ln_words(x), causal)
        x = x + self.cross(self.ln_cross(x), image, image, need_weights=False)[0]
        out: Tensor = x + self.mlp(self.ln_mlp(x))
        return out


class CaptionDecoder(nn.Module):
    """States of the text tower and caption queries of the image -> states that predict the next token."""

    def __init__(self, *, width: int, context_width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DecoderBlock(width=width, context_width=context_width, heads=heads) for _ in range(depth))
        self.ln_final = nn.LayerNorm(width)

    def forward(self, words: Tensor, image: Tensor) -> Tensor:
        """[n, t, width], [n, queries, context_width] -> [n, t, width]."""
        length = words.shape[1]
        causal = torch.ones(1, 1, length, length, dtype=torch.bool, device=words.device).tril()
        for block in self.blocks:
            words = block(words, image, causal)
        out: Tensor = self.ln_final(words)
        return out


class CaptioningModel(nn.Module):
    """The towers (what is exported) and the captioner around them (what is dropped)."""

    def __init__(self, towers: DualTower, *, decoder_depth: int = 2, caption_weight: float = 1.0) -> None:
        super().__init__()
        config = towers.config
        self.towers = towers.train().requires_grad_(requires_grad=True)
        self.caption_weight = caption_weight
        self.attn_pool_caption = AttentionalPooler(
            width=config.caption_width,
            context_width=config.vision_width,
            heads=_fitting_heads(config.caption_width, config.pooler_heads),
            queries=config.caption_queries,
        )
        self.ln_caption = nn.LayerNorm(config.caption_width)
        self.text_decoder = CaptionDecoder(
            width=config.text_width, context_width=config.caption_width, heads=config.text_heads, depth=decoder_depth
        )

    def forward(self, pixels: Tensor, tokens: Tensor, keys: Tensor) -> Losses:
        """Normalised pixels [n, 3, side, side], tokens int64 [n, context + 1], keys int64 [n] -> losses.

        Pairs of equal key are positives of each other: two tiles of one label must not be pushed apart by its name.
        """
        image_tokens = self.towers.visual.tokens(pixels)
        states = self.towers.text.states(tokens)
        images = self.towers.visual.project(self.towers.visual.pool(image_tokens))
        texts = self.towers.text.summarise(states)
        contrastive = contrastive_loss(images.float(), texts.float(), self.towers.logit_scale, keys)
        captioning = self._captioning_loss(image_tokens, states[:, :-1], tokens)
        return Losses(contrastive + self.caption_weight * captioning, contrastive, captioning)

    def _captioning_loss(self, image_tokens: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
        """``words`` are the text positions without CLS: causal in the tower already, so state i knows tokens 0…i only."""
        image = self.ln_caption(self.attn_pool_caption(image_tokens))
        decoded = self.text_decoder(words, image)
        logits = decoded @ self.towers.text.token_embedding.weight.T.to(decoded.dtype)  # tied: no second vocabulary to learn
        following = tokens[:, 1 : words.shape[1] + 1]
        return functional.cross_entropy(logits.float().flatten(0, 1), following.flatten(), ignore_index=PAD)

    @torch.no_grad()
    def limit_scale(self) -> None:
        """To be called after each optimiser step."""
        self.towers.logit_scale.clamp_(0.0, MAX_LOG_SCALE)


def fresh_towers(config: ModelConfig) -> DualTower:
    """Untrained towers. The token embedding starts small, since it is the captioner's output layer too."""
    towers = DualTower(config)
    nn.init.normal_(towers.text.token_embedding.weight, std=0.02)
    return towers


def contrastive_loss(images: Tensor, texts: Tensor, log_scale: Tensor, keys: Tensor) -> Tensor:
    """Symmetric cross-entropy over cosines, less the entropy of its targets: 0 is a perfect batch whatever its labels.

    A label that stands in the batch several times counts once among the alternatives. Otherwise its score would be pressed down
    by the logarithm of its number, and the commonest label would be named too rarely.
    """
    images, texts = functional.normalize(images, dim=-1), functional.normalize(texts, dim=-1)
    logits = log_scale.clamp(max=MAX_LOG_SCALE).exp() * images @ texts.T
    targets = shared_targets(keys)
    entropy = -(targets * targets.clamp(min=1e-12).log()).sum(dim=1).mean()
    once = targets.diagonal().log()  # minus the logarithm of how often each column's label stands in the batch
    both = functional.cross_entropy(logits + once, targets) + functional.cross_entropy(logits.T + once, targets)
    return both / 2 - entropy


def shared_targets(keys: Tensor) -> Tensor:
    """int64 [n] -> float32 [n, n]: each row's mass is spread evenly over the pairs of its key."""
    same = (keys[:, None] == keys[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def _fitting_heads(width: int, wanted: int) -> int:
    return max(heads for heads in range(1, wanted + 1) if width % heads == 0)
