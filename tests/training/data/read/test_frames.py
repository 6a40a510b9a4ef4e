"""Frames are picked by time: whatever the rate, container or backend, a sample shows what was on screen then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import cv2
import fsspec
import numpy as np
import pytest

from preprocess.clip import Clip, Source, Window
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.observe import ClipLengths, observe
from preprocess.picking import EARLY_SECONDS
from preprocess.shots.detector import ShotConfig
from tests import videos
from tests.fault_films import FAULT_FILMS
from tests.videos import VARIABLE_SECONDS, counter_video, read_counter
from training.data.read.frames import BackendName, clip_frames
from training.data.read.frames_pyav import Rgb

BACKENDS: tuple[BackendName, ...] = ("pyav", "decord")
both = pytest.mark.parametrize("backend", BACKENDS)


def clip_of(path: Path, start_pts: int, end_pts: int, time_base: Fraction) -> Clip:
    """A clip of which only the place is looked at."""
    return Clip(
        source_id="unknown",
        source_uri=os.fspath(path),
        start_pts=start_pts,
        end_pts=end_pts,
        time_base=time_base,
        num_frames=1,
        fps=Fraction(24),
        width=1,
        height=1,
    )


def whole(path: Path) -> Clip:
    with Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)) as video:
        frames = [(frame.pts, frame.end_pts) for frame in video.frames()]
        return clip_of(path, frames[0][0], frames[-1][1], video.info.time_base)


def frames_at(
    span: Clip, num_frames: int, fps: int, start: Fraction = Fraction(0), backend: BackendName = "pyav"
) -> list[Rgb]:
    return list(clip_frames(span, num_frames=num_frames, fps=Fraction(fps), start_seconds=start, backend=backend))


def numbers(frames: Sequence[Rgb]) -> list[int]:
    return [read_counter(np.ascontiguousarray(frame[..., 1])) for frame in frames]


@both
@pytest.mark.parametrize("source_fps", [12, 24, 30, 60])
@pytest.mark.parametrize("fps", [16, 24])
def test_each_frame_is_the_one_on_screen_at_its_time(
    tmp_path: Path, source_fps: int, fps: int, backend: BackendName
) -> None:
    span = whole(counter_video(tmp_path / "v.mp4", num_frames=2 * source_fps, fps=Fraction(source_fps)))
    read = numbers(frames_at(span, 2 * fps - 3, fps, backend=backend))
    for index, number in enumerate(read):
        seconds = Fraction(index, fps)
        assert Fraction(number, source_fps) <= seconds + EARLY_SECONDS < Fraction(number + 1, source_fps)
    if source_fps == fps:
        assert read == list(range(2 * fps - 3))


@both
def test_two_seconds_of_motion_are_two_seconds_at_any_rate(tmp_path: Path, backend: BackendName) -> None:
    shown = []
    for source_fps in (12, 24, 30, 60):
        path = counter_video(tmp_path / f"{source_fps}.mp4", num_frames=3 * source_fps, fps=Fraction(source_fps))
        read = numbers(frames_at(whole(path), 25, 12, Fraction(1, 2), backend))
        shown.append([number / source_fps for number in (read[0], read[-1])])
    assert np.abs(np.array(shown) - [0.5, 2.5]).max() <= 1 / 12


@both
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_goes_by_its_clock(tmp_path: Path, suffix: str, backend: BackendName) -> None:
    span = whole(videos.variable_rate(tmp_path / f"v{suffix}"))
    read = numbers(frames_at(span, 36, 24, backend=backend))
    for index, number in enumerate(read):
        slack = Fraction(index, 24) + EARLY_SECONDS + Fraction(1, 1000)
        assert VARIABLE_SECONDS[number] <= slack
        assert number == 35 or VARIABLE_SECONDS[number + 1] >= slack - Fraction(1, 500)


@both
def test_millisecond_timestamps_lose_no_frame(tmp_path: Path, backend: BackendName) -> None:
    span = whole(counter_video(tmp_path / "v.mkv", num_frames=48))
    for start in (Fraction(0), Fraction(1, 50), Fraction(5, 24), Fraction(5, 24) + Fraction(1, 5000)):
        read = numbers(frames_at(span, 25, 24, start, backend))
        assert read == list(range(read[0], read[0] + 25))


@both
@pytest.mark.parametrize("name", list(videos.COUNTER_BUILDERS))
def test_every_kind_of_file_gives_the_frames_of_its_span(tmp_path: Path, name: str, backend: BackendName) -> None:
    path = videos.COUNTER_BUILDERS[name](tmp_path / name)
    with Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)) as video:
        pts = [frame.pts for frame in video.frames()]
        upright = (video.info.coded_height, video.info.coded_width)
        turned = video.info.rotation in (90, 270)
        span = clip_of(path, pts[7], pts[31], video.info.time_base)
    frames = frames_at(span, 1, 24, Fraction((pts[20] - pts[7]) * span.time_base), backend)
    assert numbers(frames) == [20]
    assert frames[0].shape[:2] == (upright[::-1] if turned else upright)
    if not name.startswith("variable"):
        assert numbers(frames_at(span, 24, 24, backend=backend)) == list(range(7, 31))
        assert numbers(frames_at(span, 9, 12, Fraction(1, 12), backend)) == list(range(9, 26, 2))


@pytest.mark.parametrize("name", list(videos.COUNTER_BUILDERS))
def test_backends_give_equal_pixels(tmp_path: Path, name: str) -> None:
    span = whole(videos.COUNTER_BUILDERS[name](tmp_path / name))
    pyav, decord = (frames_at(span, 9, 8, Fraction(1, 4), backend) for backend in BACKENDS)
    for one, other in zip(pyav, decord, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "size"),
    [
        ("plain.mp4", "libx264", "yuv420p", (160, 90)),
        ("full.mp4", "libx264", "yuvj420p", (160, 90)),
        ("422.mkv", "libx264", "yuv422p", (160, 90)),
        ("444_odd.mp4", "libx264", "yuv444p", (161, 91)),
        ("odd.webm", "libvpx-vp9", "yuv420p", (161, 91)),
        ("deep.mp4", "libx265", "yuv420p10le", (160, 90)),
    ],
)
def test_backends_give_equal_colours(
    tmp_path: Path, name: str, codec: str, pixel_format: str, size: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (18, 32, 3), dtype=np.uint8)
    picture = cv2.resize(noise, size, interpolation=cv2.INTER_NEAREST)
    path = tmp_path / name
    videos.write_video(path, [picture] * 4, fps=Fraction(24), codec=codec, pixel_format=pixel_format)
    span = whole(path)
    pyav, decord = (frames_at(span, 1, 24, Fraction(1, 12), backend)[0] for backend in BACKENDS)
    np.testing.assert_array_equal(pyav, decord)
    assert np.abs(pyav[..., ::-1].astype(int) - picture).mean() < 40


@both
def test_slide_shown_since_long_before_the_sample(tmp_path: Path, backend: BackendName) -> None:
    seconds = [Fraction(0), Fraction(1, 24), Fraction(3), Fraction(73, 24), Fraction(4)]
    span = whole(counter_video(tmp_path / "v.mp4", num_frames=5, seconds=seconds, options={"g": "1"}))
    assert numbers(frames_at(span, 3, 2, Fraction(5, 2), backend)) == [1, 2, 3]


@both
def test_a_file_that_ends_early_is_bad_media(tmp_path: Path, backend: BackendName) -> None:
    whole_span = whole(videos.moving_texture(tmp_path / "whole.mp4", seconds=4))
    cut = videos.cut_short(tmp_path / "cut.mp4")
    span = clip_of(cut, 0, whole_span.end_pts, whole_span.time_base)
    assert len(frames_at(span, 12, 24, backend=backend)) == 12
    with pytest.raises(MediaError):
        frames_at(span, 90, 24, backend=backend)


@both
@pytest.mark.parametrize("name", list(videos.UNREADABLE_BUILDERS))
def test_unreadable_files_have_a_reason(tmp_path: Path, name: str, backend: BackendName) -> None:
    path = videos.UNREADABLE_BUILDERS[name](tmp_path / name)
    span = clip_of(path, 0, 100, Fraction(1, 24))
    with pytest.raises(MediaError):
        frames_at(span, 1, 24, backend=backend)


@both
def test_playlists_open_nothing_else(tmp_path: Path, backend: BackendName) -> None:
    listed = videos.playlist(tmp_path / "list.mp4", counter_video(tmp_path / "secret.mp4"))
    span = clip_of(listed, 0, 36, Fraction(1, 24))
    with pytest.raises(MediaError, match="not_a_video"):
        frames_at(span, 1, 24, backend=backend)


@both
def test_names_that_are_no_text_and_buckets_are_read(tmp_path: Path, backend: BackendName) -> None:
    plain = counter_video(tmp_path / "v.mp4")
    span = whole(plain)
    odd = os.fsencode(tmp_path) + b"/\xff\n%41.mp4"
    os.link(plain, odd)
    fsspec.filesystem("memory").pipe("/bucket/v.mp4", plain.read_bytes())
    for uri in ("file://" + quote(odd), "memory://bucket/v.mp4"):
        assert numbers(frames_at(replace(span, source_uri=uri), 5, 12, backend=backend)) == [0, 2, 4, 6, 8]


def test_damaged_pictures_are_not_trained_on(tmp_path: Path) -> None:
    span = whole(videos.flipped_bytes(tmp_path / "v.mp4"))
    with pytest.raises(MediaError, match="decode_errors"):
        frames_at(span, 90, 24)


def test_asking_for_more_than_the_clip_has_is_our_own_fault(tmp_path: Path) -> None:
    span = whole(counter_video(tmp_path / "v.mp4"))
    with pytest.raises(ValueError, match="49 frames at 24 fps"):
        frames_at(span, 49, 24)
    with pytest.raises(ValueError, match="'pyav' and 'decord'"):
        frames_at(span, 1, 24, backend="ffmpeg")  # type: ignore[arg-type]


def test_without_decord_pyav_reads_and_says_so_once(tmp_path: Path) -> None:
    """In a process of its own, which cannot import decord."""
    path = counter_video(tmp_path / "v.mp4")
    code = f"""
