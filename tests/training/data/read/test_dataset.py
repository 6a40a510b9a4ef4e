"""Samples show what the plan asks for, whoever loads them; what cannot be read is reported and replaced."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import videos
from tests.training.clip_tables import RECIPE, clip_row, counter_clips, table_of_rows
from tests.videos import counter_video, picture_file, read_counter, write_video
from training.data.plan.plan import plan_epoch
from training.data.plan.sampler import PlannedBatches
from training.data.read.crop import Box, choose_crop, cropped
from training.data.read.dataset import ClipDataset, DatasetConfig, UnreadableError
from training.data.read.loader import ClipBatches, batches
from training.data.read.placement import Request
from training.models.grid import Shape
from training.models.pixels import as_model_input
from training.run.module import Batch

ANEW, MIDDLE = DatasetConfig(), DatasetConfig(place="middle")
SHAPE = Shape(9, 48, 80)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return counter_clips(tmp_path_factory.mktemp("clips"))


def dataset_of(rows: Sequence[dict[str, Any]], config: DatasetConfig = ANEW) -> ClipDataset:
    return ClipDataset(table_of_rows(rows), RECIPE, config)


def request(row: int = 0, shape: Shape = SHAPE, seed: int = 7, start: float = 0.0, caption: str = "caption") -> Request:
    return Request(row=row, shape=shape, caption=caption, seed=seed, start=start)


def shown(dataset: ClipDataset, request: Request) -> tuple[torch.Tensor, str]:
    """A sample as a model is given it, (3, F, H, W), and its text."""
    sample = dataset.sample(request)
    return as_model_input(torch.from_numpy(sample.frames)[None])[0], sample.caption


def counters(video: torch.Tensor) -> list[int]:
    luma = ((video.mean(0) + 1) * 127.5).round().to(torch.uint8).numpy()
    return [read_counter(frame) for frame in luma]


def taken(source: Any, count: int, num_workers: int, seed: int = 3, rank: int = 0, world_size: int = 1) -> list[Batch]:
    planned = PlannedBatches(source.table, RECIPE, seed=seed, rank=rank, world_size=world_size)
    return [batch.to(torch.device("cpu")) for batch in itertools.islice(batches(planned, source, num_workers), count)]


def test_a_picture_is_an_image_of_one_frame(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    picture = clip_row(picture_file(tmp_path / "p.png"))
    dataset = dataset_of([*rows, picture])
    for backend in ("pyav", "decord"):  # the latter leaves it to the former
        video, _ = shown(
            dataset_of([*rows, picture], DatasetConfig(backend=backend)), request(len(rows), Shape(1, 48, 80))
        )
        assert counters(video) == [1]
    shown_in = [batch for batch in taken(dataset, 40, 0) if picture["clip_id"] in batch.clip_ids]
    assert {batch.video.shape[2] for batch in shown_in} == {1}


def test_pixels_stay_of_8_bits_up_to_the_device(rows: list[dict[str, Any]]) -> None:
    dataset = dataset_of(rows)
    planned = PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1)
    for num_workers in (0, 1):
        batch = next(batches(planned, dataset, num_workers))
        assert batch.video.dtype == torch.uint8
        there = batch.to(torch.device("cpu"))
        assert torch.equal(there.video, as_model_input(batch.video))
        assert there.size == batch.size == tuple(there.video.shape[2:])
        on_meta = batch.to(torch.device("meta")).video
        assert (on_meta.dtype, on_meta.shape) == (torch.float32, there.video.shape)


def assert_same(one: Sequence[Batch], other: Sequence[Batch]) -> None:
    for a, b in zip(one, other, strict=True):
        assert torch.equal(*(batch.to(torch.device("cpu")).video for batch in (a, b)))
        assert (list(a.captions), list(a.clip_ids), a.tokens) == (list(b.captions), list(b.clip_ids), b.tokens)
        assert list(a.bad_clips) == list(b.bad_clips)


def test_a_sample_is_the_clips_seconds_whatever_the_source_rate(rows: list[dict[str, Any]]) -> None:
    dataset = dataset_of(rows)
    for row, source_fps in ((1, 12), (4, 24), (7, 30), (10, 60)):
        video, caption = shown(dataset, request(row))
        assert video.dtype == torch.float32
        assert video.shape == (3, 9, 48, 80)
        assert -1 <= float(video.min()) < -0.5
        assert 0.5 < float(video.max()) <= 1
        seconds = np.array(counters(video)) / source_fps
        np.testing.assert_allclose(seconds, 1 + np.arange(9) / 12, atol=0.5 / 12 + 1e-6)
        assert caption == rows[row]["caption"]


def test_start_stays_inside_the_clip(rows: list[dict[str, Any]]) -> None:
    dataset = dataset_of(rows)
    firsts = set()
    for start in (0.0, 0.3, 0.6, 0.999999):
        read = counters(shown(dataset, request(4, start=start))[0])
        assert 24 <= read[0] < read[-1] <= 47
        firsts.add(read[0])
    assert len(firsts) == 4


def test_pixels_keep_their_place_and_colour(tmp_path: Path) -> None:
    image = np.full((90, 160, 3), 128, np.uint8)
    image[:45, :80] = (0, 0, 255)  # BGR: red at the top left
    image[45:, 80:] = (255, 0, 0)  # blue at the bottom right
    write_video(tmp_path / "v.mp4", [image] * 24, fps=Fraction(24), options={"crf": "4"})
    video = shown(dataset_of([clip_row(tmp_path / "v.mp4")], MIDDLE), request())[0][:, 0]
    assert torch.allclose(video[:, :20, :36].mean((1, 2)), torch.tensor([1.0, -1.0, -1.0]), atol=0.1)
    assert torch.allclose(video[:, 28:, 44:].mean((1, 2)), torch.tensor([-1.0, -1.0, 1.0]), atol=0.1)
    assert torch.allclose(video[:, 28:, :36].mean((1, 2)), torch.zeros(3), atol=0.1)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_videos_come_upright(tmp_path: Path, degrees: int) -> None:
    row = clip_row(videos.rotated(tmp_path / "v.mp4", degrees=degrees))
    shape = SHAPE if degrees == 180 else Shape(9, 80, 48)
    assert counters(shown(dataset_of([row]), request(shape=shape))[0]) == list(range(0, 18, 2))


def test_wide_pixels_come_square(tmp_path: Path) -> None:
    """A disc drawn for 4:3 pixels is round in the sample."""
    image = np.full((96, 128, 3), 20, np.uint8)
    y, x = np.mgrid[:96, :128]
    image[((y - 47.5) ** 2 + ((x - 63.5) * 4 / 3) ** 2) < 36**2] = 230
    write_video(tmp_path / "v.mp4", [image] * 24, fps=Fraction(24), pixel_aspect=Fraction(4, 3))
    row = clip_row(tmp_path / "v.mp4")
    assert (row["width"], row["height"]) == (171, 96)
    lit = shown(dataset_of([row], MIDDLE), request(shape=Shape(5, 48, 48)))[0].mean(0)[0] > 0
    assert int(lit.any(0).sum()) == pytest.approx(36, abs=1)
    assert int(lit.any(1).sum()) == pytest.approx(36, abs=1)


def test_black_borders_are_left_out(tmp_path: Path) -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[20:100, 10:150] = 200
    write_video(tmp_path / "v.mp4", [image] * 24, fps=Fraction(24))
    box = {"crop_left": 12, "crop_top": 22, "crop_right": 148, "crop_bottom": 98}
    bordered, boxed = clip_row(tmp_path / "v.mp4"), clip_row(tmp_path / "v.mp4", **box)
    assert float(shown(dataset_of([bordered]), request())[0].min()) < -0.9
    dataset = dataset_of([boxed, {**boxed, "crop_left": None}])
    for seed in range(8):
        assert float(shown(dataset, request(seed=seed))[0].min()) > 0.4
    assert float(shown(dataset, request(row=1))[0].min()) < -0.9


def test_reducing_does_not_alias() -> None:
    stripes = np.zeros((480, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    small = cropped(stripes, Box(left=0, top=0, right=800, bottom=480), displayed=(480, 800), height=48, width=80)
    assert np.ptp(small.astype(int)) <= 2
    assert abs(float(small.mean()) - 127.5) < 2


def test_crops_have_the_aspect_and_reach_every_edge() -> None:
    content = Box(left=10, top=20, right=210, bottom=120)
    for height, width in ((48, 80), (64, 64), (96, 32), (16, 128)):
        edges = set()
        for place in itertools.product((0.0, 0.5, 0.99999), repeat=2):
            crop = choose_crop(content, height=height, width=width, place=place)
            assert 10 <= crop.left < crop.right <= 210
            assert 20 <= crop.top < crop.bottom <= 120
            assert abs(crop.width * height - crop.height * width) <= max(height, width)
            edges |= {crop.left == 10, crop.right == 210, crop.top == 20, crop.bottom == 120}
        assert True in edges


def test_each_epoch_and_clip_has_its_own_crop(tmp_path: Path) -> None:
    row = clip_row(counter_video(tmp_path / "v.mp4", size=(320, 90)))
    dataset = dataset_of([row])
    crops = {float(shown(dataset, request(seed=seed, shape=Shape(5, 48, 48)))[0].sum()) for seed in range(6)}
    assert len(crops) >= 5
    middle = dataset_of([row], MIDDLE)
    assert len({float(shown(middle, request(seed=seed, start=0.1 * seed))[0].sum()) for seed in range(3)}) == 1


@pytest.mark.parametrize("num_workers", [1, 4])
def test_workers_change_nothing(rows: list[dict[str, Any]], num_workers: int) -> None:
    dataset = dataset_of(rows)
    alone = taken(dataset, 14, 0)  # into the third epoch
    assert len({batch.video.shape for batch in alone}) > 1
    assert_same(taken(dataset, 14, num_workers), alone)


def test_workers_that_do_not_fork_change_nothing(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dataset_of(rows)
    alone = taken(dataset, 3, 0)
    monkeypatch.setattr(ClipDataset, "remote", True)
    assert_same(taken(dataset, 3, 1), alone)


def test_loading_draws_nothing_from_torchs_own_generator(rows: list[dict[str, Any]]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    taken(dataset_of(rows), 2, 0)
    assert torch.equal(torch.rand(3), expected)


def test_backends_give_the_same_batches(rows: list[dict[str, Any]]) -> None:
    assert_same(taken(dataset_of(rows, DatasetConfig(backend="decord")), 6, 0), taken(dataset_of(rows), 6, 0))


def test_batches_are_the_plans(rows: list[dict[str, Any]]) -> None:
    dataset = dataset_of(rows)
    plans = [plan_epoch(dataset.table, RECIPE, seed=3, epoch=0, world_size=2)]
    for rank in (0, 1):
        for step, batch in enumerate(taken(dataset, plans[0].num_steps, 1, rank=rank, world_size=2)):
            wanted = plans[0].rank_step(step, rank)
            assert list(batch.clip_ids) == [rows[row]["clip_id"] for row in wanted.rows]
            assert list(batch.captions) == [
                rows[row][column] for row, column in zip(wanted.rows, wanted.captions, strict=True)
            ]
            shape = wanted.shape
            assert batch.video.shape == (len(wanted.rows), 3, shape.frames, shape.height, shape.width)
            assert batch.tokens == RECIPE.grid.tokens(shape)


def with_bad_clips(rows: Sequence[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Clip 1's file is gone, clip 5's is no video, clip 8's was replaced by another video."""
    changed = [dict(row) for row in rows]
    changed[1]["source_uri"] = os.fspath(folder / "gone.mp4")
    changed[5]["source_uri"] = os.fspath(videos.text_file(folder / "prose.mp4"))
    changed[8]["source_uri"] = os.fspath(
        counter_video(folder / "other.mp4", num_frames=99, fps=Fraction(30), size=(64, 48))
    )
    return changed


