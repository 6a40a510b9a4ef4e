"""The video transformer (after EasyAnimate v5.1): from noisy latents, a time and a text to a velocity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from training.models.dit_blocks import DitBlock, FinalNorm, TextProjection, TimeEmbedding, WideLayerNorm
from training.models.rope import Rotation, axis_sizes, rotation_3d
from training.models.step_cache import StepCache
from training.models.transformer import Transformer, conditioned
from training.models.weights import initialise, own_randomness
from training.models.windows import WindowConfig, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class DitConfig:
    """Layout; `training.models.sizes` has the named ones."""

    dim: int
    """Width: values of a token."""
    heads: int
    """Of attention, among which the width is divided."""
    layers: int
    """Blocks."""
    mmdit_layers: int
    """The first so many blocks have weights for each stream; the others share one set."""
    text_dim: int
    """Width of the text encoder's vectors."""
    time_dim: int = 512
    """Width of what the timestep becomes."""
    latent_channels: int = 16
    """Of the autoencoder."""
    in_channels: int = 33
    """Noisy latents and condition: 16 + 1 (mask) + 16 (latents of the known frames), or 16 alone."""
    patch: int = 2
    """Latents a token's side; a token is of one latent frame."""
    base_grid: tuple[int, int] | None = (30, 45)
    """Rows and columns of tokens that positions are scaled to (480 x 720 pixels); None counts them."""
    windows: WindowConfig = field(default_factory=WindowConfig)
    """Layers that attend to what is near, which have the same weights as those that attend to everything."""
    stretches_positions: bool = False
    """Place pictures on that grid as diffusers does since 0.32, which differs where they do not have its aspect."""
    sees_padding: bool = False
    """Attend to the text's padding as to text. The released weights were trained so: with them the answer depends on
    how much padding there is, which has to be theirs, 256 tokens in all."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"dim is {self.dim}, must be a multiple of heads ({self.heads})")
        axis_sizes(self.head_dim)
        if not 0 <= self.mmdit_layers <= self.layers:
            raise ValueError(f"mmdit_layers is {self.mmdit_layers}, must be from 0 to layers ({self.layers})")
        if self.in_channels < self.latent_channels:
            raise ValueError(f"in_channels is {self.in_channels}, less than latent_channels ({self.latent_channels})")

    @property
    def head_dim(self) -> int:
        """Values of an attention head."""
        return self.dim // self.heads

    @property
    def condition_channels(self) -> int:
        """Channels of the condition: 0 for a model of text alone."""
        return self.in_channels - self.latent_channels

    def network(self) -> VideoDit:
        """Make it."""
        return VideoDit(self)


class VideoDit(Transformer):
    """One attention over all of the text and the video."""

    def __init__(self, config: DitConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config: DitConfig = config
        self.step_cache: StepCache | None = None
        """What leaves out blocks while sampling."""
        dim, patch = config.dim, config.patch
        with own_randomness():
            self.patches_in = nn.Conv2d(config.in_channels, dim, patch, stride=patch)
            self.time = TimeEmbedding(dim, config.time_dim)
            self.text = TextProjection(config.text_dim, dim)
            self.blocks = nn.ModuleList(
                DitBlock(dim, config.head_dim, config.time_dim, shared=layer >= config.mmdit_layers)
                for layer in range(config.layers)
            )
            self.norm = WideLayerNorm(dim, eps=1e-5)
            self.final_norm = FinalNorm(dim, config.time_dim)
            self.patches_out = nn.Linear(dim, patch**2 * config.latent_channels)
        initialise(self, seed)

    def zero_start(self) -> None:
        """Begin with no velocity at all, rather than with a random one."""
        nn.init.zeros_(self.patches_out.weight)
        nn.init.zeros_(self.patches_out.bias)

    def forward(
        self,
        latents_BCTHW: torch.Tensor,
        timesteps_B: torch.Tensor,
        text_BLD: torch.Tensor,
        text_mask_BL: torch.Tensor,
        condition_BCTHW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The velocity, of the latents' shape and in the weights' type.

        `timesteps_B` are in [0, 1000]. `text_mask_BL` is True for text and False for padding, which is never looked at
        (but see `DitConfig.sees_padding`): the answer does not depend on how much of it there is. Without a condition
        its channels are zero, which says that nothing is known.

        Under FSDP's mixed precision set `cast_forward_inputs=False`: in bfloat16 only every fourth timestep above 512
        has a number of its own.

        Raises:
            ValueError: latents or condition are not of a size that the model takes.
        """
        latents_BCTHW = conditioned(self.config, latents_BCTHW, condition_BCTHW)
        _, _, frames, height, width = latents_BCTHW.shape
        grid = (frames, height // self.config.patch, width // self.config.patch)
        video = self._tokens(latents_BCTHW)
        time = self.time(timesteps_B)
        if self.config.sees_padding:
            text_mask_BL = torch.ones_like(text_mask_BL)
        # Padding may hold anything, and not even a weight of zero makes a NaN vanish.
        text = self.text(text_BLD.masked_fill(~text_mask_BL[..., None], 0.0))
        rotation = rotation_3d(
            grid,
            self.config.head_dim,
            base_grid=self.config.base_grid,
            device=latents_BCTHW.device,
            stretched=self.config.stretches_positions,
        )
        mask, windows = _attention_mask(text_mask_BL, video.shape[1]), Windows(self.config.windows, grid)
        if self.step_cache is None:
            video, text = self._through_blocks(video, text, time, rotation, mask, windows)
        else:
            seen = cast(DitBlock, self.blocks[0]).norm1(video, text, time)[0]
            through = partial(self._through_blocks, video, text, time, rotation, mask, windows)
            video = self.step_cache.through(seen, video, lambda: through()[0])
        # The text is no part of the answer. But through this norm each weight of the last block has its (zero)
        # gradient, for which DDP waits.
        video = self.norm(torch.cat([text, video], dim=1))[:, text.shape[1] :]
        return self._latents(self.patches_out(self.final_norm(video, time)), grid)

    @contextmanager
    def skipping(self, cache: StepCache) -> Iterator[None]:
        """Between the text's projection and the last norm."""
        self.step_cache = cache
        try:
            yield
        finally:
            self.step_cache = None

    def flops_per_sample(self, latent_shape: tuple[int, int, int], text_tokens: int, *, training: bool = True) -> int:
        """Floating-point operations of one sample of (T, h, w) latents, a multiply-add being two.

        `training` counts the backward pass as twice the forward one; what checkpointing computes again is not counted,
        nor what windows mask, as model FLOPs utilisation wants it.
        """
        config = self.config
        grid = (latent_shape[0], latent_shape[1] // config.patch, latent_shape[2] // config.patch)
        video_tokens = math.prod(grid)
        tokens, dim, time_dim = text_tokens + video_tokens, config.dim, config.time_dim
        ends = video_tokens * dim * config.patch**2 * (config.in_channels + config.latent_channels)
        ends += text_tokens * config.text_dim * dim + time_dim * (dim + time_dim + 2 * dim)
        # Four matrices of attention and eight of the feed-forward layer's; scores and their use; two modulations.
        block = 12 * tokens * dim**2 + 2 * tokens**2 * dim + 12 * time_dim * dim
        with_windows = sum(config.windows.in_layer(layer, config.layers) for layer in range(config.layers))
        if with_windows:
            unseen = video_tokens**2 - Windows(config.windows, grid).pairs(config.heads)
            ends -= round(with_windows * 2 * unseen * dim)
        return 2 * (ends + config.layers * block) * (3 if training else 1)

    def _tokens(self, latents_BCTHW: torch.Tensor) -> torch.Tensor:
        """(B, N, D), in the order time, row, column."""
        frames = latents_BCTHW.to(self.patches_in.weight.dtype).transpose(1, 2).flatten(0, 1)
        tokens = self.patches_in(frames).flatten(2).transpose(1, 2)
        flat: torch.Tensor = tokens.unflatten(0, (latents_BCTHW.shape[0], -1)).flatten(1, 2)
        return flat

    def _through_blocks(
        self,
        video: torch.Tensor,
        text: torch.Tensor,
        time: torch.Tensor,
        rotation: Rotation,
        mask: torch.Tensor | None,
        windows: Windows,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        for layer, block in enumerate(self.blocks):
            has_windows = self.config.windows.in_layer(layer, self.config.layers)
            video, text = block(video, text, time, rotation, mask, windows if has_windows else None)
        return video, text

    def _latents(self, patches_BNP: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """(B, N, C * patch * patch) to (B, C, T, h, w)."""
        patch = self.config.patch
        latents = patches_BNP.unflatten(-1, (-1, patch, patch)).unflatten(1, grid)  # B T h w C p p
        # A tensor of its own: who changed a view in place would undo FSDP's hooks on it.
        whole: torch.Tensor = latents.permute(0, 4, 1, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4).clone()
        return whole


def _attention_mask(text_mask_BL: torch.Tensor, video_tokens: int) -> torch.Tensor | None:
    """(B, L + N): all video and the text that is none of padding; None where there is no padding.

    Attention without a mask has faster kernels, which is worth the wait for the answer.
    """
    if bool(text_mask_BL.all()):
        return None
    return functional.pad(text_mask_BL, (0, video_tokens), value=True)