import sys
from pathlib import Path
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name == "decord" else find(name, *rest))
from tests.training.data.read.test_frames import frames_at, numbers, whole
span = whole(Path({os.fspath(path)!r}))
assert numbers(frames_at(span, 3, 24, backend="decord")) == numbers(frames_at(span, 3, 24)) == [0, 1, 2]
frames_at(span, 3, 24, backend="decord")
assert "decord" not in sys.modules
"""
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "decord is not installed: PyAV reads the same frames instead\n"


@both
@pytest.mark.parametrize("name", ["aspect.ts", "grows.ts", "hour.mkv"])
def test_clips_on_both_sides_of_a_change_give_their_own_frames(tmp_path: Path, name: str, backend: BackendName) -> None:
    path = tmp_path / name
    FAULT_FILMS[name].build(path)
    with Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)) as video:
        seen = [one for one in observe(video, ShotConfig(), ClipLengths(), Window()) if one.clip.duration_seconds > 2]
    assert len(seen) >= 2
    for one in seen:
        assert one.view is not None
        frames = frames_at(one.clip, 24, 8, Fraction(1, 2), backend)
        assert {frame.shape[0] for frame in frames} == {one.clip.height}
        colour = one.view.samples[1].picture.bgr().mean(axis=(0, 1))[::-1]
        assert np.abs(frames[0].mean(axis=(0, 1)) - colour).max() < 6