@pytest.mark.parametrize("num_workers", [0, 2])
def test_bad_clips_are_reported_and_replaced_by_the_same_others(
    rows: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture, num_workers: int
) -> None:
    changed = with_bad_clips(rows, tmp_path)
    bad_ids = {
        changed[row]["clip_id"]: why for row, why in ((1, "not_found"), (5, "not_a_video"), (8, "source_changed"))
    }
    dataset = dataset_of(changed)
    steps = plan_epoch(dataset.table, RECIPE, seed=3, epoch=0, world_size=1).num_steps
    with caplog.at_level(logging.WARNING):
        found = taken(dataset, steps, num_workers)
    reported = dict(bad for batch in found for bad in batch.bad_clips)
    assert set(reported) == set(bad_ids)
    for clip_id, why in bad_ids.items():
        assert reported[clip_id].startswith(why)
        assert any(clip_id in line and why in line for line in caplog.messages)
    shown = [clip_id for batch in found for clip_id in batch.clip_ids]
    assert not set(shown) & set(bad_ids)
    assert len(shown) == len(rows)
    good = taken(dataset_of(rows), steps, 0)
    for batch, undisturbed in zip(found, good, strict=True):  # the others are as they would have been
        assert batch.video.shape == undisturbed.video.shape
        for index, clip_id in enumerate(undisturbed.clip_ids):
            if clip_id not in bad_ids:
                assert torch.equal(batch.video[index], undisturbed.video[index])
    assert_same(taken(dataset, steps, 0), found)


