"""Every kind of file gives every frame, in order, upright, with the right clock; broken ones give a reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from tests import videos
from tests.videos import read_counter

Builder = Callable[[Path], Path]


def source(path: Path) -> Source:
    return Source(uri=os.fspath(path), size_bytes=path.stat().st_size if path.exists() else 0, modified_ns=0)


KINDS: list[tuple[str, Builder, str]] = [
    ("variable.mp4", videos.variable_rate, "h264"),
    ("late.mp4", videos.late_start, "h264"),
    ("b_frames.mp4", videos.b_frames, "h264"),
    ("ten_bit.mp4", videos.ten_bit, "h264"),
    ("odd_444.mp4", videos.full_chroma_odd_size, "h264"),
    ("half.mp4", videos.half_chroma, "h264"),
    ("gray.mkv", videos.gray, "ffv1"),
    ("turned.mp4", videos.rotated, "h264"),
    ("wide.mp4", videos.anamorphic, "h264"),
    ("film.avi", videos.mpeg4_avi, "mpeg4"),
    ("film.webm", videos.webm, "vp9"),
    ("endless.webm", videos.webm_without_duration, "vp9"),
    ("film.ts", videos.mpeg_ts, "h264"),
    ("sound.mp4", videos.with_sound, "h264"),
    ("two.mp4", videos.two_video_streams, "h264"),
    ("cover.mp4", videos.with_cover, "h264"),
]


@pytest.mark.parametrize(("name", "build", "codec"), KINDS, ids=[name for name, _, _ in KINDS])
def test_every_frame_in_order(tmp_path: Path, name: str, build: Builder, codec: str) -> None:
    with Video(source(build(tmp_path / name))) as video:
        assert video.info.codec.removeprefix("lib").startswith(codec)
        read, times = [], []
        for frame in video.frames():
            shrunk = frame.shrink()
            read.append(read_counter(shrunk.analysis_luma()))
            assert read_counter(shrunk.picture().y) == read[-1]
            times.append(frame.pts)
    assert read == list(range(36))
    assert times == sorted(set(times))
    assert video.damage.decode_errors == 0


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    with Video(source(videos.variable_rate(tmp_path / "v.mp4"))) as video:
        seconds = [float(frame.pts * video.info.time_base) for frame in video.frames()]
    assert seconds == pytest.approx([float(s) for s in videos.VARIABLE_SECONDS], abs=1e-4)


def test_late_start_is_kept(tmp_path: Path) -> None:
    with Video(source(videos.late_start(tmp_path / "v.mp4"))) as video:
        first = next(video.frames())
        assert first.pts * video.info.time_base == Fraction(3, 2)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_to_sizes_and_pixels(tmp_path: Path, degrees: int) -> None:
    with Video(source(videos.rotated(tmp_path / "v.mp4", degrees=degrees))) as video:
        portrait = degrees != 180
        assert (video.info.width, video.info.height) == ((90, 160) if portrait else (160, 90))
        frame = next(video.frames()).shrink()
        assert frame.analysis_luma().shape == (video.info.height, video.info.width)
        assert frame.picture().bgr().shape == (video.info.height, video.info.width, 3)


def test_pixel_aspect_is_applied(tmp_path: Path) -> None:
    with Video(source(videos.anamorphic(tmp_path / "v.mp4"))) as video:
        assert (video.info.width, video.info.height) == (213, 90)
        assert next(video.frames()).shrink().analysis_luma().shape == (90, 213)


def test_cover_picture_and_second_stream_are_not_taken(tmp_path: Path) -> None:
    for build in (videos.with_cover, videos.two_video_streams):
        with Video(source(build(tmp_path / f"{build.__name__}.mp4"))) as video:
            assert (video.info.coded_width, video.info.coded_height) == (160, 90)


@pytest.mark.parametrize("build", [videos.b_frames, videos.mpeg_ts, videos.mpeg4_avi, videos.webm_without_duration])
@pytest.mark.parametrize("from_frame", [1, 11, 12, 23, 35])
def test_seeking_starts_at_the_same_frame(tmp_path: Path, build: Builder, from_frame: int) -> None:
    suffix = {"mpeg_ts": ".ts", "mpeg4_avi": ".avi", "webm_without_duration": ".webm"}.get(build.__name__, ".mp4")
    path = build(tmp_path / f"v{suffix}")
    with Video(source(path)) as video:
        whole = [(frame.pts, read_counter(frame.shrink().analysis_luma())) for frame in video.frames()]
        tick = video.info.time_base
    with Video(source(path)) as video:
        start = float(whole[from_frame][0] * tick) - 1e-6
        part = [(frame.pts, read_counter(frame.shrink().analysis_luma())) for frame in video.frames(start)]
    assert [number for _, number in part] == [number for _, number in whole[from_frame:]]
    assert part == whole[from_frame:]


def test_an_index_that_points_past_the_key_frame_is_met_by_going_back_a_little(tmp_path: Path) -> None:
    """All frames are listed as key frames, so that a seek lands where nothing can be decoded before the next real one.
    The damage is far before what is asked for."""
    options = {"g": "48", "keyint_min": "48", "sc_threshold": "0", "bf": "0"}
    path = videos.counter_video(tmp_path / "v.mp4", num_frames=20 * 24, options=options)
    with av.open(os.fspath(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes().replace(b"stss", b"free"))
    for start, size in places[49:60]:
        content[start + 5 : start + size] = bytes(size - 5)
    path.write_bytes(content)
    with Video(source(path)) as video:
        read = [read_counter(frame.shrink().analysis_luma()) for frame in video.frames(15.0)]
        assert video.damage.decode_errors == 0
    assert read == list(range(15 * 24, 20 * 24))
    with Video(source(path)) as video:
        assert sum(1 for _ in video.frames()) > 18 * 24
        assert video.damage.decode_errors > 0


def test_colour_is_right(tmp_path: Path) -> None:
    blue = np.full((90, 160, 3), (200, 60, 40), np.uint8)
    path = tmp_path / "blue.mp4"
    videos.write_video(path, [blue] * 4, fps=videos.FPS)
    with Video(source(path)) as video:
        picture = next(video.frames()).shrink().picture().bgr()
    assert np.abs(picture.astype(int) - blue).max() <= 6


def test_deep_samples_equal_eight_bit_ones(tmp_path: Path) -> None:
    lumas = []
    for name, build in (("8", lambda p: videos.counter_video(p)), ("10", videos.ten_bit)):
        with Video(source(build(tmp_path / f"{name}.mp4"))) as video:
            lumas.append(next(video.frames()).shrink().analysis_luma().astype(int))
    assert np.abs(lumas[0] - lumas[1]).mean() < 2


BROKEN: list[tuple[str, Builder, str]] = [
    ("empty.mp4", videos.empty_file, "empty_file"),
    ("cut.mp4", videos.without_index, "not_a_video"),
    ("prose.mp4", videos.text_file, "not_a_video"),
    ("picture.mp4", videos.picture_file, "not_a_video"),
    ("sound.mp4", videos.sound_only, "no_video_stream"),
    ("gone.mp4", lambda path: path, "not_found"),
]


@pytest.mark.parametrize(("name", "build", "reason"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_broken_files_have_a_reason(tmp_path: Path, name: str, build: Builder, reason: str) -> None:
    with pytest.raises(MediaError) as caught:
        Video(source(build(tmp_path / name)))
    assert caught.value.reason == reason


def test_playlists_open_nothing_else(tmp_path: Path) -> None:
    secret = videos.counter_video(tmp_path / "secret.mp4")
    with pytest.raises(MediaError, match="not_a_video"):
        Video(source(videos.playlist(tmp_path / "list.mp4", secret)))


def test_damage_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    with Video(source(videos.flipped_bytes(tmp_path / "v.mp4"))) as video:
        frames = sum(1 for _ in video.frames())
        assert frames > 40
        assert video.damage.decode_errors > 0
        assert video.damage.spans


def test_content_id_follows_bytes_not_names(tmp_path: Path) -> None:
    first = videos.counter_video(tmp_path / "a.mp4")
    copy = tmp_path / "-b 'ü\n.mp4"
    copy.write_bytes(first.read_bytes())
    other = videos.counter_video(tmp_path / "c.mp4", num_frames=20)
    ids = []
    for path in (first, copy, other):
        with Video(source(path)) as video:
            ids.append(video.info.source_id)
    assert ids[0] == ids[1] != ids[2]
