"""EasyAnimate's first generation: PixArt's image transformer (arXiv 2310.00426), of which plug-ins make one of videos.

Tokens attend to those of their own frame and to the text; what joins frames are motion modules. As in U-ViT (arXiv
2209.12152) there may be skips from early blocks to late ones. Both begin as zeros and change nothing at first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.bounds import at_least, check
from training.models.dit_blocks import FeedForward, TimeEmbedding
from training.models.motion import MotionConfig, MotionModule
from training.models.pixart_names import diffusers_config, diffusers_name
from training.models.transformer import Transformer, conditioned
from training.models.weights import initialise, own_randomness

TIME_WAVES = 256
"""Values of the waves that a timestep becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixArtConfig:
    """Layout; the default is PixArt-XL/2 of 512 x 512 pixels: 610,856,096 weights, T5's texts."""

    dim: int = 1152
    """Width: values of a token."""
    heads: int = 16
    """Of attention, among which the width is divided."""
    layers: int = field(default=28, metadata=at_least(1))
    """Blocks."""
    text_dim: int = 4096
    """Width of the text encoder's vectors."""
    latent_channels: int = 4
    """Of the autoencoder."""
    in_channels: int = 4
    """Noisy latents and condition: C + 1 (mask) + C (latents of the known frames), or C alone."""
    patch: int = 2
    """Latents a token's side; a token is of one latent frame."""
    span: float | None = 32.0
    """How many positions long each side of a picture is, whatever its size; None counts its tokens."""
    learns_range: bool = False
    """Twice as many channels come out, of which the second half, the range of variances, is dropped: as released
    weights have it."""
    skips: bool = False
    """Add what left each of the first blocks to what enters its mirror image among the last, through a layer."""
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        check(self, "model")
        if self.dim % self.heads or self.dim % 4:
            raise ValueError(f"dim is {self.dim}, must be a multiple of heads ({self.heads}) and of 4")
        if self.in_channels < self.latent_channels:
            raise ValueError(f"in_channels is {self.in_channels}, less than latent_channels ({self.latent_channels})")

    @property
    def condition_channels(self) -> int:
        """Channels of the condition: 0 for a model of text alone."""
        return self.in_channels - self.latent_channels

    @property
    def out_channels(self) -> int:
        """What comes out of the last layer."""
        return self.latent_channels * (2 if self.learns_range else 1)

    def skip_into(self, block: int) -> int | None:
        """Whose outcome is added before a block: of 28, that of 12 before 15, and of 0 before 27."""
        half = (self.layers - 1) // 2
        source = self.layers - 1 - block
        return source if self.skips and source < half else None

    def network(self) -> PixArt:
        """Make it."""
        return PixArt(self)


