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


SAID = {
    "purple": [(128, 0, 128), (75, 0, 130), (147, 112, 219), (200, 162, 200)],
    "pink": [(255, 192, 203), (250, 128, 114), (255, 105, 180)],
    "beige": [(210, 180, 140), (245, 222, 179), (232, 190, 160), (224, 172, 105), (205, 150, 120)],
    "brown": [(101, 67, 33), (160, 82, 45), (92, 64, 51), (120, 81, 45), (141, 85, 36)],
    "green": [(128, 128, 0), (60, 90, 40), (144, 238, 144)],
    "blue": [(0, 0, 128), (135, 206, 235), (70, 130, 180)],
    "red": [(139, 0, 0), (220, 20, 60)],
    "orange": [(255, 140, 0), (255, 165, 0)],
    "grey": [(70, 70, 70), (112, 128, 144), (169, 169, 169)],
}
"""RGB: purple, olive, salmon, tan, skin of all shades, wood, navy, as people call them."""


@pytest.mark.parametrize("name", SAID)
def test_names_shades_as_people_do(name):
    for rgb in SAID[name]:
        assert _colors(np.full((90, 160, 3), rgb[::-1], np.uint8)) == name, rgb


def test_a_skin_tone_in_other_light_keeps_its_name():
    """Half as much light, and the matrix of HD, make no orange of a face."""
    for light in (1.0, 0.8, 0.6):
        skin = (np.array([225, 178, 150]) * light).astype(np.uint8)
        assert _colors(np.full((90, 160, 3), skin[::-1], np.uint8)) in ("beige", "brown")


def _colors(frame):
    return ", ".join(DominantColorsScorer().score(view_of([frame])))


@pytest.mark.parametrize("name", BGR)
def test_names_a_plain_colour(name):
    assert _colors(np.full((90, 160, 3), BGR[name], np.uint8)) == name


def test_orders_by_share_and_leaves_out_small_areas():
    frame = np.full((90, 160, 3), BGR["blue"], np.uint8)
    frame[:, 100:150] = BGR["white"]
    frame[:, 150:] = BGR["red"]
    assert _colors(frame) == "blue, white"
