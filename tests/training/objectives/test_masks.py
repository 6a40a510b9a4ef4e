"""What is known of a video is what its mask leaves, in training and in samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests.training.tiny import DIT, TEXT, VAE, tiny_dit_module
from training.models.grid import Shape
from training.models.on_demand import at_hand
from training.models.vae import VideoVae
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.generate import GenerateConfig, generate
from training.objectives.masks import (
    MaskConfig,
    drawn_masks,
    mask_condition,
    noise_on_known,
    resized_mask,
)
from training.run.config import TrainConfig, TrainerConfig
from training.run.module import Batch
from training.run.noise import SampleNoise

KINDS = [kind for kind, _ in MaskConfig().weights()]
NONE: dict[str, float] = dict.fromkeys(KINDS, 0.0)
SIZE = (9, 24, 32)


def masks_of(kind: str, count: int = 64, size: tuple[int, int, int] = SIZE) -> torch.Tensor:
    ids = [f"clip{number}" for number in range(count)]
    return drawn_masks(MaskConfig(share=1.0, **(NONE | {kind: 1.0})), SampleNoise(0, 0, ids), size)[:, 0]


def of_frames(masks: torch.Tensor) -> torch.Tensor:
    """(B, F): whether a frame is known as a whole."""
    return masks.flatten(2).all(dim=2)


def test_masks_of_frames() -> None:
    assert not masks_of("nothing").any()
    firsts = {tuple(known.tolist()) for known in of_frames(masks_of("first"))}
    assert firsts == {tuple(frame < count for frame in range(9)) for count in (1, 2, 3, 4)}
    lasts = {tuple(known.tolist()) for known in of_frames(masks_of("last"))}
    assert lasts == {tuple(frame >= 9 - count for frame in range(9)) for count in (1, 2, 3, 4)}
    ends = of_frames(masks_of("ends"))
    assert bool(ends[:, 0].all() & ends[:, -1].all())
    assert len({tuple(known.tolist()) for known in ends}) > 8
    some = of_frames(masks_of("frames"))
    assert torch.equal(some, masks_of("frames").flatten(2).any(dim=2))
    assert 0.4 < some.float().mean() < 0.6
    # Something is always left to make.
    for kind in ("first", "last"):
        assert not masks_of(kind, size=(2, 8, 8)).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("kind", ["rectangle", "window", "ellipse", "boxes"])
def test_masks_of_places_are_made_of_a_hole(kind: str) -> None:
    masks = masks_of(kind)
    assert bool((masks.flatten(1).any(dim=1) & ~masks.flatten(1).all(dim=1)).all())
    alike = (masks == masks[:, :1]).flatten(1).all(dim=1)
    assert bool(alike.all()) == (kind != "window")
    assert len({mask.numpy().tobytes() for mask in masks}) == len(masks)
    if kind == "rectangle":
        for mask in masks[:, 0]:
            rows, columns = (1 - mask).any(dim=1), (1 - mask).any(dim=0)
            assert torch.equal(1 - mask, torch.outer(rows.float(), columns.float()))


def test_half_of_the_pixels_are_known_of_a_mask_of_pixels_and_samples_beside_it_stay() -> None:
    masks = masks_of("pixels")
    assert 0.48 < masks.mean() < 0.52
    config, ids = MaskConfig(share=1.0), [f"clip{number}" for number in range(40)]
    together = drawn_masks(config, SampleNoise(0, 0, ids), SIZE)
    alone = torch.cat([drawn_masks(config, SampleNoise(0, 0, [one]), SIZE) for one in ids])
    assert torch.equal(together, alone)


def test_kinds_are_drawn_by_their_weights_and_of_pictures_others() -> None:
    ids = [f"clip{number}" for number in range(2000)]
    masks = drawn_masks(MaskConfig(share=1.0), SampleNoise(1, 0, ids), (5, 6, 6))
    assert float((~masks.flatten(1).any(dim=1)).float().mean()) == pytest.approx(0.2, abs=0.03)
    pictures = drawn_masks(MaskConfig(share=1.0), SampleNoise(1, 0, ids), (1, 6, 6))
    assert float((~pictures.flatten(1).any(dim=1)).float().mean()) == pytest.approx(0.8, abs=0.03)
    assert not pictures.flatten(1).all(dim=1).any()


def test_a_mask_on_latents_has_the_first_frame_for_itself() -> None:
    known = torch.zeros(1, 1, 9, 16, 16)
    known[:, :, 0] = 1
    small = resized_mask(known, (3, 2, 2))
    assert torch.equal(small[0, 0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(resized_mask(known[:, :, :1], (1, 2, 2)), torch.ones(1, 1, 1, 2, 2))
    known[:, :, -4:, :, :8] = 1
    assert torch.equal(resized_mask(known, (3, 2, 2))[0, 0, 2], torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    known[:, :, :-1] = 0  # of the last latent's four frames one is left
    assert torch.equal(resized_mask(known, (3, 2, 2))[0, 0, 2], torch.tensor([[0.25, 0.0], [0.25, 0.0]]))


def latents_of_means(video: torch.Tensor) -> torch.Tensor:
    """First frame, then each four; eight by eight pixels."""
    first, rest = video[:, :, :1], video[:, :, 1:].unflatten(2, (-1, 4)).mean(dim=3)
    return torch.cat([first, rest], dim=2).unflatten(4, (-1, 8)).unflatten(3, (-1, 8)).mean(dim=(4, 6))


def test_what_is_unknown_is_not_in_the_condition() -> None:
    video = torch.rand(2, 3, 9, 16, 16, generator=torch.Generator().manual_seed(0))
    known = torch.zeros(2, 1, 9, 16, 16)
    known[0, :, :, :, :8] = 1
    condition = mask_condition(video, known, latents_of_means, level=0.7)
    assert condition.shape == (2, 4, 3, 2, 2)
    assert torch.equal(condition[0, 0], torch.tensor([0.7, 0.0]).expand(3, 2, 2))
    torch.testing.assert_close(condition[0, 1:, ..., 0], latents_of_means(video)[0, ..., 0])
    assert bool((condition[0, 1:, ..., 1] == -1).all())
    assert not condition[1].any()
    other = torch.where(known > 0, video, torch.rand_like(video))
    assert torch.equal(mask_condition(other, known, latents_of_means, level=0.7), condition)


def test_noise_on_what_is_known_is_small() -> None:
    noise = SampleNoise(0, 0, [f"clip{number}" for number in range(200)])
    deviations = noise_on_known(torch.zeros(200, 3, 1, 16, 16), noise).flatten(1).std(dim=1)
    assert float(deviations.log().mean()) == pytest.approx(-3.0, abs=0.15)
    assert float(deviations.log().std()) == pytest.approx(0.5, abs=0.1)


def batch(count: int = 40, frames: int = 5) -> Batch:
    video = torch.rand(count, 3, frames, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ids = [f"clip{number}" for number in range(count)]
    return Batch(video=video, captions=[""] * count, clip_ids=ids, tokens=2)


def conditions(module: DitModule, given: Batch) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    handle = module.model.register_forward_pre_hook(lambda _, args: seen.append(args[3]))
    module.loss("dit", given, SampleNoise(0, 0, given.clip_ids), 0)
    handle.remove()
    return seen[0]


def test_shares_of_what_is_told_are_those_that_were_set() -> None:
    masks = MaskConfig(share=0.5, noise=False, **(NONE | {"last": 1.0}))
    module, given = tiny_dit_module(first_frame_share=0.25, masks=masks), batch()
    told = conditions(module, given)
    first, last = told[:, 0, 0].flatten(1).all(dim=1), told[:, 0, 1].flatten(1).any(dim=1)
    assert not bool((first & last).any())
    assert int(first.sum()) == pytest.approx(10, abs=7)
    assert int(last.sum()) == pytest.approx(20, abs=8)
    assert bool((told[~first & ~last] == 0).all())
    plain = conditions(tiny_dit_module(first_frame_share=0.25), given)
    assert torch.equal(told[first], plain[first])  # what is drawn for others changes nothing


def test_the_loss_of_masked_samples_reaches_the_weights_and_needs_pixels() -> None:
    module, given = tiny_dit_module(masks=MaskConfig(share=0.8)), batch(4)
    module.loss("dit", given, SampleNoise(0, 0, given.clip_ids), 0).total.backward()
    gradient = module.model.dit.patches_in.weight.grad
    assert bool((gradient.flatten(2).abs().sum(dim=(0, 2)) > 0).all())
    cached = replace(given, video=module.latents(given), latent=True)
    with pytest.raises(ValueError, match=r"data\.cache must be empty"):
        module.loss("dit", cached, SampleNoise(0, 0, given.clip_ids), 0)


def test_a_run_with_masks_is_planned_though_plans_have_no_pixels() -> None:
    objective = DitObjective(vae="", model=DIT, text=TEXT, masks=MaskConfig(share=0.5))
    config = TrainConfig(name="masks", out="out", objective=objective, data=None, trainer=TrainerConfig(steps=1))
    planned = objective.planned(config)
    module, given = planned.module, planned.batch(Shape(5, 16, 16), 2)
    module.materialise("dit", torch.device("cpu"))
    assert module.loss("dit", given, SampleNoise(0, 0, given.clip_ids), 0).flops


def test_a_sample_is_told_what_training_was() -> None:
    module, given = tiny_dit_module(masks=MaskConfig(share=1.0), first_frame_share=0.0), batch(2)
    known = torch.zeros(2, 1, 5, 16, 16)
    known[:, :, -1:] = 1
    condition = module.masked_condition(given.video, known)
    noise = torch.randn(2, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    config = GenerateConfig(num_steps=2, guidance=2.0)
    told, untold = (generate(module, ["a", "b"], noise, config, condition=one) for one in (condition, None))
    assert (told - untold).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MaskConfig(share=1.5), r"masks\.share is 1\.5, must be in \[0, 1\]"),
        (lambda: MaskConfig(first=-1.0), r"masks\.first is -1\.0, must be at least 0"),
        (lambda: MaskConfig(share=0.5, **NONE), "all kinds have the weight 0"),
        (
            lambda: DitObjective(vae="", model=DIT, text=TEXT, first_frame_share=0.6, masks=MaskConfig(share=0.5)),
            r"are 1\.1 together, must be at most 1",
        ),
        (
            lambda: DitObjective(vae="", model=replace(DIT, in_channels=4), text=TEXT, masks=MaskConfig(share=0.5)),
            "no channels for a condition",
        ),
    ],
)
def test_impossible_masks_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_a_model_of_text_alone_is_told_nothing() -> None:
    model = replace(DIT, in_channels=4)
    module = DitModule(DitObjective(vae="", model=model, text=TEXT, latent_scale=1.0), at_hand(VideoVae(VAE)))
    with pytest.raises(ValueError, match="takes no part of a video: it has channels for no condition"):
        module.masked_condition(batch(1).video, torch.ones(1, 1, 5, 16, 16))