class PixArt(Transformer):
    """See the module."""

    def __init__(self, config: PixArtConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config: PixArtConfig = config
        dim, patch = config.dim, config.patch
        with own_randomness():
            self.patches_in = nn.Conv2d(config.in_channels, dim, patch, stride=patch)
            self.time = TimeEmbedding(TIME_WAVES, dim)
            self.modulation = nn.Linear(dim, 6 * dim)
            self.text1 = nn.Linear(config.text_dim, dim)
            self.text2 = nn.Linear(dim, dim)
            self.blocks = nn.ModuleList(PixArtBlock(config, number) for number in range(config.layers))
            into = [number for number in range(config.layers) if config.skip_into(number) is not None]
            self.skips = nn.ModuleDict({str(number): Skip(dim) for number in into})
            self.table = nn.Parameter(torch.empty(2, dim))
            self.patches_out = nn.Linear(dim, patch**2 * config.out_channels)
        initialise(self, seed)

    def zero_start(self) -> None:
        """Answer 0 at first, rather than by chance."""
        _zero(self.patches_out)

    def forward(
        self,
        latents_BCTHW: torch.Tensor,
        timesteps_B: torch.Tensor,
        text_BLD: torch.Tensor,
        text_mask_BL: torch.Tensor,
        condition_BCTHW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See `Transformer`."""
        weight = self.patches_in.weight
        frames_BTCHW = conditioned(self.config, latents_BCTHW, condition_BCTHW).to(weight.dtype).transpose(1, 2)
        tokens = self.patches_in(frames_BTCHW.flatten(0, 1)).unflatten(0, frames_BTCHW.shape[:2])  # B T D h w
        x = tokens.permute(0, 1, 3, 4, 2)
        x = x + positions(x.shape[2], x.shape[3], self.config.dim, self.config.span, x.device).to(x.dtype)
        time_BD = self.time(timesteps_B)
        changes_B6D = self.modulation(functional.silu(time_BD)).unflatten(-1, (6, -1))
        # Padding may hold anything, and not even a weight of zero makes a NaN vanish.
        text = text_BLD.masked_fill(~text_mask_BL[..., None], 0.0).to(weight.dtype)
        text = self.text2(functional.gelu(self.text1(text), approximate="tanh"))
        mask = None if bool(text_mask_BL.all()) else text_mask_BL[:, None, None]
        left: list[torch.Tensor] = []
        for number, block in enumerate(self.blocks):
            if (source := self.config.skip_into(number)) is not None:
                x = self.skips[str(number)](x, left[source])
            x = block(x, changes_B6D, text, mask)
            left.append(x)
        shift, scale = (self.table + time_BD[:, None]).to(x.dtype)[:, :, None, None, None].unbind(1)
        return self._latents(self.patches_out(normed(x) * (1 + scale) + shift))

    def flops_per_sample(self, latent_shape: tuple[int, int, int], text_tokens: int, *, training: bool = True) -> int:
        """See `Transformer`."""
        config, dim = self.config, self.config.dim
        grid = (latent_shape[0], latent_shape[1] // config.patch, latent_shape[2] // config.patch)
        tokens = math.prod(grid)
        ends = tokens * dim * config.patch**2 * (config.in_channels + config.out_channels)
        ends += text_tokens * dim * (config.text_dim + dim) + dim * (TIME_WAVES + dim + 6 * dim)
        # Of each frame, of the text, and the feed-forward layer; scores and their use.
        block = (4 + 2 + 8) * tokens * dim**2 + 2 * text_tokens * dim**2
        block += 2 * grid[0] * (grid[1] * grid[2]) ** 2 * dim + 2 * tokens * text_tokens * dim
        whole = 2 * (ends + config.layers * block + len(self.skips) * tokens * dim**2)
        whole += sum(part.flops(grid) for part in self.modules() if isinstance(part, MotionModule))
        return whole * (3 if training else 1)

    def names_elsewhere(self) -> Mapping[str, str]:
        """Of diffusers' `PixArtTransformer2DModel`; what it has none for, plug-ins, keeps its own name."""
        return {name: diffusers_name(name) for name in self.state_dict()}

    def config_elsewhere(self) -> Mapping[str, object]:
        """See `pixart_names.diffusers_config`."""
        if self.config.skips or self.config.motion.kind != "none":
            raise ValueError("diffusers' PixArtTransformer2DModel has neither motion modules nor skips")
        return diffusers_config(
            dim=self.config.dim,
            heads=self.config.heads,
            layers=self.config.layers,
            text_dim=self.config.text_dim,
            patch=self.config.patch,
            channels=(self.config.in_channels, self.config.out_channels),
            span=self.config.span,
        )

    def _latents(self, patches_BTHWP: torch.Tensor) -> torch.Tensor:
        """(B, T, h, w, patch * patch * C) to (B, C, T, H, W)."""
        patch = self.config.patch
        parts = patches_BTHWP.unflatten(-1, (patch, patch, self.config.out_channels))  # B T h w p q C
        latents = parts[..., : self.config.latent_channels].permute(0, 6, 1, 2, 4, 3, 5)
        # A tensor of its own: who changed a view in place would undo FSDP's hooks on it.
        whole: torch.Tensor = latents.flatten(5, 6).flatten(3, 4).clone()
        return whole


class PixArtBlock(nn.Module):
    """Attention within a frame, the motion module, attention to the text, feed-forward; the time moves and gates the
    first and the last by one layer for all blocks, to which each adds its own table (adaLN-single)."""

    def __init__(self, config: PixArtConfig, number: int) -> None:
        super().__init__()
        dim = config.dim
        self.attention = Attention(dim, config.heads)
        self.motion = config.motion.module(dim, number)
        self.text_attention = Attention(dim, config.heads)
        self.feed_forward = FeedForward(dim)
        self.table = nn.Parameter(torch.empty(6, dim))

    def zero_start(self) -> None:
        """Texts say nothing at first."""
        _zero(self.text_attention.out)

    def forward(
        self, x_BTHWD: torch.Tensor, changes_B6D: torch.Tensor, text_BLD: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """The same shape. `mask` (B, 1, 1, L) is True for text."""
        changes = (self.table + changes_B6D).to(x_BTHWD.dtype)[:, :, None, None, None].unbind(1)
        shift, scale, gate, ff_shift, ff_scale, ff_gate = changes
        batch, frames, height, width, _ = x_BTHWD.shape
        spatial = (normed(x_BTHWD) * (1 + scale) + shift).flatten(2, 3).flatten(0, 1)
        seen = self.attention(spatial, spatial, None).view(batch, frames, height, width, -1)
        x_BTHWD = x_BTHWD + gate * seen
        if self.motion is not None:
            x_BTHWD = self.motion(x_BTHWD)
        read = self.text_attention(x_BTHWD.flatten(1, 3), text_BLD, mask)
        x_BTHWD = x_BTHWD + read.view_as(x_BTHWD)
        whole: torch.Tensor = x_BTHWD + ff_gate * self.feed_forward(normed(x_BTHWD) * (1 + ff_scale) + ff_shift)
        return whole


class Attention(nn.Module):
    """Queries of one sequence, keys and values of another or the same."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x_BND: torch.Tensor, other_BMD: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, N, D)."""
        given = ((self.q, x_BND), (self.k, other_BMD), (self.v, other_BMD))
        q, k, v = (layer(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer, tokens in given)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: torch.Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Skip(nn.Module):
    """A long skip of U-ViT's, as EasyAnimate has it: added through a layer that begins as zeros."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def zero_start(self) -> None:
        """Add nothing at first."""
        _zero(self.linear)

    def forward(self, x: torch.Tensor, early: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        with_skip: torch.Tensor = x + self.linear(early)
        return with_skip


def normed(x: torch.Tensor) -> torch.Tensor:
    """LayerNorm without weights, computed in float32 at least."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return functional.layer_norm(wide, x.shape[-1:], eps=1e-6).to(x.dtype)


def positions(rows: int, columns: int, dim: int, span: float | None, device: torch.device) -> torch.Tensor:
    """(rows, columns, dim): sines and cosines of the column, then of the row."""
    powers = torch.arange(dim // 4, dtype=torch.float64, device=device) / (dim // 4)
    rates = 10_000.0**-powers
    across, down = (
        (torch.arange(count, dtype=torch.float64, device=device) * (1 if span is None else span / count))[:, None]
        * rates
        for count in (columns, rows)
    )
    of_column, of_row = (torch.cat([angles.sin(), angles.cos()], dim=-1) for angles in (across, down))
    whole = [of_column[None].expand(rows, -1, -1), of_row[:, None].expand(-1, columns, -1)]
    return torch.cat(whole, dim=-1).float()


def _zero(linear: nn.Linear) -> None:
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
