"""What an autoencoder makes in parts is what it makes of the whole, in memory that does not grow with the length."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from training.models.causal import CausalConv3d
from training.models.pixels import as_model_input
from training.models.vae import VaeConfig, VideoVae
from training.models.vae_chunks import decoded, encoded

CONFIG = VaeConfig(channels=(8, 8, 8), latent_channels=4, pixel_patch=2, groups=4, encoder_blocks=1, decoder_blocks=1)
SIDE = 16
PIXELS = [1, 4 * SIDE**2, 9 * SIDE**2, 17 * SIDE**2, 40 * SIDE**2, 1 << 20]
"""A latent frame at a time, which is less than was asked for; that; two; all of a sample; two samples; all."""


def frames(count: int = 3, length: int = 17) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, length, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("most_pixels", PIXELS)
@pytest.mark.parametrize("length", [1, 5, 17])
def test_parts_are_the_whole(most_pixels: int, length: int) -> None:
    vae, read = VideoVae(CONFIG, seed=1), frames(length=length)
    video = as_model_input(read)
    with torch.no_grad():
        whole = vae.encode(video).mean
        pixels = vae.decode(whole)
    for given in (read, video):
        torch.testing.assert_close(encoded(vae, given, most_pixels=most_pixels), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(decoded(vae, whole, most_pixels=most_pixels), pixels, rtol=1e-4, atol=1e-5)


def test_what_fits_is_the_whole_to_the_bit() -> None:
    vae, video = VideoVae(CONFIG, seed=1), as_model_input(frames())
    with torch.no_grad():
        whole = vae.encode(video).mean
        assert torch.equal(encoded(vae, video), whole)
        assert torch.equal(decoded(vae, whole), vae.decode(whole))


@pytest.mark.parametrize("way", [encoded, decoded])
def test_activations_do_not_grow_with_the_length(way: Callable[..., torch.Tensor]) -> None:
    vae, largest = VideoVae(CONFIG, seed=1), {}
    for length in (25, 145):
        seen: list[int] = []
        handles = [
            part.register_forward_hook(lambda _, args, out, seen=seen: seen.append(args[0].numel() + out.numel()))
            for part in vae.modules()
            if isinstance(part, CausalConv3d)
        ]
        given = torch.zeros(1, 4, 1 + length // 4, 2, 2) if way is decoded else frames(1, length)
        way(vae, given, most_pixels=8 * SIDE**2)
        largest[length] = max(seen)
        for handle in handles:
            handle.remove()
    assert largest[145] == largest[25]


def test_sizes_without_latents_are_refused() -> None:
    with pytest.raises(ValueError, match=r"frames must be 4n\+1"):
        encoded(VideoVae(CONFIG), frames(1, 6), most_pixels=1)
