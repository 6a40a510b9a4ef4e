import numpy as np
import pytest

from filters.dominant_colors import DominantColorsScorer
from tests.filters.views import view_of

BGR = {
    "black": (5, 5, 5),
    "grey": (120, 120, 120),
    "white": (240, 240, 240),
    "brown": (25, 60, 110),
    "red": (20, 20, 200),
    "orange": (0, 130, 255),
    "yellow": (0, 230, 250),
    "green": (40, 160, 40),
    "blue": (200, 60, 20),
    "purple": (180, 30, 120),
    "pink": (190, 100, 250),
}


def _colors(frame):
    return DominantColorsScorer().score(view_of([frame]))


@pytest.mark.parametrize("name", BGR)
def test_names_a_plain_colour(name):
    assert _colors(np.full((90, 160, 3), BGR[name], np.uint8)) == name


def test_orders_by_share_and_leaves_out_small_areas():
    frame = np.full((90, 160, 3), BGR["blue"], np.uint8)
    frame[:, 100:150] = BGR["white"]
    frame[:, 150:] = BGR["red"]
    assert _colors(frame) == "blue, white"
