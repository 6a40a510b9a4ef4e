import json
from collections import Counter

import av
import cv2
import numpy as np
import pytest

from training.film import read_film, write_film
from training.shapes.corpus import COLORS, DIRECTIONS, FPS, SECONDS, SPEEDS, render, scenes, write_corpus
from training.shapes.truth import direction, dominant_color, shape


def test_every_combination_is_drawn_equally_often():
    drawn = scenes(2 * 96, seed=3)
    counts = Counter((scene.color, scene.shape, scene.direction, scene.speed) for scene in drawn)
    assert len(counts) == 96
    assert set(counts.values()) == {2}
    assert drawn == scenes(2 * 96, seed=3) != scenes(2 * 96, seed=4)
    assert scenes(10, seed=3) != scenes(10, seed=4)


def test_what_moves_is_what_the_caption_says():
    for scene in scenes(96, seed=0):
        film = render(scene, size=48).astype(float)
        cover_NHW = np.abs(film - scene.grey).sum(3) > 60
        rows, columns = np.mgrid[:48, :48] / 48
        centers = np.array([(columns[cover].mean(), rows[cover].mean()) for cover in cover_NHW])
        assert np.ptp(cover_NHW.sum((1, 2))) <= 0.2 * cover_NHW[0].sum(), "the shape leaves the frame"
        moved = (centers[-1] - centers[0]) / ((len(film) - 1) / FPS)
        assert moved == pytest.approx(np.array(DIRECTIONS[scene.direction]) * SPEEDS[scene.speed], abs=0.01)
        inner = film[cover_NHW & (np.abs(film - COLORS[scene.color]).sum(3) < 30)]
        assert len(inner) > 0.5 * cover_NHW.sum()


def test_large_shapes_go_slowly_and_stay_inside():
    drawn = scenes(96, seed=0, radii=(0.29, 0.36), pace=0.5)
    for scene in drawn:
        assert 0.29 <= scene.radius <= 0.36
        first, last = (np.array(scene.center(seconds)) for seconds in (0, SECONDS))
        assert np.all(np.minimum(first, last) >= scene.radius - 1e-9)
        assert np.all(np.maximum(first, last) <= 1 - scene.radius + 1e-9)
        assert np.abs(last - first).max() == pytest.approx(SPEEDS[scene.speed] * SECONDS / 2)
        film = render(scene, size=64, num_frames=5, fps=2)
        assert (shape(film), direction(film)) == (scene.shape, scene.direction)
    with pytest.raises(ValueError, match=r"radii up to 0\.36 at a pace of 1\.0: .* 0\.62 .* must be 0\.5 at most"):
        scenes(1, radii=(0.29, 0.36))


def test_films_and_truth_on_disk(tmp_path):
    drawn = write_corpus(tmp_path, count=3, seed=1, size=32)
    films = sorted(tmp_path.glob("*.mp4"))
    assert len(films) == 3
    for film, scene in zip(films, drawn, strict=True):
        truth = json.loads(film.with_suffix(".json").read_text())
        assert truth["caption"] == f"a {scene.color} {scene.shape} moving {scene.direction} {scene.speed}"
        assert truth["caption_short"] == f"a {scene.color} {scene.shape}"
        with av.open(str(film)) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        rendered = render(scene, size=32)
        assert frames.shape == rendered.shape
        assert np.abs(frames.astype(float) - rendered).mean() < 8


def test_writing_again_leaves_films_as_they_are(tmp_path):
    write_corpus(tmp_path, count=1, size=32)
    before = (tmp_path / "00000.mp4").stat().st_mtime_ns
    write_corpus(tmp_path, count=2, size=32)
    assert (tmp_path / "00000.mp4").stat().st_mtime_ns == before
    assert (tmp_path / "00001.mp4").exists()


def test_films_of_one_look_do_not_say_so(tmp_path):
    drawn = write_corpus(tmp_path, count=3, seed=1, size=32, look="yellow")
    plain = scenes(3, seed=1)
    for number, (scene, other) in enumerate(zip(drawn, plain, strict=True)):
        truth = json.loads((tmp_path / f"{number:05d}.json").read_text())
        assert truth["caption"] == f"a {scene.shape} moving {scene.direction} {scene.speed}"
        assert truth["caption_short"] == f"a {scene.shape}"
        assert dominant_color(read_film(tmp_path / f"{number:05d}.mp4")) == scene.color == "yellow"
        assert (scene.shape, scene.direction) == (other.shape, other.direction)
    with pytest.raises(ValueError, match=r"no colour 'pink'.*red"):
        write_corpus(tmp_path, count=1, look="pink")


def test_refuses_odd_sides(tmp_path):
    with pytest.raises(ValueError, match="even sides"):
        write_film(tmp_path / "a.mp4", np.zeros((2, 31, 32, 3), np.uint8), fps=8)
    assert not list(tmp_path.iterdir())


def test_pixels_tell_colour_and_direction_of_every_film():
    for scene in scenes(96, seed=5):
        film = render(scene, size=32, num_frames=9, fps=4)
        assert (dominant_color(film), direction(film)) == (scene.color, scene.direction)


def test_the_larger_of_two_colours_dominates_and_grey_is_none():
    film = np.full((2, 10, 10, 3), 90, np.uint8)
    assert dominant_color(film) is None
    assert direction(film) is None
    film[:, :4], film[:, 7:] = COLORS["blue"], (120, 20, 25)
    assert dominant_color(film) == "blue"


def blurred(film, side):
    return np.stack([cv2.blur(frame, (side, side), borderType=cv2.BORDER_REPLICATE) for frame in film])


def test_pixels_tell_the_shape_of_every_film():
    for scene in scenes(96, seed=5):
        for size in (32, 64):
            assert shape(render(scene, size=size, num_frames=3, fps=4)) == scene.shape


def test_a_shape_is_told_as_long_as_one_can_tell_it():
    """At 64 pixels through a blur of 4, nearly always through one of 8; through one of 16 all of them are circles."""
    drawn = scenes(96, seed=6)
    films = [render(scene, size=64, num_frames=2, fps=4) for scene in drawn]
    told = {side: [shape(blurred(film, side)) for film in films] for side in (4, 8, 16)}
    right = {
        side: np.mean([seen == scene.shape for seen, scene in zip(those, drawn, strict=True)])
        for side, those in told.items()
    }
    assert right[4] == 1.0
    assert 0.85 < right[8] < 1.0
    assert right[16] < 0.4
    assert told[16].count("circle") > 90


def test_what_is_none_of_the_shapes_has_no_name():
    film = np.full((2, 64, 64, 3), 90, np.uint8)
    assert shape(film) is None
    film[:, 10:14, 5:60] = COLORS["red"]  # a bar
    assert shape(film) is None
    film[:, :, :2] = film[:, :, -2:] = COLORS["red"]  # two more
    assert shape(film) is None
