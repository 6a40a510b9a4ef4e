"""What goes with a film is what it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from captioners.sidecar import SidecarCaptioner
from pipelines.curate import curate
from pipelines.recipe import recipes
from preprocess.io.settings import override
from training.data.clips import ClipData
from training.data.plan.sampler import PlannedBatches
from training.data.read.dataset import ClipDataset
from training.data.read.loader import batches
from training.models.grid import TokenGrid
from training.models.rays import CAMERA_VALUES
from training.recipes import tiny_dit
from training.shapes.paths import MOVES, cameras, render_path, render_shot, shots, write_shots
from training.shapes.seen import background_motion, camera_move, overlap, shape_motion
from training.shapes.truth import direction, dominant_color

DRAWN = shots(60, seed=3)


@pytest.mark.parametrize("size", [32, 64])
def test_films_show_their_shape_its_path_and_the_cameras_move(size: int) -> None:
    moves = []
    for shot in DRAWN:
        film, path = (made(shot, size=size, num_frames=9, fps=4) for made in (render_shot, render_path))
        assert film.shape == path.shape == (9, size, size, 3)
        assert dominant_color(film) == shot.scene.color
        assert direction(film) == shot.scene.direction
        assert overlap(film, path) > (0.9 if shot.scene.shape == "circle" else 0.45)
        if shot.move is not None:
            moves.append(camera_move(*background_motion(film, fps=4)) == shot.move)
        greys = film[np.ptp(film.astype(int), axis=3) == 0]
        assert (shot.move is None) == (np.ptp(greys) == 0)
    assert np.mean(moves) >= 0.95


def test_a_wall_goes_as_fast_as_its_camera_says() -> None:
    for shot in DRAWN:
        if shot.move in ("left", "right", "still"):
            right, growth = background_motion(render_shot(shot, size=64, num_frames=9, fps=4), fps=4)
            assert right == pytest.approx(-MOVES[shot.move][0], abs=0.03)
            assert abs(growth) < 0.05


def test_a_shape_that_stands_still_moves_with_the_wall() -> None:
    for shot in DRAWN:
        if shot.move is None:
            continue
        still = replace(shot, stands=True, scene=replace(shot.scene, x=0.5, y=0.5))
        film, path = (made(still, size=32, num_frames=9, fps=4) for made in (render_shot, render_path))
        of_wall, of_shape = background_motion(film, fps=4), shape_motion(film, fps=4)
        assert camera_move(*of_shape) == camera_move(*of_wall) == shot.move
        assert of_shape == pytest.approx(of_wall, abs=0.05)
        assert overlap(film, path) > 0.45


def test_other_paths_overlap_little() -> None:
    paths = [render_path(shot, size=32, num_frames=9, fps=4) for shot in DRAWN]
    films = [render_shot(shot, size=32, num_frames=9, fps=4) for shot in DRAWN]
    own = np.mean([overlap(film, path) for film, path in zip(films, paths, strict=True)])
    others = np.mean([overlap(film, path) for film, path in zip(films, paths[1:] + paths[:1], strict=True)])
    assert own > 3.5 * others


def test_what_goes_with_a_film_is_named_beside_it(tmp_path: Path) -> None:
    drawn = write_shots(tmp_path, count=4, size=32)
    films = sorted((tmp_path / "films").glob("*.mp4"))
    assert len(films) == 4
    for shot, film in zip(drawn, films, strict=True):
        said = json.loads(film.with_suffix(".json").read_text())
        assert said["caption"] == shot.scene.caption
        assert (film.parent / said["control"]).is_file()
        assert ("camera" in said) == (shot.move is not None)
        if shot.move is not None:
            lines = (film.parent / said["camera"]).read_text().splitlines()[1:]
            read = np.array([[float(value) for value in line.split()] for line in lines])
            assert read.shape[1] == CAMERA_VALUES + 3
            np.testing.assert_allclose(np.delete(read, [0, 5, 6], axis=1), cameras(shot), atol=1e-6)


def test_a_run_from_a_manifest_is_shown_paths_and_cameras(tmp_path: Path) -> None:
    write_shots(tmp_path, count=12, size=32)
    (tmp_path / "paths" / "00002.mp4").unlink()
    curation = replace(recipes.default(), name="shots", scorers=(), rules=(), captioner=SidecarCaptioner())
    manifest = str(tmp_path / "manifest")
    curate(str(tmp_path / "films"), manifest, curation, engine="local", workers=1)
    config = tiny_dit(manifest, str(tmp_path / "run"))
    settings = ["control=control", "camera=camera", "place=random"]
    data = override(config, [f"data.reading.{one}" for one in settings]).data
    assert isinstance(data, ClipData)
    sides = {"min_side": 32, "max_side": 32, "sides": 1, "min_frames": 9, "max_frames": 9}
    sampler = replace(data.sampler, still_share=0.0, budget_tokens=12 * 12, fps=4.0, **sides).on(TokenGrid())
    dataset = ClipDataset(replace(data, held_out_share=0.0).table(held_out=False), sampler, data.reading)
    [batch] = islice(batches(PlannedBatches(dataset.table, sampler, seed=0, rank=0, world_size=1), dataset, 0), 1)
    assert batch.control is not None
    assert batch.cameras is not None
    assert batch.video.shape[1:] == (9, 32, 32, 3)
    has = batch.control[1].tolist()
    for film, path, there in zip(batch.video.numpy(), batch.control[0].numpy(), has, strict=True):
        assert (overlap(film, path) > 0.45) == there
    [(gone, reason)] = batch.unread
    assert reason.startswith("control: not_found")
    assert [batch.clip_ids[place] for place, there in enumerate(has) if not there] == [gone]
    assert 0 < int(batch.cameras[1].sum()) < len(has)
    assert batch.cameras[0].shape == (len(has), 9, 16)
