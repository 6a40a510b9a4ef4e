"""Video autoencoder (EasyAnimate v5's kind): causal, so that videos in chunks of frames give just the latents of whole
videos; or in slices, each of which knows of those beside it (`training.models.vae_slices`).

The first frame has a latent frame of its own, every further one stands for `temporal_stride` frames. An image is a
video of one frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.bounds import at_least, check
from training.models.causal import CausalConv3d, Memory, PictureConv3d, is_start
from training.models.grid import Shape, TokenGrid
from training.models.vae_blocks import (
    Conv,
    MeanDownsample,
    Middle,
    PlainMiddle,
    ResidualBlock,
    Upsample,
    downsample,
    frame_norm,
)
from training.models.vae_slices import SliceConv3d, decode_slices, encode_slices, slices
from training.models.weights import initialise, own_randomness

FIRST_LOGVAR = -6.0
"""Of the posterior before training, whose deviation is then 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeConfig:
    """Layout; the default has EasyAnimate v5's sizes, 4 x 8 x 8 with 16 channels."""

    channels: tuple[int, ...] = (128, 256, 512, 512)
    """Width of each level, finest first; there is a step of 2 in space from each to the next."""
    latent_channels: int = 16
    """Values of a latent."""
    temporal_stride: int = 4
    """Frames a latent frame: 1, 2, 4, ... The deepest steps in space halve time too."""
    spatial_stride: int = 8
    """Pixels a latent's side: `pixel_patch` times 2 for each step."""
    pixel_patch: int = 1
    """Side of the squares of pixels that enter as one; 2 makes the finest level four times as cheap."""
    encoder_blocks: int = 2
    """Residual blocks of a level."""
    decoder_blocks: int = 3
    """The same on the way back."""
    groups: int | None = 32
    """Of channels that are normalised together, over one frame; None normalises nothing.

    A small network learns shapes on flat grounds much faster without: a frame's statistics are those of its ground.
    """
    layout: Literal["attention", "magvit", "easyanimate"] = "attention"
    """`magvit` is that of diffusers' class: residual blocks alone in the middle, as many as a level of the encoder has;
    steps in space alone look at three frames; and the decoder doubles time in its last steps, not its first.
    `easyanimate` is the same with attention in the middle, as in EasyAnimate's own class."""
    pictures_first: bool = False
    """For a small network that learns pictures, and then films. Steps from level to level add what they learn to a mean
    of pixels, or a repeated one, and residual blocks nothing at first: it begins with blurred pictures, not with none
    (after DC-AE, arXiv 2410.10733, 3.1). Frames are made from themselves alone at first (`PictureConv3d`)."""
    slice_latents: int = field(default=0, metadata=at_least(0))
    """Latent frames of a slice, which knows of those beside it; EasyAnimate's had 2. 0 is the causal autoencoder, in
    which no frame knows of later ones. The weights of either begin the other."""

    def __post_init__(self) -> None:
        check(self)
        steps = len(self.channels) - 1
        if self.spatial_stride != self.pixel_patch * 2**steps:
            raise ValueError(
                f"spatial_stride is {self.spatial_stride}, but {len(self.channels)} levels and pixel_patch "
                f"{self.pixel_patch} give {self.pixel_patch * 2**steps}"
            )
        if self.temporal_stride not in [2**n for n in range(steps + 1)]:
            raise ValueError(f"temporal_stride is {self.temporal_stride}, must be a power of 2 up to {2**steps}")
        if self.groups is not None and any(width % self.groups for width in self.channels):
            raise ValueError(f"channels are {self.channels}, must be multiples of groups ({self.groups})")
        if self.pictures_first and self.layout != "attention":
            raise ValueError(f"pictures_first is of our own layout, attention: {self.layout} has weights without")

    def grid(self, patch: int = 1) -> TokenGrid:
        """How pixels become latents, and squares of `patch` x `patch` latents a transformer's tokens."""
        return TokenGrid(temporal_stride=self.temporal_stride, spatial_stride=self.spatial_stride, patch=patch)

    def halves_time(self, step: int) -> bool:
        """Whether the step from level `step` to the next is one in time too."""
        return step >= len(self.channels) - 1 - int(math.log2(self.temporal_stride))

    def doubles_time(self, step: int) -> bool:
        """Whether the decoder's step from level `step + 1` back to `step` is one in time too."""
        return self.halves_time(step if self.layout == "attention" else len(self.channels) - 2 - step)

    @property
    def flat_depth(self) -> int:
        """Frames that a step in space alone looks at."""
        return 1 if self.layout == "attention" else 3

    def middle(self) -> nn.Module:
        """What stands at the deepest level."""
        if self.layout != "magvit":
            return Middle(self.channels[-1], self.groups, self.conv)
        return PlainMiddle(self.channels[-1], self.groups, self.conv, self.encoder_blocks)

    @property
    def conv(self) -> Conv:
        """What mixes frames."""
        if self.slice_latents:
            return SliceConv3d
        return PictureConv3d if self.pictures_first else CausalConv3d


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A normal distribution over latents, each (B, C, T, h, w)."""

    mean: torch.Tensor
    logvar: torch.Tensor

    def sample(self, noise_BCTHW: torch.Tensor) -> torch.Tensor:
        """What standard normal noise of the mean's shape becomes."""
        return self.mean + torch.exp(0.5 * self.logvar) * noise_BCTHW

    def kl(self) -> torch.Tensor:
        """(B,) divergence from the standard normal in nats, summed over all latents of a sample."""
        return 0.5 * (self.mean.square() + self.logvar.exp() - 1.0 - self.logvar).flatten(1).sum(1)


