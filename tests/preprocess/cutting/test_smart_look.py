"""How the pictures of a copied span are to be shown: turned, stretched and coloured as in the source, in both parts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from examples.demo_films.encode import with_rotation, write_video
from preprocess.cutting.smart import copy_span
from preprocess.decode import Video
from tests.preprocess.cutting.cuts import clip_of
from tests.preprocess.cutting.films import FPS, frames

OPTIONS = {
    "libx264": {"preset": "fast", "g": "20", "bf": "3", "x264-params": "scenecut=0"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:keyint=20:min-keyint=20:scenecut=0"},
    "libvpx-vp9": {"g": "20", "crf": "40", "b": "0", "cpu-used": "8"},
    "libsvtav1": {"g": "20", "crf": "40", "preset": "10"},
}
BT2020, PQ, BT2020_MATRIX, FULL = 9, 16, 9, 2


def looks(path: Path) -> set[tuple[int, int, int]]:
    """Width and height as displayed and the turn, of all frames, as the pass sees them."""
    with Video(clip_of(path).source) as video:
        return {(frame.info.width, frame.info.height, frame.info.rotation) for frame in video.frames()}


@pytest.mark.parametrize("codec", OPTIONS)
def test_turn_and_pixel_aspect_stay(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, frames(), fps=FPS, codec=codec, options=OPTIONS[codec], pixel_aspect=Fraction(4, 3))
    path.write_bytes(with_rotation(path.read_bytes(), 90))
    clip = clip_of(path, 13, 47)
    done = copy_span(clip.source, clip, tmp_path / "clip.mp4")
    assert looks(tmp_path / "clip.mp4") == looks(path) == {(144, 213, 90)}
    assert (done.width, done.height) == (144, 213)


@pytest.mark.parametrize("codec", OPTIONS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_colour_tags_and_depth_stay(codec: str, pixel_format: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    if (codec, pixel_format) == ("libvpx-vp9", "yuv420p10le"):
        pytest.skip("its builds have no 10 bits")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=OPTIONS[codec])
        stream.height, stream.width, stream.pix_fmt = 144, 160, pixel_format
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = BT2020, PQ, BT2020_MATRIX
        context.color_range = FULL
        for pixels in frames():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode())
    clip = clip_of(path, 13, 47)
    assert copy_span(clip.source, clip, tmp_path / "clip.mp4").method == "smart"
    for each in (path, tmp_path / "clip.mp4"):
        with av.open(str(each)) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc, context.colorspace) == (BT2020, PQ, BT2020_MATRIX)
            tags = {
                (frame.format.name, frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
                for frame in container.decode(video=0)
            }
        assert {tag[1:] for tag in tags} == {(BT2020, PQ, BT2020_MATRIX, FULL)}
        assert len(tags) == 1
