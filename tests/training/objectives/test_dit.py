from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.training.tiny import tiny_dit_module
from training.objectives.flow import Levels, noised
from training.objectives.generate import GenerateConfig, generate
from training.objectives.latent_video import measured_scale
from training.objectives.text_to_video import blanked, without
from training.run.module import Batch
from training.run.noise import SampleNoise

SHAPE = (4, 2, 2, 2)
"""C, T, h, w of the latents of 5 frames of 16 x 16 pixels."""


def _batch(count: int = 3, frames: int = 5) -> Batch:
    video = torch.rand(count, 3, frames, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ids = [f"clip{number}" for number in range(count)]
    return Batch(video=video, captions=[f"a {name} thing" for name in ids], clip_ids=ids, tokens=2)


def _loss(module, batch: Batch, step: int = 0):
    return module.loss("dit", batch, SampleNoise(0, step, batch.clip_ids), step)


def _noise(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_the_squared_error_of_the_velocity():
    module, batch = tiny_dit_module(text_dropout=0.0, first_frame_share=0.0), _batch()
    loss = _loss(module, batch)
    noise = SampleNoise(0, 0, batch.clip_ids)
    clean = module.vae.encode(batch.video).mean
    eps, levels = noise.normal(*SHAPE), noise.integers(1, 1001).float() / 1000
    s = levels.view(-1, 1, 1, 1, 1)
    velocity = module.model((1 - s) * clean + s * eps, 1000 * levels, batch.captions)
    assert float(loss.total.detach()) == pytest.approx(float((velocity - (eps - clean)).square().sum()), rel=1e-4)
    assert loss.weight == clean.numel()
    by_level = [figure for name, figure in loss.scalars.items() if name.startswith("loss/t_")]
    assert sum(count for _, count in by_level) == 3
    assert sum(total for total, _ in by_level) * clean[0].numel() == pytest.approx(float(loss.total.detach()), rel=1e-4)


def test_text_reaches_the_velocity_and_dropped_text_does_not():
    module = tiny_dit_module(first_frame_share=0.0)
    told = torch.tensor([500.0, 500.0])
    red, blue = (module.model(_noise(), told, [text] * 2) for text in ("a red circle", "a blue circle"))
    assert (red - blue).abs().max() > 1e-4
    dropped = torch.tensor([True, False])
    assert without(["a red circle", "a red circle"], dropped) == ["", "a red circle"]
    half = module.model(_noise(), told, without(["a red circle"] * 2, dropped))
    assert torch.allclose(half[1], red[1], atol=1e-5)
    assert torch.allclose(half[0], module.model(_noise(), told, [""] * 2)[0], atol=1e-5)


def test_text_is_dropped_in_the_share_asked_for():
    module, batch = tiny_dit_module(text_dropout=0.25), _batch(400)
    seen: list[str] = []
    module.model.register_forward_pre_hook(lambda _, args: seen.extend(args[2]))
    _loss(module, batch)
    assert seen.count("") == pytest.approx(100, abs=35)
    seen.clear()
    module.evaluate(batch, SampleNoise(0, 0, batch.clip_ids))
    assert "" not in seen


def test_cached_texts_are_dropped_as_captions_are():
    module, batch = tiny_dit_module(), _batch()
    dropped = torch.tensor([True, False, True])
    by_caption = module.encoded(without(batch.captions, dropped))
    by_cache = blanked(module.encoded(batch.captions), module.encoded([""]), dropped)
    told = torch.full((3,), 300.0)
    assert torch.allclose(module.model(_noise(3), told, by_caption), module.model(_noise(3), told, by_cache), atol=1e-5)


def test_the_first_frame_is_told_of_videos_and_never_of_images():
    seen = []
    module = tiny_dit_module(first_frame_share=1.0)
    module.model.register_forward_pre_hook(lambda _, args: seen.append(args[3]))
    batch = _batch()
    _loss(module, batch)
    _loss(module, _batch(frames=1))
    of_videos, of_images = seen
    clean = module.latents(batch)
    assert of_videos.shape == (3, 5, 2, 2, 2)
    assert torch.equal(of_videos[:, 0, 0], torch.ones(3, 2, 2))
    assert torch.equal(of_videos[:, 1:, 0], clean[:, :, 0])
    assert of_videos[:, :, 1].abs().max() == 0
    assert of_images.abs().max() == 0
    # The autoencoder is causal: the condition is the latent of the first frame alone.
    alone = module.vae.encode(batch.video[:, :, :1]).mean
    assert torch.allclose(of_videos[:, 1:, :1], alone, atol=1e-5)


def test_latents_of_a_cache_are_those_of_the_pixels():
    module, batch = tiny_dit_module(), _batch()
    latents = module.vae.encode(batch.video).mean
    cached = Batch(video=latents, captions=batch.captions, clip_ids=batch.clip_ids, tokens=2, latent=True)
    assert module.latent_shape(cached) == module.latent_shape(batch) == SHAPE
    assert torch.allclose(_loss(module, batch).total, _loss(module, cached).total, rtol=1e-5)


def test_what_was_never_shown_a_first_frame_takes_none():
    module = tiny_dit_module(first_frame_share=0.0)
    first = module.latents(_batch(2))[:, :, :1]
    with pytest.raises(ValueError, match="first_frame_share is 0"):
        generate(module, ["a", "b"], _noise(), GenerateConfig(num_steps=1), first_frames=first)


def test_latents_and_their_noise_are_float32_where_the_autoencoder_computes_in_bfloat16():
    module, batch = tiny_dit_module(), _batch()
    with torch.autocast("cpu", torch.bfloat16):
        clean = module.latents(batch)
    assert clean.dtype == torch.float32
    levels = torch.full((3,), 0.997)  # bfloat16 makes it 0.996
    mixed = noised(clean.bfloat16(), torch.ones_like(clean), levels)
    assert torch.allclose(mixed, 0.003 * clean.bfloat16().float() + 0.997, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 5])
def test_operations_are_those_that_torch_counts(frames):
    module, batch = tiny_dit_module(), _batch(frames=frames)
    with FlopCounterMode(display=False) as counted:
        loss = _loss(module, batch)
    assert loss.flops == 3 * sum(counted.flop_counts["TextToVideo.dit"].values())


def test_guidance_leads_away_from_the_velocity_without_text():
    module, noise = tiny_dit_module(), _noise()
    captions = ["a red circle", "a blue square"]
    with torch.no_grad():
        one, three, none = (
            generate(module, texts, noise, GenerateConfig(num_steps=1, guidance=guidance))
            for texts, guidance in ((captions, 1.0), (captions, 3.0), (["", ""], 1.0))
        )
    assert torch.allclose(three, none + 3.0 * (one - none), atol=1e-4)


def test_samples_follow_the_levels_that_the_model_was_trained_at():
    module, noise = tiny_dit_module(shift=3.0), _noise()
    with torch.no_grad():
        own, said, unshifted = (
            generate(module, ["a", "b"], noise, GenerateConfig(num_steps=3, shift=shift)) for shift in (None, 3.0, 1.0)
        )
    assert torch.equal(own, said)
    assert not torch.allclose(own, unshifted, atol=1e-3)


def test_levels_are_those_of_the_objective_shifted_by_tokens():
    """2 tokens a video here: with a base of 1 the shift is the root of 2 times what was set, in sampling as well."""
    noise, seen = _noise(), []
    modules = [
        tiny_dit_module(shift=3.0, levels=Levels(base_tokens=1)),
        tiny_dit_module(shift=3.0 * 2**0.5),
        tiny_dit_module(levels=Levels(min_timestep=900)),
    ]
    assert modules[0].grid.tokens_of(noise.shape[2:]) == 2
    made = [generate(module, ["a", "b"], noise, GenerateConfig(num_steps=3)) for module in modules]
    assert torch.allclose(made[0], made[1])
    for module in modules:
        levels = module._levels(SampleNoise(0, 0, [str(clip) for clip in range(64)]), noise)
        seen.append(levels)
    assert torch.allclose(seen[0], seen[1])
    assert float(seen[2].min()) >= 0.9


def test_samples_do_not_depend_on_their_neighbours():
    module, noise = tiny_dit_module(), _noise()
    config = GenerateConfig(num_steps=3)
    first = module.latents(_batch(2))[:, :, :1]
    with torch.no_grad():
        both = generate(module, ["a red circle", "b"], noise, config, first_frames=first)
        alone = generate(module, ["a red circle"], noise[:1], config, first_frames=first[:1])
    assert torch.allclose(both[:1], alone, atol=1e-4)
    assert module.decoded(both).shape == (2, 3, 5, 16, 16)


def test_the_scale_makes_latents_of_unit_size():
    vae, batch = tiny_dit_module().vae, _batch()
    scale = measured_scale(lambda video: vae.encode(video).mean, [batch, batch])
    assert float((vae.encode(batch.video).mean * scale).square().mean()) == pytest.approx(1.0, rel=0.02)
    cached = replace(batch, video=vae.encode(batch.video).mean, latent=True)
    assert measured_scale(None, [cached]) == scale  # of which nothing is encoded again
    with pytest.raises(ValueError, match=r"set objective\.latent_scale"):
        measured_scale(None, [])
