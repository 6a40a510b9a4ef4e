import cv2
import numpy as np
import pytest

from filters.logo import LogoScorer
from tests.filters.views import moving, texture, view_of

SIZE = (270, 480)
BOX = (400, 20, 450, 60)


def _film(seed, *, logo=0.0, speed=25, start=0):
    scene = texture(420, 900, seed=seed)
    frames = list(moving(scene, SIZE, lambda t: (start + speed * t, 0, 1), seconds=2.0, fps=8))
    left, top, right, bottom = BOX
    mark = np.zeros(SIZE, np.float32)
    cv2.circle(mark, ((left + right) // 2, (top + bottom) // 2), 15, logo, 5)
    cv2.rectangle(mark, (left + 2, bottom - 4), (right - 2, bottom - 2), logo, -1)
    return [np.rint(frame * (1 - mark) + 230 * mark).astype(np.uint8) for frame in frames]


def _found(films):
    scorer = LogoScorer()
    looks = [scorer.look(view_of(film, fps=8)) for film in films]
    return scorer.scores(looks, [{}] * len(looks))


@pytest.mark.parametrize("opacity", [1.0, 0.4])
def test_finds_what_stands_in_all_clips_and_its_box(opacity):
    """Also in a clip of a still view, where everything stands."""
    films = [_film(seed, logo=opacity, speed=25 if seed else 0) for seed in range(5)]
    for row in _found(films):
        box = [row[f"logo_{side}"] for side in ("left", "top", "right", "bottom")]
        assert box == pytest.approx(BOX, abs=9)
        assert row["logo"] == pytest.approx(50 * 40 / (270 * 480), rel=0.5)


def test_a_clip_without_the_films_logo_has_none():
    rows = _found([*(_film(seed, logo=1.0) for seed in range(4)), _film(7)])
    assert [row["logo"] > 0 for row in rows] == [True] * 4 + [False]
    assert rows[-1]["logo_left"] is None


def test_scenes_without_one_have_none():
    """Others each time, or one set that all clips show; nor do black bars count."""
    barred = [_film(seed) for seed in range(4)]
    for film in barred:
        for frame in film:
            frame[:30] = frame[-30:] = 0
    for films in ([_film(seed) for seed in range(5)], [_film(3, speed=0)] * 5, barred, [_film(1)], [_film(1, speed=0)]):
        assert all(row["logo"] == 0 and row["logo_top"] is None for row in _found(films))


def test_one_clip_shows_it_where_all_else_moves():
    (row,) = _found([_film(1, logo=1.0, speed=120)])
    assert row["logo_left"] == pytest.approx(BOX[0], abs=9)