class VideoVae(nn.Module):
    """Videos are (B, 3, F, H, W) in [-1, 1] with F = n * temporal_stride + 1; latents (B, C, n + 1, h, w)."""

    def __init__(self, config: VaeConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.saves_frozen = False
        """Whether a run keeps weights that do not learn, too."""
        width = config.latent_channels
        with own_randomness():
            self.encoder = Encoder(config)
            self.quant = CausalConv3d(2 * width, 2 * width, (1, 1, 1))
            self.post_quant = CausalConv3d(width, width, (1, 1, 1))
            self.decoder = Decoder(config)
        initialise(self, seed)

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """What is sharded and checkpointed one by one. Steps up are not: they give views, which FSDP wants of none."""
        parts = (part for half in (self.encoder, self.decoder) for part in (*half.layers, half.middle))
        return tuple(part for part in parts if not isinstance(part, Upsample))

    def zero_start(self) -> None:
        """Draw latents close to their mean at first: the decoder has nothing to learn from noise. See also
        `VaeConfig.pictures_first`."""
        assert self.quant.bias is not None
        nn.init.constant_(self.quant.bias[self.config.latent_channels :], FIRST_LOGVAR)
        if self.config.pictures_first:
            for name, weight in self.named_parameters():
                if name.endswith("conv2.weight"):
                    nn.init.zeros_(weight)

    def encode(self, video_BCFHW: torch.Tensor) -> Posterior:
        """All frames at once.

        Raises:
            ValueError: there is no latent of its size.
        """
        self._check(video_BCFHW)
        return self._posterior(video_BCFHW, None)

    def decode(self, latents_BCTHW: torch.Tensor) -> torch.Tensor:
        """All frames at once."""
        return self.decode_part(latents_BCTHW, 0, latents_BCTHW.shape[2])

    def encode_chunk(self, video_BCFHW: torch.Tensor, memory: Memory) -> tuple[Posterior, Memory]:
        """The first frame with `Memory()`, then any multiple of `temporal_stride` frames with the memory returned; of
        slices, whole ones, of which the last may be shorter."""
        return self._posterior(video_BCFHW, memory), memory.following()

    def decode_chunk(self, latents_BCTHW: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, Memory]:
        """The next frames of a video, from any number of latent frames, and the memory for what follows.

        Raises:
            ValueError: slices, which must know what follows, are decoded by `decode_part`.
        """
        if self.config.slice_latents:
            raise ValueError("slices are not decoded one by one: what follows has a part in them")
        return self.decoder(self.post_quant(latents_BCTHW), memory), memory.following()

    def decode_part(self, latents_BCTHW: torch.Tensor, start: int, end: int) -> torch.Tensor:
        """The frames of some of a video's latent frames, at the ends of slices; of a causal one of all."""
        latents_BCTHW, size = self.post_quant(latents_BCTHW), self.config.slice_latents
        if not size:
            video: torch.Tensor = self.decoder(latents_BCTHW, None)
            return video
        wanted = [pair for pair in slices(latents_BCTHW.shape[2], size) if start <= pair[0] and pair[1] <= end]
        return decode_slices(self.decoder, latents_BCTHW, size, wanted)

    def _posterior(self, video_BCFHW: torch.Tensor, memory: Memory | None) -> Posterior:
        if size := self.config.slice_latents:
            started = not is_start(memory)
            moments = encode_slices(self.encoder, video_BCFHW, size * self.config.temporal_stride, started=started)
        else:
            moments = self.encoder(video_BCFHW, memory)
        mean, logvar = self.quant(moments).chunk(2, dim=1)
        return Posterior(mean, logvar.clamp(-30.0, 20.0))

    def _check(self, video_BCFHW: torch.Tensor) -> None:
        self.config.grid().tokens(Shape(*video_BCFHW.shape[2:]))


class Encoder(nn.Module):
    """Pixels to the two halves of the posterior."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths, groups, conv = config.channels, config.groups, config.conv
        self.pixel_patch = config.pixel_patch
        self.conv_in = conv(3 * config.pixel_patch**2, widths[0])
        self.layers = nn.ModuleList()
        for level, width in enumerate(widths):
            inputs = widths[max(level - 1, 0)]
            self.layers.extend(_residuals(inputs, width, config.encoder_blocks, groups, conv))
            if level + 1 < len(widths):
                temporal = config.halves_time(level)
                step = MeanDownsample if config.pictures_first else downsample
                self.layers.append(step(width, conv, temporal=temporal, flat_depth=config.flat_depth))
        self.middle = config.middle()
        self.norm_out = frame_norm(widths[-1], groups)
        self.conv_out = conv(widths[-1], 2 * config.latent_channels)

    def forward(self, video_BCFHW: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """(B, 3, F, H, W) to (B, 2C, T, h, w)."""
        batch = video_BCFHW.shape[0]
        frames = functional.pixel_unshuffle(video_BCFHW.transpose(1, 2).flatten(0, 1), self.pixel_patch)
        x = self.conv_in(frames.unflatten(0, (batch, -1)).transpose(1, 2), memory)
        for layer in self.layers:
            x = layer(x, memory)
        moments: torch.Tensor = self.conv_out(functional.silu(self.norm_out(self.middle(x, memory))), memory)
        return moments


class Decoder(nn.Module):
    """Latents to pixels."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths, groups, conv = config.channels, config.groups, config.conv
        self.pixel_patch = config.pixel_patch
        self.conv_in = conv(config.latent_channels, widths[-1])
        self.middle = config.middle()
        self.layers = nn.ModuleList()
        inputs = widths[-1]
        for level in reversed(range(len(widths))):
            self.layers.extend(_residuals(inputs, widths[level], config.decoder_blocks, groups, conv))
            inputs = widths[level]
            if level > 0:
                temporal = config.doubles_time(level - 1)
                depth, residual = config.flat_depth, config.pictures_first
                self.layers.append(Upsample(inputs, conv, temporal=temporal, flat_depth=depth, residual=residual))
        self.norm_out = frame_norm(widths[0], groups)
        self.conv_out = conv(widths[0], 3 * config.pixel_patch**2)

    def forward(self, latents_BCTHW: torch.Tensor, memory: Memory | None, own: slice = slice(None)) -> torch.Tensor:
        """(B, C, T, h, w) to (B, 3, F, H, W), of the latent frames `own` alone."""
        x = self.middle(self.conv_in(latents_BCTHW, memory), memory)[:, :, own]
        for layer in self.layers:
            x = layer(x, memory)
        x = self.conv_out(functional.silu(self.norm_out(x)), memory)
        frames = functional.pixel_shuffle(x.transpose(1, 2).flatten(0, 1), self.pixel_patch)
        # A tensor of its own: who changed a view in place would undo FSDP's hooks on it.
        video: torch.Tensor = frames.unflatten(0, (x.shape[0], -1)).transpose(1, 2).clone()
        return video


def _residuals(inputs: int, width: int, count: int, groups: int | None, conv: Conv) -> list[ResidualBlock]:
    return [ResidualBlock(inputs if n == 0 else width, width, groups, conv) for n in range(count)]
