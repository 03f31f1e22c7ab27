"""The network: a vision tower and a text tower that end in one contrastive space. Read top to bottom.

Re-derived from Lu et al., "A visual-language foundation model for computational pathology", Nature Medicine 30, 863-874
(2024), doi:10.1038/s41591-024-02856-4, and proved against golden vectors (tests/embedder/test_parity.py). Module and parameter
names are those of the released checkpoint, so that its tensors load by name.

The towers compute only what retrieval needs: no captioning pooler, and of a prompt only the positions that reach CLS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedder.torchvision_shim import ensure_torchvision

ensure_torchvision()
from timm.models.vision_transformer import VisionTransformer  # noqa: E402 - needs the shim first

PAD = 0


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of both towers. Defaults are CONCH's: ViT-B/16 at 448 px and a 12-layer text tower."""

    image_side_px: int = 448
    patch_side_px: int = 16
    vision_width: int = 768
    vision_depth: int = 12
    vision_heads: int = 12
    embed_dim: int = 512
    pooler_heads: int = 8
    caption_queries: int = 256
    vocabulary: int = 32007
    text_positions: int = 128
    text_width: int = 768
    text_depth: int = 12
    text_heads: int = 12

    @property
    def context_length(self) -> int:
        """Tokens read of a prompt: the last position belongs to CLS."""
        return self.text_positions - 1

    @property
    def patches(self) -> int:
        """Of one image; the trunk adds a class token."""
        return int((self.image_side_px // self.patch_side_px) ** 2)

    @property
    def caption_width(self) -> int:
        return self.vision_width

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


CONCH = ModelConfig()


class AttentionalPooler(nn.Module):
    """Learned queries read all trunk tokens: [n, tokens, context_width] -> [n, queries, width]."""

    def __init__(self, *, width: int, context_width: int, heads: int, queries: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, width) * width**-0.5)
        # holds the tensors under the checkpoint's names; its own forward reorders the context and takes several times as long
        self.attn = nn.MultiheadAttention(width, heads, kdim=context_width, vdim=context_width, batch_first=True)
        self.ln_q = nn.LayerNorm(width)
        self.ln_k = nn.LayerNorm(context_width)

    def forward(self, tokens: Tensor) -> Tensor:
        context = self.ln_k(tokens)
        q_weight, k_weight, v_weight = self._weights()
        q_bias, k_bias, v_bias = self.attn.in_proj_bias.chunk(3)
        q = functional.linear(self.ln_q(self.query), q_weight, q_bias).expand(len(tokens), -1, -1)
        k = functional.linear(context, k_weight, k_bias)
        v = functional.linear(context, v_weight, v_bias)
        q, k, v = (self._split(part) for part in (q, k, v))  # [n, heads, queries | tokens, width / heads]
        read = functional.scaled_dot_product_attention(q, k, v)
        pooled: Tensor = self.attn.out_proj(read.transpose(1, 2).flatten(2))
        return pooled

    def _weights(self) -> Sequence[Tensor]:
        """Of queries, keys and values: one tensor where all widths are equal, else three."""
        if self.attn.kdim == self.attn.embed_dim:
            return self.attn.in_proj_weight.chunk(3)
        return self.attn.q_proj_weight, self.attn.k_proj_weight, self.attn.v_proj_weight

    def _split(self, rows: Tensor) -> Tensor:
        n, length, width = rows.shape
        return rows.view(n, length, self.attn.num_heads, width // self.attn.num_heads).transpose(1, 2)


class VisionTower(nn.Module):
    """Normalised pixels -> probe vectors; `project` carries those into the search space."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = VisionTransformer(
            img_size=config.image_side_px,
            patch_size=config.patch_side_px,
            embed_dim=config.vision_width,
            depth=config.vision_depth,
            num_heads=config.vision_heads,
            num_classes=0,
            global_pool="",
            dynamic_img_size=True,
        )
        self.attn_pool_contrast = AttentionalPooler(
            width=config.embed_dim, context_width=config.vision_width, heads=config.pooler_heads, queries=1
        )
        self.ln_contrast = nn.LayerNorm(config.embed_dim)
        self.proj_contrast = nn.Parameter(torch.randn(config.embed_dim, config.embed_dim) * config.embed_dim**-0.5)

    def tokens(self, pixels: Tensor) -> Tensor:
        """[n, 3, side, side] -> [n, 1 + patches, vision_width]: class token and patches after the trunk's final norm."""
        tokens: Tensor = self.trunk.forward_features(pixels)
        return tokens

    def pool(self, tokens: Tensor) -> Tensor:
        """Trunk tokens -> probe vectors float32 [n, embed_dim].

        What follows the pooler stays in float32 whatever the trunk computes in: it costs nothing and keeps the cosine.
        """
        pooled = self.attn_pool_contrast(tokens)[:, 0]  # [n, embed_dim]: one query
        probe: Tensor = self.ln_contrast(pooled.to(self.ln_contrast.weight.dtype))
        return probe

    def project(self, probe: Tensor) -> Tensor:
        """Probe vectors [n, embed_dim] -> search vectors [n, embed_dim], not yet normalised."""
        return probe @ self.proj_contrast

    def forward(self, pixels: Tensor) -> Tensor:
        return self.pool(self.tokens(pixels))

    def use_dtype(self, dtype: torch.dtype) -> None:
        """Computes trunk and pooler in ``dtype``; the last norm and the projection stay in float32."""
        self.trunk.to(dtype)
        self.attn_pool_contrast.to(dtype)


class SelfAttention(nn.Module):
    """Multi-head self-attention with one fused projection, through torch's fused kernel."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.in_proj: nn.Module | None = None  # set by embedder.packed: the same product, from reordered weights
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, may_see: Tensor) -> Tensor:
        n, length, width = x.shape
        qkv = functional.linear(x, self.in_proj_weight, self.in_proj_bias) if self.in_proj is None else self.in_proj(x)
        q, k, v = qkv.view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)  # 3 × [n, heads, T, d]
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=may_see)
        out: Tensor = self.out_proj(seen.transpose(1, 2).reshape(n, length, width))
        return out


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.act: nn.Module = nn.GELU()
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.act(self.c_fc(x)))
        return out


class TextBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor, may_see: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x), may_see)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class TextTransformer(nn.Module):
    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock(width, heads) for _ in range(depth))

    def forward(self, x: Tensor, may_see: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x, may_see)
        return x


class TextTower(nn.Module):
    """Tokens -> text vectors, exact, and only over the positions that matter.

    CLS is appended last, at the last position embedding. Its row of the attention mask is shifted by one in the model as trained
    and the weights depend on it: of a prompt with L real tokens CLS sees positions 0…L, that is every real token and one pad;
    it sees itself only where no pad is left. Text positions are causal and never see CLS, so nothing past position L can
    reach the result, and those positions are not computed.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.text_width
        self.context_length = config.context_length
        self.token_embedding = nn.Embedding(config.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(config.text_positions, width) * 0.01)
        self.cls_emb = nn.Parameter(torch.randn(width) * 0.01)
        self.transformer = TextTransformer(width, config.text_depth, config.text_heads)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, config.embed_dim) * width**-0.5)

    def states(self, tokens: Tensor) -> Tensor:
        """int64 [n, context + 1] -> hidden states [n, kept + 1, width]: the kept text positions, then CLS."""
        lengths = token_counts(tokens[:, : self.context_length])
        kept = min(int(lengths.max()) + 1, self.context_length)
        text = self.token_embedding(tokens[:, :kept]) + self.positional_embedding[:kept]
        cls = (self.cls_emb + self.positional_embedding[-1]).expand(len(tokens), 1, -1)
        x = torch.cat([text, cls], dim=1)  # [n, kept + 1, width]
        hidden: Tensor = self.transformer(x, may_see(lengths, kept))
        return hidden

    def summarise(self, states: Tensor) -> Tensor:
        """Hidden states -> text vectors [n, embed_dim], not yet normalised."""
        vectors: Tensor = self.ln_final(states[:, -1]) @ self.text_projection
        return vectors

    def forward(self, tokens: Tensor) -> Tensor:
        return self.summarise(self.states(tokens))


def token_counts(tokens: Tensor) -> Tensor:
    """Real tokens of each row, start and end marks included: int64 [n]."""
    return (tokens != PAD).sum(dim=1)


def may_see(lengths: Tensor, kept: int) -> Tensor:
    """The attention mask over ``kept`` text positions and CLS: bool [n, 1, kept + 1, kept + 1], True where a row may look."""
    size = kept + 1
    mask = torch.ones(size, size, dtype=torch.bool, device=lengths.device).tril().repeat(len(lengths), 1, 1, 1)
    columns = torch.arange(size, device=lengths.device)
    mask[:, 0, -1, :] = columns <= lengths[:, None]  # where all positions are real, column L is CLS itself
    return mask


class DualTower(nn.Module):
    """Both towers and the trained temperature (stored as a logarithm)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.logit_scale = nn.Parameter(torch.tensor(2.6592600))  # log(1 / 0.07)
        self.visual = VisionTower(config)
        self.text = TextTower(config)
