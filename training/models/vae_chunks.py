"""An autoencoder that is only used works on some samples, or some frames of one, at a time: with the same result, in
memory that grows neither with a batch nor with a video's length.

At 128 channels an activation of 49 x 1024 x 1024 pixels is 26 GB in float32; of `MOST_PIXELS` it is 2.1 GB.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from training.models.causal import Memory
from training.models.grid import Shape
from training.models.pixels import as_model_input
from training.models.vae import VideoVae

MOST_PIXELS = 4 << 20
"""Of all samples and frames that are worked on at once: 4 frames of 1024 x 1024."""


@torch.no_grad()
def encoded(vae: VideoVae, video: torch.Tensor, *, most_pixels: int = MOST_PIXELS) -> torch.Tensor:
    """The posterior's mean (B, C, T, h, w), on the autoencoder's device, without a graph.

    Args:
        vae: the autoencoder.
        video: (B, 3, F, H, W) in [-1, 1], or uint8 (B, F, H, W, 3), anywhere: it is moved and converted in parts.
        most_pixels: how many at once; at least those of a latent frame.

    Raises:
        ValueError: there is no latent of its size.
    """
    vae.config.grid().tokens(Shape(*(video.shape[1:4] if video.dtype == torch.uint8 else video.shape[2:])))
    device = next(vae.parameters()).device
    of_8_bits = video.dtype == torch.uint8
    count, frames, height, width = (*video.shape[:4],) if of_8_bits else (video.shape[0], *video.shape[2:])

    def part(samples: slice, times: slice) -> torch.Tensor:
        if of_8_bits:
            return as_model_input(video[samples, times].to(device))
        return video[samples, :, times].to(device)

    stride, pixels = vae.config.temporal_stride, height * width
    made: list[torch.Tensor] = []
    for samples in _some(count, most_pixels // (frames * pixels)):
        if frames == 1 or frames * pixels <= most_pixels:
            made.append(vae.encode(part(samples, slice(None))).mean)
            continue
        memory, means = Memory(), []
        for latents in _some((frames - 1) // stride, most_pixels // (stride * pixels)):
            first = 0 if latents.start == 0 else latents.start * stride + 1
            posterior, memory = vae.encode_chunk(part(samples, slice(first, latents.stop * stride + 1)), memory)
            means.append(posterior.mean)
        made.append(torch.cat(means, dim=2))
    return torch.cat(made)


@torch.no_grad()
def decoded(vae: VideoVae, latents_BCTHW: torch.Tensor, *, most_pixels: int = MOST_PIXELS) -> torch.Tensor:
    """Videos (B, 3, F, H, W) of latents, without a graph; see `encoded`."""
    count, _, length, height, width = latents_BCTHW.shape
    pixels = height * width * vae.config.spatial_stride**2 * vae.config.temporal_stride  # of a latent frame
    made: list[torch.Tensor] = []
    for samples in _some(count, most_pixels // (pixels * length)):
        if pixels * length <= most_pixels:
            made.append(vae.decode(latents_BCTHW[samples]))
            continue
        memory, videos = Memory(), []
        for times in _some(length, most_pixels // pixels):
            video, memory = vae.decode_chunk(latents_BCTHW[samples, :, times], memory)
            videos.append(video)
        made.append(torch.cat(videos, dim=2))
    return torch.cat(made)


def _some(count: int, at_once: int) -> Iterator[slice]:
    """`count` things, at least one at a time."""
    step = max(1, at_once)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
