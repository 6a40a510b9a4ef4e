import itertools

import cv2
import numpy as np
import pytest

from filters.resolution import ResolutionScorer
from tests.filters.views import texture, view_of


def _resolution(frame):
    return ResolutionScorer().score(view_of([frame]))


def _scene():
    """Detail of equal amplitude at all sizes down to the pixel: edges and lines."""
    rng = np.random.default_rng(0)
    scene = texture(1440, 2560) // 2 + 40
    for _ in range(900):
        x, y, w, h = rng.integers(0, (2500, 1400, 90, 60))
        scene[y : y + h, x : x + w] = rng.integers(0, 256)
    return cv2.resize(scene, (1280, 720), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def scene():
    return _scene()


@pytest.fixture(scope="module")
def whole(scene):
    return _resolution(scene)


def _enlarged(scene, times, way):
    small = cv2.resize(scene, None, fx=1 / times, fy=1 / times, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, scene.shape[::-1], interpolation=way)


def test_a_sharp_picture_resolves_its_size(whole):
    assert 0.8 * 720 < whole <= 720


@pytest.mark.parametrize("way", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
def test_an_enlarged_one_resolves_what_it_did_before(scene, whole, way):
    values = [whole, *(_resolution(_enlarged(scene, times, way)) for times in (1.5, 2, 3, 4.5, 6, 9))]
    assert all(after < 1.05 * before for before, after in itertools.pairwise(values))
    assert values[3] < 1.6 * whole / 3
    assert values[-1] < 0.2 * whole


def test_sharpening_afterwards_resolves_no_more(scene):
    soft = _enlarged(scene, 3, cv2.INTER_CUBIC)
    sharpened = cv2.addWeighted(soft, 2.0, cv2.GaussianBlur(soft, (0, 0), 2), -1.0, 0)
    assert _resolution(sharpened) < 1.3 * _resolution(soft)


def test_light_contrast_and_a_little_noise_change_little(scene, whole):
    noise = np.random.default_rng(0).normal(0, 3, scene.shape)
    for frame in (scene * 0.2, scene * 0.3 + 150, scene * 0.9 + 10 + noise):
        assert _resolution(np.rint(frame).astype(np.uint8)) == pytest.approx(whole, rel=0.2)


def test_noise_is_no_detail(scene):
    soft = cv2.GaussianBlur(scene, (0, 0), 3)
    noise = np.random.default_rng(0).normal(0, 8, scene.shape)
    noisy = np.clip(np.rint(soft + noise), 0, 255).astype(np.uint8)
    assert _resolution(noisy) < 0.5 * _resolution(scene)


def test_a_small_subject_in_focus_is_enough(scene, whole):
    bokeh = cv2.GaussianBlur(scene, (0, 0), 9)
    bokeh[256:448, 512:704] = scene[256:448, 512:704]
    assert _resolution(bokeh) > 0.8 * whole


def test_the_edge_of_black_bars_is_no_detail(scene):
    soft = cv2.GaussianBlur(scene, (0, 0), 4)
    barred = soft.copy()
    barred[:90] = barred[-90:] = 0
    assert _resolution(barred) < 1.5 * _resolution(soft)


def test_nothing_to_judge_in_a_blank_picture():
    assert _resolution(np.full((360, 640), 130, np.uint8)) is None
