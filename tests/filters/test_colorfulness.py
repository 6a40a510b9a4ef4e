import numpy as np
import pytest

from filters.colorfulness import ColorfulnessScorer
from tests.filters.views import texture, view_of


def _colorfulness(frame):
    return ColorfulnessScorer().score(view_of([frame]))


def _from_definition(bgr):
    """Hasler and Suesstrunk (2003), equation 6, in RGB."""
    b, g, r = np.moveaxis(bgr.astype(float), -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    return np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())


def test_matches_the_definition_in_rgb():
    bgr = np.stack([texture(200, 320, seed=n) for n in range(3)], axis=-1)
    bgr = np.repeat(np.repeat(bgr, 2, 0), 2, 1) // 2 + 60
    assert _colorfulness(bgr) == pytest.approx(_from_definition(bgr), rel=0.03)


def test_grey_has_none():
    assert _colorfulness(texture(90, 160)) == pytest.approx(0, abs=0.5)
