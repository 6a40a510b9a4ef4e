import threading
from functools import partial

import pytest
import torch
from torch.nn import functional

from training.models.causal import Memory
from training.models.discriminator import Discriminator, DiscriminatorConfig
from training.models.vae import Posterior, VaeConfig, VideoVae

LAYOUTS = {
    "4x8x8": VaeConfig(channels=(4, 4, 8, 8), latent_channels=4, groups=2, encoder_blocks=1, decoder_blocks=2),
    "4x4x4": VaeConfig(channels=(4, 4, 8), latent_channels=4, spatial_stride=4, groups=2),
    "2x4x4 with patches": VaeConfig(
        channels=(8, 16), latent_channels=4, temporal_stride=2, spatial_stride=4, pixel_patch=2, groups=4
    ),
    "magvit": VaeConfig(
        channels=(4, 4, 8), latent_channels=4, temporal_stride=2, spatial_stride=4, groups=2, layout="magvit"
    ),
    "easyanimate": VaeConfig(
        channels=(4, 4, 8), latent_channels=4, temporal_stride=2, spatial_stride=4, groups=2, layout="easyanimate"
    ),
    "1x4x4": VaeConfig(channels=(4, 4, 8), latent_channels=4, temporal_stride=1, spatial_stride=4, groups=2),
    "pictures first": VaeConfig(
        channels=(4, 4, 8), latent_channels=4, spatial_stride=4, pixel_patch=1, groups=None, pictures_first=True
    ),
}


def _vae(config: VaeConfig = LAYOUTS["4x8x8"]) -> VideoVae:
    return VideoVae(config, seed=3).double()


def _video(config: VaeConfig, latent_frames: int = 4, seed: int = 0) -> torch.Tensor:
    frames, side = (latent_frames - 1) * config.temporal_stride + 1, config.spatial_stride
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, frames, side, 2 * side, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_strides_are_those_of_the_configuration(name):
    config = LAYOUTS[name]
    vae, video = _vae(config), _video(config)
    latents = vae.encode(video).mean
    assert latents.shape == (2, 4, 4, 1, 2)
    assert vae.decode(latents).shape == video.shape


