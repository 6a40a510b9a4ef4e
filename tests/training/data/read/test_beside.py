"""A control video and cameras are shown as their clip is, at the same times and the same place, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from preprocess.io.settings import override
from tests.training.clip_tables import RECIPE, clip_row, table_of_rows
from tests.training.data.test_clips import config_of_rows, told
from tests.videos import counter_video, read_counter, write_video
from training.data.plan.plan import RankStep
from training.data.plan.sampler import PlannedBatches
from training.data.read.dataset import ClipDataset, DatasetConfig, Sample
from training.data.read.loader import batches
from training.data.read.placement import Request
from training.models.grid import Shape
from training.models.rays import camera_rays

SHAPE = Shape(9, 48, 48)
BOTH = DatasetConfig(control="control", camera="camera")
SIZE = (160, 96)


def request(row: int = 0, seed: int = 7, start: float = 0.3) -> Request:
    return Request(row=row, shape=SHAPE, caption="caption", seed=seed, start=start)


def sample_of(rows: list[dict[str, Any]], config: DatasetConfig = BOTH, **asked: Any) -> Sample:
    return ClipDataset(table_of_rows(rows), RECIPE, config).sample(request(**asked))


def pattern(path: Path, *, shift: int = 0, size: tuple[int, int] = SIZE) -> Path:
    """30 frames at 12 fps: smooth noise that goes along."""
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 256, (20, 60, 3), dtype=np.uint8), (4 * SIZE[0], SIZE[1]))
    frames = [noise[:, 4 * (number + shift) : 4 * (number + shift) + SIZE[0]] for number in range(30)]
    write_video(path, [cv2.resize(frame, size) for frame in frames], fps=Fraction(12), options={"crf": "4"})
    return path


def counters(frames: np.ndarray) -> list[int]:
    return [read_counter(frame) for frame in frames.mean(axis=3).round().astype(np.uint8)]


@pytest.mark.parametrize("place", ["random", "middle"])
def test_the_same_film_as_its_own_control_is_the_sample_itself(tmp_path: Path, place: Any) -> None:
    film = pattern(tmp_path / "film.mp4")
    rows = [clip_row(film, 3, 28, control="film.mp4"), clip_row(film, 0, 20, control=str(film))]
    config = replace(BOTH, place=place)
    crops = set()
    for row, seed, start in ((0, 1, 0.0), (0, 2, 0.5), (1, 3, 0.99)):
        sample = sample_of(rows, config, row=row, seed=seed, start=start)
        assert sample.control is not None
        assert np.array_equal(sample.frames, sample.control)
        crops.add(sample.frames.tobytes())
    assert len(crops) == (3 if place == "random" else 2)


def test_the_same_under_borders_and_with_wide_pixels(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4")
    box = {"crop_left": 12, "crop_top": 6, "crop_right": 140, "crop_bottom": 92}
    write_video(
        tmp_path / "wide.mp4",
        [np.full((96, 128, 3), 3 * n, np.uint8) for n in range(30)],
        fps=Fraction(12),
        pixel_aspect=Fraction(4, 3),
    )
    rows = [clip_row(film, control="film.mp4", **box), clip_row(tmp_path / "wide.mp4", control="wide.mp4")]
    for row in (0, 1):
        sample = sample_of(rows, row=row)
        assert sample.control is not None
        assert np.array_equal(sample.frames, sample.control)


def test_a_control_of_half_the_size_and_another_rate_shows_the_same_moment_and_place(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mp4")
    pattern(tmp_path / "small.mp4", size=(SIZE[0] // 2, SIZE[1] // 2))
    sample = sample_of([clip_row(film, 3, 28, control="small.mp4")])
    assert sample.control is not None
    of_control, of_film = (frames.mean(axis=3) for frames in (sample.control, sample.frames))  # colour is coarser
    off = [np.abs(np.roll(of_control, right, axis=2) - of_film)[:, :, 4:-4].mean() for right in (-2, -1, 0, 1, 2)]
    assert np.argmin(off) == 2
    fast = counter_video(tmp_path / "fast.mp4", num_frames=60, fps=Fraction(24), size=SIZE)
    slow = counter_video(tmp_path / "slow.mp4", num_frames=30, fps=Fraction(12), size=SIZE)
    whole = replace(RECIPE, max_aspect_change=9.0)
    dataset = ClipDataset(table_of_rows([clip_row(slow, 6, 30, control="fast.mp4")]), whole, BOTH)
    wide = dataset.sample(replace(request(), shape=Shape(9, 48, 80)))
    assert wide.control is not None
    assert counters(wide.control) == [2 * number for number in counters(wide.frames)]
    assert fast.exists()


def test_a_file_may_begin_with_its_clip(tmp_path: Path) -> None:
    film, beside = (
        counter_video(tmp_path / name, num_frames=36, fps=Fraction(12), size=SIZE) for name in ("a.mp4", "b.mp4")
    )
    rows = [clip_row(film, 12, 30, control=beside.name)]
    shown = []
    for clock in ("film", "clip"):
        dataset = ClipDataset(table_of_rows(rows), RECIPE, replace(BOTH, beside_clock=clock))
        sample = dataset.sample(replace(request(start=0.0), shape=Shape(9, 48, 80)))
        assert sample.control is not None
        shown.append((counters(sample.frames)[0], counters(sample.control)[0]))
    assert shown == [(12, 12), (12, 0)]


def lines(count: int = 30, focal: tuple[float, float] = (0.8, 1.2)) -> str:
    rows = [f"{n} {focal[0]} {focal[1]} 0.5 0.5 0 0 1 0 0 {-0.1 * n} 0 1 0 0 0 0 1 0" for n in range(count)]
    return "\n".join(["a film", *rows])


def test_cameras_look_through_the_crop(tmp_path: Path) -> None:
    """The rays of a sample are those of the whole picture's pixels that it shows."""
    film = pattern(tmp_path / "film.mp4")
    (tmp_path / "film.txt").write_text(lines())
    dataset = ClipDataset(table_of_rows([clip_row(film, camera="film.txt")]), RECIPE, BOTH)
    asked = request(start=0.0)
    sample, clip = dataset.sample(asked), clip_row(film)
    assert sample.cameras is not None
    assert sample.cameras.shape == (9, 16)
    np.testing.assert_allclose(sample.cameras[:, 7], -0.1 * np.arange(9), atol=1e-6)
    from training.data.read.placement import placed_clip

    crop = dataset.placement(placed_clip(dataset.table, 0), asked).crop
    whole = torch.tensor([0.8, 1.2, 0.5, 0.5, *np.eye(3, 4).ravel()], dtype=torch.float32)[None, None]
    of_film = camera_rays(whole, clip["height"], clip["width"])[0, :, 0]
    of_crop = camera_rays(torch.from_numpy(sample.cameras)[None], crop.height, crop.width)[0, :, 0]
    torch.testing.assert_close(of_crop, of_film[:, crop.top : crop.bottom, crop.left : crop.right], atol=1e-5, rtol=0)