def test_substitutes_are_long_enough_and_differ_by_clip(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    short = clip_row(counter_video(tmp_path / "short.mp4", num_frames=12))
    tall = clip_row(counter_video(tmp_path / "tall.mp4", size=(90, 160)))
    gone = {**rows[0], "source_uri": os.fspath(tmp_path / "gone.mp4")}
    dataset = dataset_of([gone, short, tall, *rows[1:]])
    shown = {dataset.sample(request(seed=seed)).clip_id for seed in range(12)}
    assert len(shown) > 3
    assert not shown & {short["clip_id"], tall["clip_id"], gone["clip_id"]}


def test_clips_that_are_never_to_be_shown_are_no_substitutes(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    gone = {**rows[0], "source_uri": os.fspath(tmp_path / "gone.mp4")}
    sampler = replace(RECIPE, source_weights=f"{rows[-1]['source_uri']}=0")
    dataset = ClipDataset(table_of_rows([gone, *rows[1:]], sampler), sampler)
    shown = {dataset.sample(request(seed=seed)).clip_id for seed in range(30)}
    assert len(shown) > 3
    assert not shown & {row["clip_id"] for row in rows if row["source_uri"] == rows[-1]["source_uri"]}


def test_if_all_fail_the_run_stops_and_says_why(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    gone = [{**row, "source_uri": os.fspath(tmp_path / "gone.mp4")} for row in rows]
    for num_workers in (0, 1):
        with pytest.raises(UnreadableError) as caught:
            taken(dataset_of(gone), 1, num_workers)
        told = str(caught.value)
        assert re.fullmatch(
            r"clip [0-9a-f]{32} cannot be read \(not_found.*\), nor can any of 8 others .*--root A=B", told
        )
        assert len(told) < 400
    few = dataset_of(gone, DatasetConfig(max_substitutes=2))
    with pytest.raises(UnreadableError, match="any of 2 others"):
        few.sample(request())


def test_resumed_batches_are_those_that_were_left(rows: list[dict[str, Any]]) -> None:
    dataset = dataset_of(rows)
    whole = taken(dataset, 13, 0)
    first = ClipBatches(PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1), dataset, 2)
    done = list(itertools.islice(first, 7))  # workers have fetched more by then
    then = ClipBatches(PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1), dataset, 0)
    then.load_state_dict(first.state_dict())
    assert_same([*done, *itertools.islice(then, 6)], whole)


def test_resuming_on_two_ranks_loses_and_repeats_no_clip(rows: list[dict[str, Any]]) -> None:
    dataset = dataset_of(rows)
    one = ClipBatches(PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1), dataset)
    seen = [clip for batch in itertools.islice(one, 2) for clip in batch.clip_ids]
    state = one.state_dict()
    left = plan_epoch(dataset.table, RECIPE, seed=3, epoch=0, world_size=2, done=[(1, 2)])
    for rank in (0, 1):
        two = ClipBatches(PlannedBatches(dataset.table, RECIPE, seed=3, rank=rank, world_size=2), dataset)
        two.load_state_dict(state)
        seen += [clip for batch in itertools.islice(two, left.num_steps) for clip in batch.clip_ids]
    assert len(set(seen)) == len(seen) == len(rows) - len(left.dropped)


