import cv2
import numpy as np
import pytest

from filters.panels import PanelsScorer
from tests.filters.views import moving, texture, view_of

SIZE = (270, 480)


def _film(seed, speed=30):
    scene = texture(400, 800, seed=seed)
    return list(moving(scene, SIZE, lambda t: (speed * t, 0, 1), seconds=2.0, fps=8))


def _panels(frames):
    return PanelsScorer().score(view_of(frames, fps=8))


@pytest.mark.parametrize("at", [160, 240, 300])
def test_counts_pictures_side_by_side(at):
    frames = [np.concatenate([one[:, :at], two[:, at:]], axis=1) for one, two in zip(_film(5), _film(6), strict=True)]
    assert _panels(frames) == 2
    assert _panels([np.ascontiguousarray(frame.T) for frame in frames]) == 2


def test_counts_a_grid():
    films = [_film(seed, speed) for seed, speed in ((1, 30), (2, -30), (3, 10), (4, 0))]
    frames = []
    for four in zip(*films, strict=True):
        quarters = [cv2.resize(frame, (240, 135), interpolation=cv2.INTER_AREA) for frame in four]
        frames.append(cv2.vconcat([cv2.hconcat(quarters[:2]), cv2.hconcat(quarters[2:])]))
    assert _panels(frames) == 4


def test_counts_pictures_with_a_line_between_them():
    frames = [np.concatenate([one[:, :240], two[:, 240:]], axis=1) for one, two in zip(_film(5), _film(6), strict=True)]
    for frame in frames:
        frame[:, 234:246] = 255
    assert _panels(frames) == 2


def test_a_door_and_bars_divide_nothing():
    door, barred = _film(5, 0), _film(6)
    for frame in door:
        frame[:, 240:] = np.clip(frame[:, 240:].astype(int) + 70, 0, 255)
    for frame in barred:
        frame[:30] = frame[-30:] = 0
    for frames in (door, barred, _film(7), _film(8, 0)):
        assert _panels(frames) == 1


def _halves(left, right):
    return [
        np.concatenate([one[:, :240] // 4, 120 + two[:, 240:] // 2], axis=1)
        for one, two in zip(left, right, strict=True)
    ]


def test_counts_a_dark_film_beside_a_bright_one_only_where_both_move():
    assert _panels(_halves(_film(5), _film(6, -30))) == 2
    assert _panels(_halves(_film(5), _film(6, 0))) == 1
    assert _panels(_halves(_film(5, 0), _film(6, 0))) == 1
    assert _panels(_halves(_film(5), _film(6, -30))[:1]) == 1


def test_a_half_in_other_light_divides_no_film():
    for speed in (5, 30):
        film = _film(5, speed)
        assert _panels(_halves(film, film)) == 1


def test_light_that_changes_moves_nothing():
    fades = np.linspace(0.5, 1, 16)
    films = [
        [(frame * light).astype(np.uint8) for frame, light in zip(_film(seed, 0), fades, strict=True)]
        for seed in (5, 6)
    ]
    assert _panels(_halves(*films)) == 1
