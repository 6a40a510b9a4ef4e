"""Pictures in squares: what is local comes out as of the whole, borders are blended, and memory is that of a square."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from tests.training.tiny import tiny_dit_module
from training.models.vae import VaeConfig, VideoVae
from training.models.vae_chunks import decoded, encoded
from training.models.vae_tiles import blended

LOCAL = VaeConfig(
    channels=(4, 8),
    latent_channels=4,
    temporal_stride=2,
    spatial_stride=2,
    groups=None,
    encoder_blocks=1,
    decoder_blocks=2,
    layout="magvit",
)
"""Whose latents and pixels know of a neighbourhood alone."""


@pytest.mark.parametrize("size", [(9, 30), (16, 16), (7, 5), (40, 17)])
def test_what_knows_of_no_neighbours_is_blended_to_itself(size: tuple[int, int]) -> None:
    whole = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    larger = blended(lambda x: functional.interpolate(x, scale_factor=2), whole, side=8, scale=Fraction(2))
    torch.testing.assert_close(larger, functional.interpolate(whole, scale_factor=2), rtol=0, atol=1e-12)
    assert torch.equal(blended(lambda x: x, torch.ones(1, *size), side=8, scale=Fraction(1)), torch.ones(1, *size))


def test_squares_fade_into_each_other() -> None:
    """Of two squares that say 0 and 1, with an overlap of 4 between them."""
    answers = iter((0.0, 1.0))
    made = blended(lambda x: torch.full_like(x, next(answers)), torch.zeros(16, 28), side=16, scale=Fraction(1))
    row = made[8]
    assert not row[:12].any()
    torch.testing.assert_close(row[12:16], torch.tensor([0.2, 0.4, 0.6, 0.8]))
    assert bool((row[16:] == 1).all())


def video() -> torch.Tensor:
    return torch.randint(0, 256, (2, 5, 96, 112, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_an_autoencoder_gives_in_squares_what_it_gives_of_the_whole_but_at_borders() -> None:
    vae, given = VideoVae(LOCAL, seed=1), video()
    latents = encoded(vae, given)
    tiled = encoded(vae, given, tile=64)
    inside = (..., slice(0, 12), slice(0, 12))  # of the first square of 32 latents, away from where it is blended
    torch.testing.assert_close(tiled[inside], latents[inside], rtol=1e-4, atol=1e-5)
    assert tiled.shape == latents.shape
    assert (tiled - latents).abs().max() < latents.std()
    pixels, squares = decoded(vae, latents), decoded(vae, latents, tile=64)
    torch.testing.assert_close(squares[..., :24, :24], pixels[..., :24, :24], rtol=1e-4, atol=1e-5)
    assert (squares - pixels).abs().max() < pixels.std()
    assert not torch.equal(squares, pixels)
    for other in (encoded(vae, given, tile=112), encoded(vae, given, tile=160)):
        assert torch.equal(other, latents)


def test_no_more_than_a_square_is_worked_on() -> None:
    vae, seen = VideoVae(LOCAL, seed=1), []
    vae.encoder.register_forward_hook(lambda _, given, out: seen.append(max(given[0].shape[-2:])))
    vae.decoder.register_forward_hook(lambda _, given, out: seen.append(max(out.shape[-2:])))
    decoded(vae, encoded(vae, video(), tile=32), tile=32)
    assert max(seen) == 32
    assert len(seen) == 2 * 4 * 5


def test_squares_that_cannot_be_cut_are_refused() -> None:
    vae = VideoVae(LOCAL)
    for tile in (4, 36):
        with pytest.raises(ValueError, match=f"tile is {tile} pixels, must be a multiple of 8"):
            encoded(vae, video(), tile=tile)
    with pytest.raises(ValueError, match="must be a multiple of 8"):
        decoded(vae, torch.zeros(1, 4, 1, 40, 40), tile=20)


def test_large_pictures_are_decoded_in_squares_where_it_is_set() -> None:
    latents = torch.randn(1, 4, 1, 8, 6, generator=torch.Generator().manual_seed(0))
    whole, squares = (tiny_dit_module(decode_tile=tile) for tile in (None, 32))
    with torch.no_grad():
        made = squares.decoded(latents)
        assert torch.equal(made, decoded(squares.vae, latents, tile=32))
        assert made.shape == whole.decoded(latents).shape
        assert not torch.allclose(made, whole.decoded(latents), atol=1e-4)
        small = latents[..., :4, :4]
        assert torch.equal(squares.decoded(small), whole.decoded(small))
