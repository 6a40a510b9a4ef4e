import cv2
import numpy as np
import pytest

from filters.visual_quality import VisualQualityScorer
from tests.filters.views import texture, view_of


def _quality(frame):
    return VisualQualityScorer().score(view_of([frame]))


@pytest.fixture
def clean():
    rng = np.random.default_rng(0)
    scene = texture(540, 960)
    for _ in range(40):
        x, y = rng.integers(0, (860, 460))
        scene[y : y + 70, x : x + 90] = rng.integers(0, 256)
    return scene


def test_clean_picture_is_near_one(clean):
    assert _quality(clean) > 0.9


def test_each_fault_alone_brings_it_down(clean):
    small = cv2.resize(clean, None, fx=1 / 9, fy=1 / 9, interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 32, clean.shape)
    faults = {
        "blurred": cv2.GaussianBlur(clean, (0, 0), 8),
        "enlarged": cv2.resize(small, clean.shape[::-1], interpolation=cv2.INTER_CUBIC),
        "blocks": cv2.imdecode(cv2.imencode(".jpg", clean, [cv2.IMWRITE_JPEG_QUALITY, 3])[1], cv2.IMREAD_GRAYSCALE),
        "noisy": np.clip(clean + noise, 0, 255).astype(np.uint8),
        "dark": (clean * 0.03).astype(np.uint8),
        "blown": np.clip(clean * 12.0, 0, 255).astype(np.uint8),
        "washed out": (clean * 0.02 + 120).astype(np.uint8),
    }
    assert {name: _quality(frame) for name, frame in faults.items()} == pytest.approx(
        dict.fromkeys(faults, 0), abs=0.15
    )


def test_less_damage_is_better(clean):
    def jpeg(quality):
        coded = cv2.imencode(".jpg", clean, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return _quality(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))

    values = [_quality(clean), *(jpeg(quality) for quality in (70, 50, 30, 15))]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


def test_what_a_scene_is_like_is_no_fault(clean):
    soft = cv2.GaussianBlur(clean, (0, 0), 9)
    soft[200:300, 400:500] = clean[200:300, 400:500]  # a fiftieth of the picture
    scenes = {
        "night": np.rint(clean * 0.15).astype(np.uint8),
        "fog": np.rint(clean * 0.2 + 170).astype(np.uint8),
        "snow": np.rint(clean * 0.35 + 160).astype(np.uint8),
        "bokeh": soft,
    }
    assert {name: _quality(frame) > 0.6 for name, frame in scenes.items()} == dict.fromkeys(scenes, True)


def test_blank_picture_has_none():
    assert _quality(np.full((90, 160), 128, np.uint8)) == 0
