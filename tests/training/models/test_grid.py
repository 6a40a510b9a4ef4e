from __future__ import annotations

import numpy as np
import pytest

from benchmarks.sampler import generated
from training.data.plan.buckets import ASPECT_BINS, SPREAD, Bucket, aspect_of_bin, find_buckets
from training.data.plan.choice import aspect_counts
from training.data.plan.config import GridSampler, SamplerConfig
from training.models.grid import Shape, TokenGrid


def classes_of_square(sampler: GridSampler) -> list[Bucket]:
    aspects = np.zeros(ASPECT_BINS)
    aspects[ASPECT_BINS // 2] = 1
    return find_buckets(sampler, aspects)


def samples_by_shape(buckets: list[Bucket]) -> dict[Shape, int]:
    return {shape: count for one in buckets for shape, count in zip(one.shapes, one.samples, strict=True)}


@pytest.mark.parametrize(("side", "frames", "tokens"), [(256, 49, 3_328), (512, 49, 13_312), (1024, 49, 53_248)])
def test_tokens_are_those_of_the_paper(side: int, frames: int, tokens: int) -> None:
    assert TokenGrid().tokens(Shape(frames, side, side)) == tokens


def test_an_image_has_the_tokens_of_one_latent_frame() -> None:
    assert TokenGrid().tokens(Shape(1, 512, 512)) == 32 * 32


@pytest.mark.parametrize("shape", [Shape(48, 512, 512), Shape(49, 520, 512), Shape(49, 512, 500)])
def test_shapes_that_the_strides_do_not_divide_are_refused(shape: Shape) -> None:
    with pytest.raises(ValueError, match=r"4n\+1"):
        TokenGrid().tokens(shape)


def test_the_search_finds_what_divides_the_budget() -> None:
    found = samples_by_shape(classes_of_square(SamplerConfig().on(TokenGrid())))
    assert found[Shape(49, 1024, 1024)] == 1
    assert found[Shape(49, 512, 512)] == 4
    assert found[Shape(49, 256, 256)] == 16
    assert found[Shape(1, 1024, 1024)] == 13


def test_shapes_of_a_class_fill_the_budget_alike() -> None:
    sampler = SamplerConfig().on(TokenGrid())
    fills = []
    for one in find_buckets(sampler, aspect_counts(generated(20_000, 0.1, seed=1))):
        tokens = [count * sampler.grid.tokens(shape) for shape, count in zip(one.shapes, one.samples, strict=True)]
        assert max(tokens) <= sampler.budget_tokens
        assert min(tokens) >= (1 - SPREAD) * max(tokens)
        assert {shape.frames for shape in one.shapes} == {one.frames}
        areas = [shape.height * shape.width for shape in one.shapes]
        assert max(areas) <= 1.5 * min(areas)
        fills.append(max(tokens) / sampler.budget_tokens)
    assert min(fills) > 0.99
    assert np.mean(fills) > 0.999


def test_a_class_gives_a_clip_the_nearest_aspect_or_none() -> None:
    sampler = SamplerConfig().on(TokenGrid())
    for one in find_buckets(sampler, aspect_counts(generated(20_000, 0.1, seed=1))):
        logs = np.array([np.log(shape.height / shape.width) for shape in one.shapes])
        away = np.abs(aspect_of_bin(np.arange(ASPECT_BINS))[:, None] - logs)
        has = one.by_aspect >= 0
        assert (has == (away.min(1) <= sampler.max_aspect_change)).all()
        assert (one.by_aspect[has] == away.argmin(1)[has]).all()


def test_a_tiny_model_has_classes_too() -> None:
    sampler = SamplerConfig(budget_tokens=1_280, min_side=64, max_side=64, sides=1, min_frames=9, max_frames=17).on(
        TokenGrid()
    )
    found = samples_by_shape(classes_of_square(sampler))
    assert found[Shape(17, 64, 64)] == 16
    assert found[Shape(9, 64, 64)] == 26
    assert found[Shape(1, 64, 64)] == 80


def test_a_budget_that_holds_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="budget_tokens 100"):
        classes_of_square(SamplerConfig(budget_tokens=100).on(TokenGrid()))


@pytest.mark.parametrize("budget", [1_280, 13_312, 53_248])
def test_clips_of_nearly_every_aspect_have_classes_of_every_length(budget: int) -> None:
    sampler = SamplerConfig(budget_tokens=budget, min_side=128, max_side=512).on(TokenGrid())
    aspects = aspect_counts(generated(20_000, 0.1, seed=1))
    buckets = find_buckets(sampler, aspects)
    lengths = {one.frames for one in buckets}
    assert {1, 9, 17} <= lengths
    for frames in lengths & {1, 9, 17}:
        covered = np.any([one.by_aspect >= 0 for one in buckets if one.frames == frames], axis=0)
        assert aspects @ covered > 0.95 * aspects.sum()
