"""An autoencoder that is only used works on some samples, or some frames of one, at a time: with the same result, in
memory that grows neither with a batch nor with a video's length.

At 128 channels an activation of 49 x 1024 x 1024 pixels is 26 GB in float32; of `MOST_PIXELS` it is 2.1 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import torch

from training.models.causal import Memory
from training.models.grid import Shape
from training.models.pixels import as_model_input
from training.models.vae import VideoVae
from training.models.vae_slices import slices
from training.models.vae_tiles import blended

MOST_PIXELS = 4 << 20
"""Of all samples and frames that are worked on at once: 4 frames of 1024 x 1024."""


@torch.no_grad()
def encoded(
    vae: VideoVae, video: torch.Tensor, *, most_pixels: int = MOST_PIXELS, tile: int | None = None
) -> torch.Tensor:
    """The posterior's mean (B, C, T, h, w), on the autoencoder's device, without a graph.

    Args:
        vae: the autoencoder.
        video: (B, 3, F, H, W) in [-1, 1], or uint8 (B, F, H, W, 3), anywhere: it is moved and converted in parts.
        most_pixels: how many at once; at least those of a latent frame, or of a slice.
        tile: side in pixels of squares in which larger pictures are worked on, one by one; see `vae_tiles`.

    Raises:
        ValueError: there is no latent of its size, or squares of `tile` pixels cannot be cut.
    """
    vae.config.grid().tokens(Shape(*(video.shape[1:4] if video.dtype == torch.uint8 else video.shape[2:])))
    device = next(vae.parameters()).device
    of_8_bits = video.dtype == torch.uint8
    count, frames, height, width = (*video.shape[:4],) if of_8_bits else (video.shape[0], *video.shape[2:])
    if tile is not None and max(height, width) > tile:
        stride, to_inner = vae.config.spatial_stride, (0, 2, 3, 4, 1)

        def latents_of(square: torch.Tensor) -> torch.Tensor:
            return encoded(vae, square.permute(to_inner) if of_8_bits else square, most_pixels=most_pixels)

        outer = video.permute(0, 4, 1, 2, 3) if of_8_bits else video
        return blended(latents_of, outer, side=_side(tile, stride), scale=Fraction(1, stride))

    def part(samples: slice, times: slice) -> torch.Tensor:
        if of_8_bits:
            return as_model_input(video[samples, times].to(device))
        return video[samples, :, times].to(device)

    stride, pixels = vae.config.temporal_stride, height * width
    size = vae.config.slice_latents or 1
    at_once = max(1, most_pixels // (stride * pixels * size)) * size
    made: list[torch.Tensor] = []
    for samples in _some(count, most_pixels // (frames * pixels)):
        if frames == 1 or frames * pixels <= most_pixels:
            made.append(vae.encode(part(samples, slice(None))).mean)
            continue
        memory, means = Memory(), []
        for latents in _some((frames - 1) // stride, at_once):
            first = 0 if latents.start == 0 else latents.start * stride + 1
            posterior, memory = vae.encode_chunk(part(samples, slice(first, latents.stop * stride + 1)), memory)
            means.append(posterior.mean)
        made.append(torch.cat(means, dim=2))
    return torch.cat(made)


@torch.no_grad()
def decoded(
    vae: VideoVae, latents_BCTHW: torch.Tensor, *, most_pixels: int = MOST_PIXELS, tile: int | None = None
) -> torch.Tensor:
    """Videos (B, 3, F, H, W) of latents, without a graph; see `encoded`.

    Raises:
        ValueError: squares of `tile` pixels cannot be cut.
    """
    stride = vae.config.spatial_stride
    if tile is not None and max(latents_BCTHW.shape[-2:]) * stride > tile:
        return blended(
            lambda square: decoded(vae, square, most_pixels=most_pixels),
            latents_BCTHW,
            side=_side(tile, stride) // stride,
            scale=Fraction(stride),
        )
    count, _, length, height, width = latents_BCTHW.shape
    grid = vae.config.grid()
    pixels = height * width * grid.spatial_stride**2 * grid.temporal_stride  # of a latent frame
    whole: torch.Tensor | None = None
    for samples in _some(count, most_pixels // (pixels * length)):
        latents, first = latents_BCTHW[samples], 0
        fits = pixels * length <= most_pixels
        for video in [vae.decode(latents)] if fits else _parts(vae, latents, most_pixels // pixels):
            if whole is None:  # written into, not put together: parts beside the whole would be as much again
                whole = video.new_empty(count, 3, grid.frames(length), *video.shape[3:])
            whole[samples, :, first : first + video.shape[2]] = video
            first += video.shape[2]
    assert whole is not None
    return whole


def _side(tile: int, stride: int) -> int:
    if tile < 4 * stride or tile % (4 * stride):
        raise ValueError(f"tile is {tile} pixels, must be a multiple of {4 * stride}: squares overlap by a quarter")
    return tile


def _parts(vae: VideoVae, latents_BCTHW: torch.Tensor, at_once: int) -> Iterator[torch.Tensor]:
    """Frames of some latents at a time, one behind the other."""
    length, size = latents_BCTHW.shape[2], vae.config.slice_latents
    if size:
        pairs = slices(length, size)
        for some in _some(len(pairs), at_once // size):
            yield vae.decode_part(latents_BCTHW, pairs[some.start][0], pairs[some.stop - 1][1])
        return
    memory = Memory()
    for times in _some(length, at_once):
        video, memory = vae.decode_chunk(latents_BCTHW[:, :, times], memory)
        yield video


def _some(count: int, at_once: int) -> Iterator[slice]:
    """`count` things, at least one at a time."""
    step = max(1, at_once)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