def encode_in_chunks(vae, video):
    """A latent frame at a time."""
    stride, memory, parts = vae.config.temporal_stride, Memory(), []
    for chunk in video.split([1] + [stride] * ((video.shape[2] - 1) // stride), dim=2):
        posterior, memory = vae.encode_chunk(chunk, memory)
        parts.append(posterior)
    return Posterior(torch.cat([p.mean for p in parts], dim=2), torch.cat([p.logvar for p in parts], dim=2))


def decode_in_chunks(vae, latents):
    memory, parts = Memory(), []
    for latent in latents.split(1, dim=2):
        video, memory = vae.decode_chunk(latent, memory)
        parts.append(video)
    return torch.cat(parts, dim=2)


@pytest.mark.parametrize("name", LAYOUTS)
def test_chunks_give_what_the_whole_video_gives(name):
    config = LAYOUTS[name]
    vae, video = _vae(config), _video(config)
    whole, chunked = vae.encode(video), encode_in_chunks(vae, video)
    torch.testing.assert_close(chunked.mean, whole.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(chunked.logvar, whole.logvar, rtol=0, atol=1e-12)
    torch.testing.assert_close(decode_in_chunks(vae, whole.mean), vae.decode(whole.mean), rtol=0, atol=1e-12)


def test_pictures_first_begin_with_means():
    """With all that is learnt at zero, a step down is the mean of what becomes one, and a step up its repetition; what
    it learns of two frames' difference goes to the first of them."""
    vae = _vae(LAYOUTS["pictures first"])
    down, up = vae.encoder.layers[2], vae.decoder.layers[3]
    video = torch.rand(1, 4, 5, 4, 4, dtype=torch.float64)
    for step in (down, up):
        torch.nn.init.zeros_(step.conv.weight)
    small = down(video, None)
    assert small.shape == (1, 4, 3, 2, 2)
    torch.testing.assert_close(small[:, :, 0], functional.avg_pool2d(video[:, :, 0], 2))
    torch.testing.assert_close(small[:, :, 1], functional.avg_pool2d(video[:, :, 1:3].mean(2), 2))
    wide = torch.rand(1, 8, 2, 2, 2, dtype=torch.float64)
    large = up(wide, None)
    torch.testing.assert_close(large[0, :, 0], wide[0, :, 0].repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert large.shape == (1, 8, 3, 4, 4)
    torch.testing.assert_close(large[:, :, 1], large[:, :, 2])
    torch.nn.init.ones_(up.difference.bias)
    torch.testing.assert_close(
        up(wide, None) - large, torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).view(3, 1, 1).expand_as(large)
    )
    assert not any(vae.state_dict()[name].any() for name in vae.state_dict() if name.endswith("conv2.weight"))


def test_gradients_through_chunks_are_those_of_the_whole_video():
    config = LAYOUTS["4x4x4"]
    vae, video = _vae(config), _video(config, latent_frames=3)

    def gradients(encode, decode):
        vae.zero_grad()
        (decode(encode(video).mean) - video).square().mean().backward()
        return [parameter.grad.clone() for parameter in vae.parameters()]

    whole = gradients(vae.encode, vae.decode)
    chunked = gradients(partial(encode_in_chunks, vae), partial(decode_in_chunks, vae))
    torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-12)


def test_no_frame_knows_of_later_ones():
    config = LAYOUTS["4x8x8"]
    vae, video = _vae(config), _video(config)
    other = torch.cat([video[:, :, :5], torch.rand_like(video[:, :, 5:])], dim=2)
    latents, others = vae.encode(video).mean, vae.encode(other).mean
    torch.testing.assert_close(others[:, :, :2], latents[:, :, :2], rtol=0, atol=1e-12)
    assert not torch.allclose(others[:, :, 2], latents[:, :, 2], atol=1e-6)
    frames, other_frames = vae.decode(latents), vae.decode(others)
    torch.testing.assert_close(other_frames[:, :, :5], frames[:, :, :5], rtol=0, atol=1e-12)
    assert not torch.allclose(other_frames[:, :, 5], frames[:, :, 5], atol=1e-6)


def test_first_latent_decodes_the_first_frame_alone():
    config = LAYOUTS["4x8x8"]
    vae, video = _vae(config), _video(config)
    latents = vae.encode(video).mean
    first = vae.decode(latents[:, :, :1])
    assert first.shape[2] == 1
    torch.testing.assert_close(first, vae.decode(latents)[:, :, :1], rtol=0, atol=1e-12)
    torch.testing.assert_close(vae.encode(video[:, :, :1]).mean, latents[:, :, :1], rtol=0, atol=1e-12)


def test_two_videos_decoded_in_turn_do_not_mix():
    config = LAYOUTS["4x8x8"]
    vae = _vae(config)
    latents = [vae.encode(_video(config, seed=seed)).mean for seed in (1, 2)]
    memories, parts = [Memory(), Memory()], [[], []]
    for frame in range(4):
        for turn in range(2):
            video, memories[turn] = vae.decode_chunk(latents[turn][:, :, frame : frame + 1], memories[turn])
            parts[turn].append(video)
    for turn in range(2):
        torch.testing.assert_close(torch.cat(parts[turn], dim=2), vae.decode(latents[turn]), rtol=0, atol=1e-12)


def test_a_chunk_can_be_decoded_again_from_the_same_memory():
    config = LAYOUTS["4x8x8"]
    vae = _vae(config)
    latents = vae.encode(_video(config)).mean
    _, memory = vae.decode_chunk(latents[:, :, :2], Memory())
    one, _ = vae.decode_chunk(latents[:, :, 2:], memory)
    vae.decode_chunk(torch.zeros_like(latents[:, :, 2:]), memory)
    again, _ = vae.decode_chunk(latents[:, :, 2:], memory)
    assert torch.equal(one, again)


def test_threads_share_a_model():
    config = LAYOUTS["4x4x4"]
    vae = _vae(config)
    latents = [vae.encode(_video(config, seed=seed)).mean.detach() for seed in range(4)]
    wanted = [vae.decode(latent) for latent in latents]
    made = [None] * 4

    def decode(index):
        made[index] = decode_in_chunks(vae, latents[index])

    threads = [threading.Thread(target=decode, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(made, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_posterior_is_the_normal_distribution_that_it_says():
    mean, logvar = torch.full((1, 1, 1, 1, 100_000), 2.0), torch.full((1, 1, 1, 1, 100_000), -1.0)
    posterior = Posterior(mean, logvar)
    drawn = posterior.sample(torch.randn(mean.shape, generator=torch.Generator().manual_seed(0)))
    assert float(drawn.mean()) == pytest.approx(2.0, abs=0.01)
    assert float(drawn.var()) == pytest.approx(float(torch.tensor(-1.0).exp()), abs=0.01)
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(mean, (0.5 * logvar).exp()), normal(0.0, 1.0)).sum()
    assert float(posterior.kl()[0]) == pytest.approx(float(wanted), rel=1e-4)


def test_log_variance_is_bounded():
    vae = _vae()
    with torch.no_grad():
        vae.quant.bias[:] = 1e6
        assert float(vae.encode(_video(vae.config)).logvar.max()) == 20.0
        vae.quant.bias[:] = -1e6
        assert float(vae.encode(_video(vae.config)).logvar.min()) == -30.0


@pytest.mark.parametrize(("frames", "side"), [(4, 16), (5, 20)])
def test_videos_of_no_whole_number_of_latents_are_refused(frames, side):
    with pytest.raises(ValueError, match=f"frames={frames}, height={side}, width={side}"):
        _vae().encode(torch.zeros(1, 3, frames, side, side, dtype=torch.float64))


def test_impossible_layouts_are_refused():
    with pytest.raises(ValueError, match="spatial_stride is 4"):
        VaeConfig(spatial_stride=4)
    with pytest.raises(ValueError, match="temporal_stride is 16"):
        VaeConfig(temporal_stride=16)
    with pytest.raises(ValueError, match="multiples of groups"):
        VaeConfig(groups=24)


def test_weights_depend_on_the_seed_alone():
    config = LAYOUTS["4x4x4"]
    before = torch.get_rng_state()
    one = VideoVae(config, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    again, other = VideoVae(config, seed=1).state_dict(), VideoVae(config, seed=2).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["encoder.conv_in.weight"], other["encoder.conv_in.weight"])


def test_full_size_has_the_parameters_of_the_released_one():
    with torch.device("meta"):
        vae = VideoVae(VaeConfig())
    # Reported: encoder 100 M, decoder 145 M.
    assert sum(p.numel() for p in vae.encoder.parameters()) == pytest.approx(100e6, rel=0.01)
    assert sum(p.numel() for p in vae.decoder.parameters()) == pytest.approx(145e6, rel=0.01)


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_discriminators_judge_videos_and_images(frames):
    judge = Discriminator(DiscriminatorConfig(channels=(8, 16), groups=4))
    by_frame, by_motion = judge(torch.rand(2, 3, frames, 20, 24))
    assert by_frame.shape == (2, 1, frames, 5, 6)
    assert by_motion.shape == (2, 1, -(-frames // 4), 5, 6)


def test_only_the_judge_of_motion_sees_the_order_of_frames():
    judge = Discriminator(DiscriminatorConfig(channels=(8, 16), groups=4)).double()
    video = torch.rand(1, 3, 8, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    forwards, backwards = judge(video), judge(video.flip(2))
    torch.testing.assert_close(backwards[0].flip(2), forwards[0])
    assert not torch.allclose(backwards[1].flip(2), forwards[1])
