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
    faults = {
        "blurred": cv2.GaussianBlur(clean, (0, 0), 8),
        "dark": (clean * 0.1).astype(np.uint8),
        "blown": np.clip(clean * 0.2 + 230, 0, 255).astype(np.uint8),
        "washed out": (clean * 0.05 + 120).astype(np.uint8),
    }
    assert {name: _quality(frame) for name, frame in faults.items()} == pytest.approx(dict.fromkeys(faults, 0), abs=0.1)


def test_blank_picture_has_none():
    assert _quality(np.full((90, 160), 128, np.uint8)) == 0
