"""Frames woven of two moments are told from whole ones, whatever the file says, and measured as one moment."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from filters.interlaced import InterlacedScorer
from preprocess.clip import Source, VideoInfo, Window
from preprocess.decode import Video
from preprocess.fields import is_combed
from preprocess.observe import ClipLengths, observe
from preprocess.shots.detector import ShotConfig
from preprocess.shrink import Shrunk
from tests.filters.views import moving, texture

SIZE = (288, 352)


def _fields(pixels_a_second, *, noise=0.0):
    """Frames of a pan at 50 a second."""
    return list(
        moving(texture(400, 900), SIZE, lambda t: (pixels_a_second * t, 0, 1), fps=50, seconds=0.4, noise=noise)
    )


def _woven(first, second):
    frame = first.copy()
    frame[1::2] = second[1::2]
    return frame


@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_tells_woven_frames_from_whole_ones(flagged, noise):
    frames = _fields(200, noise=noise)
    for first, second in zip(frames[::2], frames[1::2], strict=True):
        assert is_combed(_woven(first, second), bits=8, flagged=flagged)
        assert is_combed(_woven(first, second).astype(np.uint16) << 2, bits=10, flagged=flagged)
        assert not is_combed(first, bits=8, flagged=flagged)


def test_whole_pictures_have_no_combs():
    """Grain, one-pixel checks, text and stripes of two rows are no combs; nor is a black or a tiny picture."""
    rng = np.random.default_rng(0)
    grain = np.clip(rng.normal(128, 30, SIZE), 0, 255).astype(np.uint8)
    checks = ((np.indices(SIZE).sum(axis=0) % 2) * 200).astype(np.uint8)
    stripes = ((np.arange(SIZE[0]) // 2 % 2)[:, None] * np.ones(SIZE[1]) * 200).astype(np.uint8)
    page = np.full(SIZE, 255, np.uint8)
    for row in range(20, 280, 14):
        cv2.putText(page, "the quick brown fox jumps over the lazy dog", (5, row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 0)
    for picture in (grain, checks, stripes, page, np.zeros(SIZE, np.uint8), page[:5], page[:, :3], page[:1, :1]):
        assert not is_combed(picture, bits=8, flagged=True)


def test_a_woven_frame_is_measured_as_its_first_field():
    first, second, *_ = _fields(400)
    info = _info()
    shown = {name: _shrunk(luma, info) for name, luma in {"woven": _woven(first, second), "first": first}.items()}
    assert shown["woven"].unweave()
    assert not shown["first"].unweave()
    difference = cv2.absdiff(shown["woven"].picture().y, shown["first"].picture().y)
    blended = cv2.absdiff(_shrunk(_woven(first, second), info).picture().y, shown["first"].picture().y)
    assert difference.mean() < blended.mean() / 2
    assert shown["woven"].analysis_luma().shape == shown["first"].analysis_luma().shape


def _shrunk(luma, info):
    planes = np.concatenate([luma.ravel(), np.full(luma.size // 2, 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes.reshape(SIZE[0] * 3 // 2, SIZE[1]), format="yuv420p")
    return Shrunk(frame, info)


def _info():
    return VideoInfo(
        source_id="0" * 32,
        container="mov",
        codec="h264",
        pixel_format="yuv420p",
        width=SIZE[1],
        height=SIZE[0],
        coded_width=SIZE[1],
        coded_height=SIZE[0],
        rotation=0,
        fps=Fraction(25),
        time_base=Fraction(1, 25),
        start_pts=0,
        duration_seconds=1.0,
        has_audio=False,
    )


def test_the_column_tells_interlaced_films(tmp_path):
    """Flagged or not; and a film that is flagged and whole is not interlaced."""
    fields = list(moving(texture(400, 1200), SIZE, lambda t: (150 * t, 0, 1), fps=50, seconds=2))
    found = {}
    for name, flags, woven in (("flagged", True, True), ("lies", False, True), ("whole", True, False)):
        path = tmp_path / f"{name}.mp4"
        with av.open(str(path), "w") as container:
            options = {"crf": "20", "preset": "ultrafast"} | ({"x264-params": "tff=1"} if flags else {})
            stream = container.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
            for first, second in zip(fields[::2], fields[1::2], strict=True):
                picture = _woven(first, second) if woven else first
                gray = av.VideoFrame.from_ndarray(picture, format="gray")
                container.mux(stream.encode(gray.reformat(format="yuv420p")))
            container.mux(stream.encode())
        with Video(Source(uri=str(path), size_bytes=0, modified_ns=0)) as video:
            views = [each.view for each in observe(video, ShotConfig(), ClipLengths(), Window())]
        found[name] = InterlacedScorer().score(views[0])
    assert found["flagged"] > 0.9
    assert found["lies"] > 0.9
    assert found["whole"] == 0
