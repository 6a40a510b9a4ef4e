"""What a sample is told is what training told, part by part, and a video is made from another by strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.tiny import DIT, TEXT, VAE
from training.film import Frames
from training.models.conditions import ConditionLayout, Told
from training.models.grid import Shape
from training.models.on_demand import at_hand
from training.models.pixels import as_model_input
from training.models.rays import rays_condition
from training.models.vae import VideoVae
from training.objectives.control import ControlConfig
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.generate import GenerateConfig, generate
from training.objectives.masks import MaskConfig
from training.objectives.tasks import camera, condition_of, control, ends, known_frames, start_of, together
from training.run.module import Batch
from training.run.noise import SampleNoise

ALL = ("known", "control", "reference", "rays")
SHAPE = Shape(5, 16, 16)
LATENTS = (4, 2, 2, 2)


def module_of(told: tuple[str, ...] = ALL, **objective: object) -> DitModule:
    widths = {"known": 5, "control": 4, "reference": 4, "rays": 6}
    model = replace(DIT, in_channels=4 + sum(widths[part] for part in told))
    settings = DitObjective(vae="", model=model, text=TEXT, latent_scale=1.0, told=told, **objective)
    module = DitModule(settings, at_hand(VideoVae(VAE)))
    module.materialise("dit", torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    for part in (module.model.dit.patches_out, *(block.norm1.linear for block in module.model.dit.blocks)):
        part.weight.data.normal_(std=0.2, generator=generator)
    return module


def film(seed: int = 0, shape: Shape = SHAPE) -> Frames:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (shape.frames, shape.height, shape.width, 3), dtype=np.uint8)


def pans(frames: int = 5) -> np.ndarray:
    """A camera that goes to the right."""
    pose = np.tile(np.eye(3, 4, dtype=np.float32), (frames, 1, 1))
    pose[:, 0, 3] = -0.1 * np.arange(frames)
    return np.concatenate([np.tile([1.0, 1.0, 0.5, 0.5], (frames, 1)), pose.reshape(frames, 12)], axis=1)


def noise(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *LATENTS, generator=torch.Generator().manual_seed(3))


def batch(count: int = 60) -> Batch:
    video = torch.rand(count, 3, 5, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    has = torch.arange(count) % 3 > 0
    return Batch(
        video=video,
        captions=[""] * count,
        clip_ids=[f"clip{number}" for number in range(count)],
        tokens=2,
        control=(video.flip(0), has),
        cameras=(torch.from_numpy(pans()).float().expand(count, -1, -1), ~has),
    )


def conditions(module: DitModule, given: Batch) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    handle = module.model.register_forward_pre_hook(lambda _, args: seen.append(args[3]))
    module.loss("dit", given, SampleNoise(0, 0, given.clip_ids), 0)
    handle.remove()
    return seen[0]


def test_released_layouts_are_known_by_their_channels_and_others_are_named() -> None:
    for parts, channels in ((("known",), 17), (("control", "reference"), 32), (("rays", "reference"), 22), ((), 0)):
        assert ConditionLayout.of((), latent_channels=16, channels=channels).parts == parts
    assert ConditionLayout.of(ALL, latent_channels=16, channels=55).parts == ALL
    with pytest.raises(ValueError, match=r"20 channels.*told=known makes 17; told=control,reference makes 32"):
        ConditionLayout.of((), latent_channels=16, channels=20)
    with pytest.raises(ValueError, match=r"33 channels.*told=known,rays makes 23"):
        ConditionLayout.of(("known", "rays"), latent_channels=16, channels=33)
    for wrong in (("known", "known"), ("pose",)):
        with pytest.raises(ValueError, match="allowed are known, control, reference, rays, once each"):
            ConditionLayout.of(wrong, latent_channels=16, channels=17)


def test_training_tells_each_part_in_its_share_and_what_a_sample_lacks_is_zero() -> None:
    shares = ControlConfig(share=0.5, reference_share=0.25, rays_share=1.0)
    module, given = module_of(control=shares, first_frame_share=0.0), batch()
    known, shown, reference, rays = conditions(module, given).split([5, 4, 4, 6], dim=1)
    assert given.control is not None
    assert given.cameras is not None
    assert not known.any()
    of_controls = module.latents_of(given.control[0])
    has = shown.flatten(1).any(dim=1)
    assert torch.allclose(shown[has], of_controls[has], atol=1e-5)
    assert not (has & ~given.control[1]).any()
    assert int(has.sum()) == pytest.approx(20, abs=8)
    assert not reference[:, :, 1:].any()
    referred = reference.flatten(1).any(dim=1)
    assert int(referred.sum()) == pytest.approx(15, abs=8)
    frames = torch.stack([module.latents_of(given.video[:, :, [frame]]) for frame in range(5)])
    nearest = (frames - reference[None, :, :, :1]).abs().flatten(2).amax(dim=2)[:, referred].amin(dim=0)
    assert float(nearest.max()) < 1e-5
    assert (
        len((frames - reference[None, :, :, :1]).abs().flatten(2).amax(dim=2)[:, referred].argmin(dim=0).unique()) > 2
    )
    assert torch.equal(rays.flatten(1).any(dim=1), given.cameras[1])
    assert torch.allclose(rays[0], rays_condition(given.cameras[0][:1], (16, 16), (2, 2, 2))[0], atol=1e-5)


def test_one_sample_is_told_the_same_beside_others_and_without_controls_nothing() -> None:
    module, given = module_of(masks=MaskConfig(share=0.5), first_frame_share=0.25), batch(12)
    together_ = conditions(module, given)
    assert given.control is not None
    assert given.cameras is not None
    few = replace(
        given,
        video=given.video[3:5],
        captions=given.captions[3:5],
        clip_ids=given.clip_ids[3:5],
        control=(given.control[0][3:5], given.control[1][3:5]),
        cameras=(given.cameras[0][3:5], given.cameras[1][3:5]),
    )
    torch.testing.assert_close(conditions(module, few), together_[3:5], atol=1e-5, rtol=0)
    bare = conditions(module, replace(given, control=None, cameras=None))
    assert not bare[:, 5:9].any()
    assert not bare[:, 13:].any()


def test_a_sample_is_told_what_training_was() -> None:
    module = module_of(masks=MaskConfig(share=0.5, level=0.7))
    frames, poses = film(), film(1)
    known = np.array([True, False, False, False, True])
    told = together([known_frames(frames, known), control(poses, frames[2]), camera(pans())])
    parts = condition_of(module, told, SHAPE, 3).split([5, 4, 4, 6], dim=1)
    video = as_model_input(torch.from_numpy(frames)[None])
    mask = torch.from_numpy(known.astype(np.float32)).view(1, 1, 5, 1, 1).expand(1, 1, 5, 16, 16)
    alone = module_of(("known",), masks=MaskConfig(share=0.5, level=0.7))
    assert torch.equal(parts[0], alone.masked_condition(video, mask).expand(3, -1, -1, -1, -1))
    assert torch.equal(parts[0][0, 0], torch.stack([torch.full((2, 2), 0.7), torch.full((2, 2), 0.7 / 4)]))
    assert torch.equal(parts[1][:1], module.latents_of(as_model_input(torch.from_numpy(poses)[None])))
    assert torch.equal(parts[2][:1, :, :1], module.latents_of(video[:, :, 2:3]))
    assert not parts[2][:, :, 1:].any()
    assert torch.equal(parts[3][:1], rays_condition(torch.from_numpy(pans())[None].float(), (16, 16), (2, 2, 2)))


@pytest.mark.parametrize(
    "told",
    [
        ends(film()[0], None, SHAPE),
        ends(None, film()[0], SHAPE),
        known_frames(film(), np.random.default_rng(0).random((5, 16, 16)) < 0.5),
        control(film()),
        Told(reference=as_model_input(torch.from_numpy(film()[None, :1]))),
        camera(pans()),
    ],
    ids=["first", "last", "places", "control", "reference", "camera"],
)
def test_what_is_told_reaches_the_sample_and_other_samples_noise_stays(told: Told) -> None:
    module, config = module_of(), GenerateConfig(num_steps=2, guidance=2.0)
    with torch.no_grad():
        condition = condition_of(module, told, SHAPE, 2)
        plain, led = (generate(module, ["a", "b"], noise(), config, condition=one) for one in (None, condition))
        alone = generate(module, ["a"], noise()[:1], config, condition=condition[:1])
    assert (led - plain).abs().amax(dim=(1, 2, 3, 4)).min() > 1e-4
    torch.testing.assert_close(alone, led[:1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shift", [1.0, 2.7])
def test_a_video_is_given_back_by_strength_0_and_forgotten_by_1(shift: float) -> None:
    module, config = module_of(shift=shift), GenerateConfig(num_steps=4)
    start = start_of(module, film(), 2)
    with torch.no_grad():
        kept, half, forgotten = (
            generate(module, ["a", "b"], noise(), config, start=start, strength=strength)
            for strength in (0.0, 0.5, 1.0)
        )
        plain = generate(module, ["a", "b"], noise(), config)
    assert torch.equal(kept, start)
    assert torch.equal(forgotten, plain)
    assert not torch.allclose(half, plain, atol=1e-3)
    assert not torch.allclose(half, start, atol=1e-3)


def test_half_the_strength_are_the_last_half_of_the_schedules_steps() -> None:
    module, config = module_of(shift=2.7), GenerateConfig(num_steps=4, guidance=1.0)
    told: list[float] = []
    handle = module.model.register_forward_pre_hook(lambda _, args: told.append(float(args[1][0])))
    with torch.no_grad():
        generate(module, ["a", "b"], noise(), config)
        generate(module, ["a", "b"], noise(), config, start=start_of(module, film(), 2), strength=0.5)
        generate(module, ["a", "b"], noise(), config, start=start_of(module, film(), 2), strength=0.55)
    handle.remove()
    assert told[4:6] == pytest.approx(told[2:4])
    assert len(told[6:]) == 3
    assert told[2] < told[6] < told[1]


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda m: generate(m, ["a"], noise(1), GenerateConfig(), strength=0.5), "no video to start from"),
        (
            lambda m: generate(m, ["a"], noise(1), GenerateConfig(), start=noise(1), strength=1.5),
            r"strength is 1\.5, must be in \[0, 1\]",
        ),
        (lambda m: generate(m, ["a"], noise(1), GenerateConfig(), start=noise(2)), r"start is \(2, 4, 2, 2, 2\), must"),
        (lambda m: condition_of(m, Told(), SHAPE, 1), "nothing is told"),
        (lambda m: condition_of(m, control(film()), Shape(9, 16, 16), 1), r"control is \(1, 3, 5, 16, 16\), must be"),
        (lambda m: condition_of(m, camera(pans(9)), SHAPE, 1), r"cameras is \(1, 9, 16\), must be \(1, 5, 16\)"),
        (lambda m: known_frames(film(), np.ones(5, np.bool_)), "has 5 of 5 known"),
        (lambda m: known_frames(film(), np.zeros((5, 16, 16), np.bool_)), "has 0 of 1280 known"),
        (lambda m: known_frames(film(), np.ones((5, 16), np.bool_)), r"a mask of \(5, 16\)"),
        (lambda m: ends(film()[0, :8], None, SHAPE), r"a picture of \(8, 16, 3\).*must be \(16, 16, 3\)"),
        (lambda m: ends(None, None, SHAPE), "has 0 of 5 known"),
        (lambda m: Told(known=torch.ones(1, 1, 5, 16, 16)), "go together"),
    ],
)
def test_impossible_tasks_are_refused(do: Callable[[DitModule], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        do(module_of())


def test_a_model_without_channels_for_a_task_says_which_it_has() -> None:
    module = module_of(("control", "reference"), first_frame_share=0.5)
    with pytest.raises(ValueError, match="takes no part of a video: it has channels for control, reference"):
        condition_of(module, ends(film()[0], None, SHAPE), SHAPE, 1)
    with pytest.raises(ValueError, match="takes no camera"):
        condition_of(module, camera(pans()), SHAPE, 1)
    with pytest.raises(ValueError, match="takes no first frame"):
        module.condition(noise(1)[:, :, :1], 2)
    with pytest.raises(ValueError, match=r"masks\.share is set.*what is known"):
        module_of(("control",), masks=MaskConfig(share=0.5))
