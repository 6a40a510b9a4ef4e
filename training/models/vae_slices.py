"""The Slice VAE of EasyAnimate's first generation (arXiv 2405.18991, 3.2): a video is encoded and decoded in short
slices, and what is decoded of a slice knows of the slices on both sides.

The first frame is a slice of its own, as it is in a causal autoencoder, so that images and the number of latents stay
what they are; then each slice has a few latents. Convolutions look both ways within what they are given. Slices are
encoded each for itself; the decoder's first layers, which are the widest in what they see, are given the latents of the
slices before and after too, and what became of these is cut off before frames are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch.nn import functional

from training.models.causal import Memory, VideoConv3d

FIRST, LATER = Memory(), Memory(started=True)


class SliceConv3d(VideoConv3d):
    """Frame t is made of the frames on both sides; before the first and after the last stand copies of these.

    It is called, and its weights are shaped, as those of `CausalConv3d`, which may be loaded.
    """

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None = None) -> torch.Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T', H', W'), where T' is T / stride, upwards."""
        if self.pads_after:
            x_BCTHW = functional.pad(x_BCTHW, (0, 1, 0, 1))
        beside = self.kernel_size[0] // 2
        if beside:
            x_BCTHW = functional.pad(x_BCTHW, (0, 0, 0, 0, beside, beside), mode="replicate")
        return super().forward(x_BCTHW)


def slices(latents: int, size: int) -> list[tuple[int, int]]:
    """The slices, half-open, of a video of so many latents."""
    starts = [0, *range(1, latents, size)]
    return list(zip(starts, [*starts[1:], latents], strict=True))


def encode_slices(
    encoder: Callable[[torch.Tensor, Memory], torch.Tensor], video_BCFHW: torch.Tensor, frames: int, *, started: bool
) -> torch.Tensor:
    """What an encoder makes of each slice, one behind the other.

    Args:
        encoder: takes frames, and a memory that tells whether they are the first of all.
        video_BCFHW: the first frame and slices behind it, or where the video has `started` slices alone.
        frames: of a slice; the last one may have fewer.
    """
    made, rest = [], video_BCFHW
    if not started:
        made.append(encoder(rest[:, :, :1], FIRST))
        rest = rest[:, :, 1:]
    whole = rest.shape[2] // frames
    if whole:  # all at once, as samples of a batch
        batch = rest[:, :, : whole * frames].unflatten(2, (whole, frames)).transpose(1, 2).flatten(0, 1)
        encoded = encoder(batch, LATER).unflatten(0, (-1, whole)).transpose(1, 2).flatten(2, 3)
        made.append(encoded)
    if rest.shape[2] > whole * frames:
        made.append(encoder(rest[:, :, whole * frames :], LATER))
    return torch.cat(made, dim=2)


def decode_slices(
    decoder: Callable[[torch.Tensor, Memory, slice], torch.Tensor],
    latents_BCTHW: torch.Tensor,
    size: int,
    wanted: Sequence[tuple[int, int]],
) -> torch.Tensor:
    """The frames of the `wanted` slices, neighbours of one another, of a video's latents.

    Args:
        decoder: takes latents, a memory that tells whether they are the first of all, and which latents to make frames
            of; the others are those of the slices beside.
        latents_BCTHW: all latents of the video.
        size: latents of a slice.
        wanted: of `slices`.
    """
    length = latents_BCTHW.shape[2]

    def seen(start: int, end: int) -> tuple[int, int, int]:
        """Latents before the slice, of it, and behind it."""
        return min(size, start), end - start, min(size, length - end)

    made = []
    for (before, own, behind), group in groupby(wanted, key=lambda pair: seen(*pair)):
        pairs = list(group)  # slices that see as much are decoded as samples of a batch
        batch = torch.stack([latents_BCTHW[:, :, start - before : end + behind] for start, end in pairs], dim=1)
        memory = FIRST if pairs[0][0] == 0 else LATER
        frames = decoder(batch.flatten(0, 1), memory, slice(before, before + own))
        made.append(frames.unflatten(0, (-1, len(pairs))).transpose(1, 2).flatten(2, 3))
    return torch.cat(made, dim=2)
