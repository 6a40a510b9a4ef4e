import cv2
import numpy as np
import pytest

from filters.blockiness import BlockinessScorer
from tests.filters.views import texture, view_of


def _blockiness(frame):
    return BlockinessScorer().score(view_of([frame]))


def _jpeg(frame, quality):
    coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


@pytest.fixture(scope="module")
def scene():
    return texture(360, 640)


def test_grows_with_compression(scene):
    values = [_blockiness(scene), *(_blockiness(_jpeg(scene, quality)) for quality in (60, 30, 10, 4))]
    assert values == sorted(values)
    assert values[0] < 0.1
    assert values[-1] > 0.5


def test_finds_the_grid_wherever_it_begins(scene):
    blocky = _jpeg(scene, 10)
    moved = [_blockiness(blocky[y:, x:]) for x, y in ((3, 5), (1, 0), (4, 4))]
    assert moved == pytest.approx([_blockiness(blocky)] * 3, abs=0.06)


def test_light_and_contrast_make_no_blocks(scene):
    for frame in (scene * 0.15, scene * 0.3 + 150, cv2.GaussianBlur(scene, (0, 0), 3)):
        assert _blockiness(np.rint(frame).astype(np.uint8)) < 0.15


@pytest.mark.parametrize("way", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
@pytest.mark.parametrize("times", [2, 4])
def test_an_enlarged_picture_has_no_blocks(scene, way, times):
    part = scene[: 360 // times, : 640 // times]
    assert _blockiness(cv2.resize(part, (640, 360), interpolation=way)) < 0.15


def test_nothing_to_judge_in_a_tiny_picture():
    assert _blockiness(texture(48, 200)) is None