def test_names_stand_in_the_json_file_beside_the_video_too_and_lacking_ones_are_none(tmp_path: Path) -> None:
    films = [pattern(tmp_path / f"{number}.mp4", shift=number) for number in range(3)]
    (tmp_path / "0.json").write_text(json.dumps({"control": "1.mp4"}))
    (tmp_path / "1.json").write_text(json.dumps({"camera": "1.txt"}))
    (tmp_path / "1.txt").write_text(lines())
    dataset = ClipDataset(table_of_rows([clip_row(film) for film in films]), RECIPE, BOTH)
    samples = [dataset.sample(request(row=row)) for row in range(3)]
    assert [sample.control is not None for sample in samples] == [True, False, False]
    assert [sample.cameras is not None for sample in samples] == [False, True, False]
    assert not any(sample.unread for sample in samples)
    step = RankStep(
        epoch=0,
        step=0,
        batch=0,
        rows=np.arange(3),
        captions=["caption"] * 3,
        seeds=np.arange(3, dtype=np.uint64),
        starts=np.zeros(3),
        shape=SHAPE,
        tokens=27,
    )
    batch = dataset.batch(step).to(torch.device("cpu"))
    assert batch.control is not None
    assert batch.cameras is not None
    assert batch.control[0].shape == batch.video.shape
    assert (batch.control[1].tolist(), batch.cameras[1].tolist()) == ([True, False, False], [False, True, False])
    assert batch.cameras[0].shape == (3, 9, 16)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"control": "gone.mp4"}, "control: not_found"),
        ({"control": "empty.mp4"}, "control: empty_file"),
        ({"control": "text.mp4"}, "control: not_a_video"),
        ({"control": "short.mp4"}, "control: frames_missing"),
        ({"control": "tall.mp4"}, "control: control_size: 96x160"),
        ({"control": "http://example.invalid/x.mp4"}, "control: elsewhere"),
        ({"camera": "gone.txt"}, "camera: not_found"),
        ({"camera": "few.txt"}, "camera: cameras_missing: 5 lines"),
        ({"camera": "text.mp4"}, "camera: cameras_unreadable: not lines of 19 numbers"),
        ({"camera": "flat.txt"}, "camera: cameras_unreadable: a focal length is not positive"),
        ({"camera": "bent.txt"}, "camera: cameras_unreadable: a camera's turn is none"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_reason_and_the_clip_is_shown(
    tmp_path: Path, named: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    film = pattern(tmp_path / "film.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no film\nat all\n")
    (tmp_path / "few.txt").write_text(lines(5))
    (tmp_path / "flat.txt").write_text(lines(focal=(0.0, 1.0)))
    (tmp_path / "bent.txt").write_text(lines().replace(" 0 0 1 0 0", " 0 0 9 0 0"))
    write_video(tmp_path / "short.mp4", [np.zeros((96, 160, 3), np.uint8)] * 3, fps=Fraction(12))
    pattern(tmp_path / "tall.mp4", size=(96, 160))
    dataset = ClipDataset(table_of_rows([clip_row(film, **named)]), RECIPE, BOTH)
    sample = dataset.sample(request())
    assert (sample.control, sample.cameras) == (None, None)
    [(clip_id, why)] = sample.unread
    assert clip_id == clip_row(film)["clip_id"]
    assert why.startswith(reason)
    planned = PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1)
    next(batches(planned, dataset, 0))
    assert f"clip {clip_id} is shown without what goes with it ({reason}" in caplog.text


def test_clips_that_name_nothing_are_told_before_a_run_and_all_of_them_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = override(config_of_rows(tmp_path, [{}] * 40), ["data.reading.control=path"])
    with pytest.raises(ValueError, match="none of 40 clips that were looked at names anything by a key 'path' of the"):
        told(config, caplog)
    (tmp_path / "films" / "film.json").write_text('{"path": "path.mp4"}')
    assert not told(config, caplog)
    with pytest.raises(ValueError, match="names path, which a cache of latents lacks"):
        told(override(config, ["data.cache=/tmp/cache"]), caplog)
    with pytest.raises(ValueError, match="the column 'fps' of clips/ holds double, not text"):
        told(override(config, ["data.reading.control=fps"]), caplog)
    some = table_of_rows([clip_row(pattern(tmp_path / "a.mp4"), control=named) for named in ("b.mp4", None, " ")])
    from training.data.read.beside import lacking

    assert (lacking(some, "control") or "").startswith("1 of 3 clips that were looked at name nothing by a column")
