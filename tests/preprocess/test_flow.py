"""Flow over strips and single pixels ends; where it is defined, the padding changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.flow import displacements

ROOT = Path(__file__).resolve().parents[2]
STRIPS = """
import cv2, numpy as np
from preprocess.flow import displacements
from preprocess.shots.likeness import unexplained
rng = np.random.default_rng(0)
for shape in ((1, 1), (2, 2), (1, 1000), (1000, 1), (10, 160), (130, 10), (8, 64), (11, 31), (31, 160)):
    a, b = (cv2.GaussianBlur(rng.integers(0, 256, shape, np.uint8), (0, 0), 1.5) for _ in range(2))
    for preset in (cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM):
        assert displacements(cv2.DISOpticalFlow.create(preset), a, b).shape == (*shape, 2)
    assert 0 <= unexplained(a, b, match_light=True)
"""


def test_strips_do_not_crash() -> None:
    """In a process of its own: reading out of bounds is no exception."""
    done = subprocess.run([sys.executable, "-c", STRIPS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("height", [16, 90])
def test_a_shift_is_found_in_pictures_and_in_strips(height: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, 200), np.uint8)
    wide = cv2.GaussianBlur(noise, (0, 0), 3) * 2
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    moved = displacements(flow, np.ascontiguousarray(wide[:, 5:165]), np.ascontiguousarray(wide[:, 2:162]))
    assert np.median(moved[..., 0]) == pytest.approx(3, abs=0.3)
