"""Terms of a cropped picture follow from those of the whole one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from filters.prints.cosines import COARSE_ORDER, FINE_ORDER, Box, Terms, cropping, terms_of
from filters.prints.squares import SIDE

HIGH, WIDE = 480, 800


def terms(picture: np.ndarray, order: int) -> Terms:
    square = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return terms_of(square[None], order)[0]


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.0, 0.0), (0.05, 0.05, 0.0, 0.0), (0.05, 0.025, 0.05, 0.0)])
def test_cropped_terms_are_those_of_the_cropped_picture(box: Box) -> None:
    rough = np.random.default_rng(0).uniform(0, 255, (9, 16)).astype(np.float32)
    picture = cv2.resize(rough, (WIDE, HIGH), interpolation=cv2.INTER_CUBIC)
    left, top, right, bottom = box
    inside = picture[round(top * HIGH) : HIGH - round(bottom * HIGH), round(left * WIDE) : WIDE - round(right * WIDE)]
    truth, found = terms(inside, COARSE_ORDER), cropping(box, FINE_ORDER, COARSE_ORDER) @ terms(picture, FINE_ORDER)
    assert np.linalg.norm(found - truth) < 0.03 * np.linalg.norm(truth)
    if any(box):
        assert np.linalg.norm(terms(picture, COARSE_ORDER) - truth) > 0.2 * np.linalg.norm(truth)