def test_no_worker_outlives_its_loader(rows: list[dict[str, Any]]) -> None:
    planned = PlannedBatches(dataset_of(rows).table, RECIPE, seed=3, rank=0, world_size=1)
    endless = batches(planned, dataset_of(rows), 2)
    next(endless)
    endless.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


def test_frames_lie_at_strides_by_chance_as_far_as_the_clip_is_long(rows: Sequence[dict[str, Any]]) -> None:
    plain, strided = dataset_of(rows), dataset_of(rows, DatasetConfig(max_stride=2))
    requests = [request(shape=Shape(5, 48, 80), seed=seed) for seed in range(24)]
    steps = {tuple(np.diff(counters(shown(strided, one)[0]))) for one in requests}
    [[apart]] = {tuple(set(np.diff(counters(shown(plain, one)[0])))) for one in requests}
    assert steps == {(apart,) * 4, (2 * apart,) * 4}
    assert shown(strided, requests[0])[0].equal(shown(strided, requests[0])[0])
    whole = request(shape=Shape(long := int(rows[0]["duration_seconds"] * RECIPE.fps) // 4 * 4 + 1, 48, 80))
    assert long > 9
    assert shown(strided, whole)[0].equal(shown(plain, whole)[0])  # no room for any but 1
    picture = request(shape=Shape(1, 48, 80))
    assert shown(strided, picture)[0].equal(shown(plain, picture)[0])
