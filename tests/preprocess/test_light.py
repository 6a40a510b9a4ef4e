"""The same picture, stored in many ways, is shown as the same picture: to measures, to captioners and to training."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from benchmarks.truth.colour import hlg, pq, write_coded
from filters.colorfulness import picture_colorfulness
from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.rgb import rgb_of

RGB = [
    *((level, level, level) for level in (0, 16, 64, 128, 200, 225)),
    *((120, 80, 60), (215, 165, 140), (60, 90, 60), (90, 120, 200), (180, 100, 40), (200, 70, 60)),
]


def _patches(height, width):
    """Twelve colours, below the highlights that a tone curve gives way in."""
    rows = np.array(RGB, np.uint8)[:, ::-1].reshape(3, 4, 3)
    return np.repeat(np.repeat(rows, height // 3, axis=0), width // 4, axis=1)


def _centres(picture):
    height, width = picture.shape[:2]
    return picture[height // 6 :: height // 3, width // 8 :: width // 4][:3, :4].astype(int)


def _seen(path):
    """The first frame's centres of patches in BGR as measures and as training see them, and measures of the whole."""
    with Video(Source(uri=str(path), size_bytes=0, modified_ns=0)) as video:
        frame = next(iter(video.frames()))
        shrunk = frame.shrink()
        picture, luma = shrunk.picture(), shrunk.analysis_luma()
        shot = shrunk.shot_planes().ycbcr()
        return picture, luma, shot, _centres(picture.bgr()), _centres(rgb_of(frame.raw)[..., ::-1])


SD, HD = (240, 320), (720, 960)
STORED = {
    "709": (SD, {}),
    "601": (HD, {"matrix": "bt601"}),
    "untagged SD": (SD, {"matrix": "bt601", "tagged": False}),
    "untagged HD": (HD, {"matrix": "bt709", "tagged": False}),
    "full range": (SD, {"full": True}),
    "full range, 10 bits": (SD, {"full": True, "bits": 10}),
    "10 bits": (SD, {"bits": 10}),
    "PQ": (SD, {"transfer": "pq", "matrix": "bt2020", "bits": 10}),
    "PQ, full range": (SD, {"transfer": "pq", "matrix": "bt2020", "bits": 10, "full": True}),
    "HLG": (SD, {"transfer": "hlg", "matrix": "bt2020", "bits": 10}),
}


@pytest.mark.parametrize("name", STORED)
def test_shown_as_it_was(name, tmp_path):
    size, how = STORED[name]
    scene = _patches(*size)
    picture, luma, shot, measured, trained = _seen(write_coded(tmp_path / "film.mkv", [scene], **how))
    np.testing.assert_allclose(measured, _centres(scene), atol=5)
    np.testing.assert_allclose(trained, _centres(scene), atol=5)
    plain = write_coded(tmp_path / "plain.mkv", [scene])
    expected, expected_luma, expected_shot, *_ = _seen(plain)
    assert luma.mean() == pytest.approx(expected_luma.mean(), abs=4)
    assert np.ptp(np.percentile(luma, [5, 95])) == pytest.approx(np.ptp(np.percentile(expected_luma, [5, 95])), abs=6)
    assert picture_colorfulness(picture) == pytest.approx(picture_colorfulness(expected), rel=0.08)
    assert shot.mean() == pytest.approx(expected_shot.mean(), abs=4)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_highlights_of_hdr_are_rolled_off_in_order(transfer, tmp_path):
    """Greys of 100 to 900 cd/m2, for most of which SDR has no room, stay in order, grey and below white."""
    nits = np.linspace(100, 900, 9)
    levels = {"pq": pq, "hlg": hlg}[transfer](np.repeat(nits[:, None], 3, axis=1))[:, 0]
    luma = np.rint((levels * 219 + 16) * 4).astype(np.uint16)
    planes = np.concatenate(
        [np.repeat(np.repeat(luma, 32)[None], 64, axis=0).ravel(), np.full(2 * 32 * 144, 512, np.uint16)]
    )
    frame = av.VideoFrame.from_ndarray(planes.reshape(96, 288), format="yuv420p10le")
    frame.colorspace, frame.color_primaries, frame.color_trc = 9, 9, {"pq": 16, "hlg": 18}[transfer]
    shown = rgb_of(frame)[32, 16::32].astype(int)
    assert (np.diff(shown[:, 0]) >= 0).all()
    assert (np.diff(shown[[0, 1, 3], 0]) >= 2).all()
    assert (np.ptp(shown, axis=1) <= 1).all()
    assert shown[1, 0] == pytest.approx(242, abs=2)  # 200 cd/m2


def test_a_film_in_hevc_keeps_its_light(tmp_path):
    scene = cv2.GaussianBlur(_patches(*SD), (0, 0), 2)
    how = {"transfer": "hlg", "matrix": "bt2020", "bits": 10, "codec": "libx265"}
    *_, measured, trained = _seen(write_coded(tmp_path / "film.mp4", [scene] * 3, fps=Fraction(24), **how))
    np.testing.assert_allclose(measured, _centres(scene), atol=6)
    np.testing.assert_allclose(trained, _centres(scene), atol=6)
