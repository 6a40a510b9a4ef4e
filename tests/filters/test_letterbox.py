import cv2
import numpy as np
import pytest

from filters.letterbox import LetterboxScorer
from tests.filters.views import moving, texture, view_of


def _box(frames):
    scores = LetterboxScorer().score(view_of(frames))
    return tuple(scores[f"crop_{side}"] for side in ("left", "top", "right", "bottom"))


def _framed(size, box, noise=0.0):
    """Moving content in `box` (left, top, right, bottom) of black frames `size` (height, width)."""
    left, top, right, bottom = box
    rng = np.random.default_rng(0)
    scene = texture(bottom - top + 60, right - left + 60)
    for content in moving(scene, (bottom - top, right - left), lambda t: (8 * t, 0, 1), seconds=2.0, fps=12):
        frame = np.zeros(size, np.float32)
        frame[top:bottom, left:right] = content
        yield np.clip(frame + rng.normal(0, noise, size) if noise else frame, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((720, 1280), (0, 92, 1280, 628)),
        ((1080, 1920), (0, 140, 1920, 940)),
        ((480, 854), (107, 0, 747, 480)),
        ((480, 640), (40, 60, 600, 420)),
        ((360, 640), (0, 0, 640, 360)),
        ((360, 640), (0, 50, 640, 360)),
    ],
)
def test_finds_the_content(size, box):
    assert _box(_framed(size, box)) == pytest.approx(box, abs=3)


def test_noise_in_the_bars_does_not_hide_them():
    assert _box(_framed((360, 640), (0, 45, 640, 315), noise=6)) == pytest.approx((0, 45, 640, 315), abs=2)


def test_subtitle_in_the_lower_bar_is_cut_away_with_it():
    frames = list(_framed((360, 640), (0, 60, 640, 300)))
    for frame in frames:
        cv2.putText(frame, "Where have you been?", (150, 335), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    assert _box(frames) == pytest.approx((0, 60, 640, 300), abs=2)


def test_dark_scenes_have_no_bars():
    black = np.zeros((360, 640), np.uint8)
    lamp = cv2.circle(black.copy(), (300, 150), 60, 255, -1)
    wide_lamp = cv2.circle(black.copy(), (320, 180), 150, 200, -1)
    for frame in (black, lamp, wide_lamp):
        assert _box([frame] * 24) == (0, 0, 640, 360)


@pytest.mark.parametrize("level", [3, 12])
def test_bars_as_high_as_each_other_are_told_where_one_edge_is_mostly_dark(level):
    frames = []
    for frame in _framed((360, 640), (106, 0, 534, 360)):
        dark = (frame // 100 + level) * (frame > 0)
        dark[140:, :200] = 0
        frames.append(dark.astype(np.uint8))
    assert _box(frames) == pytest.approx((106, 0, 534, 360), abs=2)


def test_a_lamp_as_dark_as_bars_can_show_has_none():
    for radius in (60, 150, 170):
        lamp = cv2.GaussianBlur(cv2.circle(np.zeros((360, 640), np.uint8), (320, 180), radius, 12, -1), (0, 0), 8)
        assert _box([lamp] * 24) == (0, 0, 640, 360)


def test_bars_must_persist():
    fade_in = [np.zeros((360, 640), np.uint8)] * 12 + [texture(360, 640)] * 12
    assert _box(fade_in) == (0, 0, 640, 360)


WIDE = (0, 45, 640, 315)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("change", ["dark", "grey", "white", "logo", "logos"])
def test_finds_bars_of_other_kinds(change, turned):
    frames = []
    for frame in _framed((360, 640), WIDE):
        bars = np.ones(frame.shape, np.bool_)
        bars[45:315] = False
        if change == "dark":
            frame = (frame * 0.12).astype(np.uint8)
        frame[bars] = {"grey": 30, "white": 255}.get(change, 0)
        if change in ("logo", "logos"):
            frame[8:30, 560:600] = 220
        if change == "logos":
            frame[330:350, 40:90] = 220
        frames.append(np.ascontiguousarray(frame.T) if turned else frame)
    expected = (45, 0, 315, 640) if turned else WIDE
    assert _box(frames) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("light", [1.0, 0.3, 0.1])
def test_a_scene_without_bars_is_whole(light):
    for seed in range(4):
        scene = (texture(400, 700, seed=seed) * light).astype(np.uint8)
        frames = moving(scene, (360, 640), lambda t: (8 * t, 0, 1), seconds=1.0, fps=12)
        assert _box(frames) == (0, 0, 640, 360)


def _look(frames):
    return LetterboxScorer().look(view_of(frames))


def _agreed(looks):
    rows = LetterboxScorer().scores(looks, [{}] * len(looks))
    return [tuple(row[f"crop_{side}"] for side in ("left", "top", "right", "bottom")) for row in rows]


def test_clips_of_one_film_agree_on_its_bars():
    """A clip that is all but black has those of the others; a logo that stands in the bar changes nothing."""
    lit = list(_framed((360, 640), WIDE))
    night = [np.zeros_like(frame) for frame in lit]
    for frame in night:
        frame[200:220, 300:330] = 90
    for frame in (*lit, *night):
        frame[8:30, 560:600] = 220
    assert _box(night) == (0, 0, 640, 360)
    assert _agreed([_look(night), _look(lit), _look(lit)]) == [_agreed([_look(lit)])[0]] * 3


def test_a_scene_of_a_taller_format_keeps_its_own_box():
    wide, tall = _look(_framed((360, 640), WIDE)), _look(_framed((360, 640), (0, 10, 640, 350)))
    whole = _look(_framed((360, 640), (0, 0, 640, 360)))
    assert [box[1] for box in _agreed([wide, tall, wide, whole])] == pytest.approx([45, 10, 45, 0], abs=2)


def test_clips_of_other_sizes_do_not_count():
    wide, small = _look(_framed((360, 640), WIDE)), _look([np.zeros((180, 320), np.uint8)] * 24)
    assert _agreed([wide, small])[1] == (0, 0, 320, 180)
