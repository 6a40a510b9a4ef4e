"""What of a manifest a run will not show is told at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from preprocess.io.settings import fingerprint, override
from preprocess.manifest import Manifest
from preprocess.schema import CLIP_FIELDS, clip_schema
from training import recipes
from training.run.config import TrainConfig


def config_of_rows(folder: Path, rows: list[dict[str, Any]]) -> TrainConfig:
    film = folder / "films" / "film.mp4"
    film.parent.mkdir(exist_ok=True)
    film.touch()
    plain = dict.fromkeys(name for name, _ in CLIP_FIELDS)
    same = {"duration_seconds": 4.0, "fps": 24.0, "num_frames": 96, "width": 64, "height": 64, "status": "kept"}
    full = [
        plain | same | {"clip_id": f"{index:032x}", "source_id": f"{index:032x}", "source_uri": str(film)} | row
        for index, row in enumerate(rows)
    ]
    Manifest(str(folder)).replace_clips(pa.Table.from_pylist(full, schema=clip_schema({})), {})
    config = recipes.tiny_vae(str(folder), str(folder / "run"))
    return override(config, ["data.held_out_share=0", "data.held_out_by=film"])


def told(config: TrainConfig, caplog: pytest.LogCaptureFixture, *, rank: int = 0, world_size: int = 1) -> list[str]:
    caplog.clear()
    config.data.batches(config, rank=rank, world_size=world_size)
    return [each.getMessage() for each in caplog.records if each.name == "training.data.clips"]


def test_clips_that_no_step_shows_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Three of 16 pixels; four images, where a step takes eight."""
    rows = [{"width": 16, "height": 16}] * 3 + [{"num_frames": 1, "duration_seconds": 0.04}] * 4 + [{}] * 88
    settings = ["trainer.accumulation=8", "data.sampler.still_share=0", "data.sampler.budget_tokens=48"]
    config = override(config_of_rows(tmp_path, rows), settings)
    [line] = told(config, caplog)
    assert line.startswith("7 of 95 clips are in no step of the first epoch: 3 too small")
    assert "4 too few for a step, or of an aspect" in line
    assert not told(config, caplog, rank=1, world_size=2)


def test_a_few_that_are_left_over_are_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not told(config_of_rows(tmp_path, [{}] * 399 + [{"width": 16, "height": 16}]), caplog)


def test_videos_that_become_pictures_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nine frames at 4 fps are 2.25 s. Images are none that were lost, and asked for stills are not told."""
    short, slow, few = {"duration_seconds": 2.2, "num_frames": 53}, {"fps": 3.0}, {"num_frames": 8}
    images = [{"num_frames": 1, "duration_seconds": 0.04}] * 9
    config = config_of_rows(tmp_path, [short] * 15 + [slow, few] + images + [{"duration_seconds": 2.25}] * 4)
    config = override(config, ["data.sampler.still_share=0.5"])
    [line] = told(config, caplog)
    assert line.startswith(
        "17 of 21 videos are trained on as single pictures: 15 shorter than 9 frames at 4 fps (2.25 s)"
    )
    assert "2 of fewer than 9 frames or 3.6 fps. A lower data.sampler.min_frames" in line
    assert not told(override(config, ["data.sampler.min_frames=1", "data.sampler.max_frames=1"]), caplog)
    assert not told(config, caplog, rank=1, world_size=2)


def test_a_manifest_of_which_all_is_held_out_is_refused(tmp_path: Path) -> None:
    config = override(config_of_rows(tmp_path, [{}] * 9), ["data.held_out_share=0.9999999"])
    with pytest.raises(ValueError, match=r"all 9 clips .* are held out, by film.*held_out_share is 1: lower it"):
        config.data.batches(config, rank=0, world_size=1)


@pytest.mark.parametrize("by", ["film", "caption"])
def test_clips_of_one_film_or_without_captions_are_held_out_one_by_one(tmp_path: Path, by: str) -> None:
    config = config_of_rows(tmp_path, [{"source_id": f"{0:032x}"}] * 60)
    config = override(config, [f"data.held_out_by={by}", "data.held_out_share=0.3"])
    sides = [len(config.data.table(held_out=side)) for side in (True, False)]
    assert sum(sides) == 60
    assert 8 <= sides[0] <= 28


def test_clips_without_a_caption_are_no_clips_of_one_caption(tmp_path: Path) -> None:
    """Beside some that share one, which are on one side together."""
    config = config_of_rows(tmp_path, [{}] * 60 + [{"caption": "a dog"}] * 40)
    config = override(config, ["data.held_out_by=caption", "data.held_out_share=0.3"])
    dogs = [config.data.table(held_out=side).clips["caption"].to_pylist().count("a dog") for side in (True, False)]
    assert sorted(dogs) == [0, 40]
    assert 8 <= len(config.data.table(held_out=True)) - dogs[0] <= 28


def test_one_clip_is_trained_on_whatever_the_share(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = override(config_of_rows(tmp_path, [{}]), ["data.held_out_share=0.99", "data.sampler.budget_tokens=12"])
    assert len(config.data.table(held_out=False)) == 1
    [line] = told(config, caplog)
    assert line.startswith("no clip is held out: data.held_out_share=0.99 of 1 is none")


def test_films_that_have_moved_are_asked_for_and_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = config_of_rows(tmp_path, [{}] * 400)
    (tmp_path / "films").rename(tmp_path / "there")
    with pytest.raises(ValueError, match=rf"1 of the 1 files .*--root {tmp_path}/films=PLACE"):
        config.data.batches(config, rank=0, world_size=1)
    moved = override(config, [f"data.roots={tmp_path}/films={tmp_path}/there"])
    assert not told(moved, caplog)
    assert fingerprint(moved) == fingerprint(config)
