import cv2
import numpy as np
import pytest

from filters.sharpness import SharpnessScorer
from tests.filters.views import texture, view_of


def _sharpness(frame):
    return SharpnessScorer().score(view_of([frame]))


def _scene(width=960):
    """Sharp-edged shapes, drawn large and brought to `width`, so that every width shows the same scene."""
    rng = np.random.default_rng(0)
    scene = texture(1080, 1920) // 2
    for _ in range(60):
        x, y, w, h = rng.integers(0, (1700, 900, 220, 180))
        scene[y : y + h, x : x + w] = rng.integers(0, 256)
    return cv2.resize(scene, (width, width * 9 // 16), interpolation=cv2.INTER_AREA)


def test_falls_with_every_step_of_blur():
    scores = [_sharpness(_scene())] + [_sharpness(cv2.GaussianBlur(_scene(), (0, 0), s)) for s in (2, 4, 8)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.5
    assert scores[-1] < 0.28


def test_is_the_same_for_the_same_scene_at_any_size():
    assert [_sharpness(_scene(width)) for width in (640, 1280, 1920)] == pytest.approx(
        [_sharpness(_scene())] * 3, abs=0.1
    )


def test_does_not_depend_on_light():
    assert _sharpness((_scene() * 0.4).astype(np.uint8)) == pytest.approx(_sharpness(_scene()), abs=0.08)


def test_noise_does_not_pass_for_sharpness():
    blurred = cv2.GaussianBlur(_scene(), (0, 0), 6)
    noise = np.random.default_rng(1).normal(0, 4, blurred.shape)
    assert _sharpness(np.clip(blurred + noise, 0, 255).astype(np.uint8)) < 0.75 * _sharpness(_scene())


def test_blocks_do_not_pass_for_sharpness():
    coded = cv2.imencode(".jpg", _scene(), [cv2.IMWRITE_JPEG_QUALITY, 3])[1]
    assert _sharpness(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)) < _sharpness(_scene()) + 0.03


def test_a_small_subject_in_focus_is_enough():
    blurred = cv2.GaussianBlur(_scene(), (0, 0), 9)
    bokeh = blurred.copy()
    bokeh[200:300, 400:500] = _scene()[200:300, 400:500]
    assert _sharpness(bokeh) > 2.5 * _sharpness(blurred)


def test_nothing_to_judge_in_a_blank_picture():
    assert _sharpness(np.full((90, 160), 130, np.uint8)) is None
