"""The demo's videos and the tests' own are as their truths say."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from examples.demo_films import videos as demo_videos
from examples.demo_films.encode import with_rotation
from examples.demo_films.videos import Film, Shot, make_demo_videos
from tests import videos
from tests.videos import COUNTER_BUILDERS, UNREADABLE_BUILDERS, read_counter, read_counters, shots_video, texture


def grays(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def changes(path: Path, size: tuple[int, int] = (64, 36)) -> np.ndarray:
    """Mean absolute difference (0-255, over colours) of each frame from the one before; 0 for the first."""
    with av.open(str(path)) as container:
        small = [frame.to_ndarray(format="bgr24", width=size[0], height=size[1]) for frame in container.decode(video=0)]
    steps = [float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(small)]
    return np.array([0.0, *steps])


@pytest.fixture(scope="module")
def demo(demo_films: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[demo_videos.VideoTruth]]:
    folder = Path(shutil.copytree(demo_films, tmp_path_factory.mktemp("demo") / "videos"))
    return folder, make_demo_videos(folder)


@pytest.mark.slow
def test_demo_videos_have_the_frames_cuts_and_rates_they_claim(demo):
    folder, truths = demo
    for truth in truths:
        if truth.expected == "failed":
            with pytest.raises(av.error.FFmpegError):
                av.open(str(folder / truth.name))
            continue
        change = changes(folder / truth.name)
        assert len(change) == truth.num_frames, truth.name
        highest = np.argsort(change)[::-1][: len(truth.cuts)]
        assert sorted(highest) == list(truth.cuts), truth.name
        with av.open(str(folder / truth.name)) as container:
            assert abs(container.streams.video[0].average_rate - truth.fps) < Fraction(1, 10), truth.name


@pytest.mark.slow
def test_second_call_rewrites_nothing_and_a_lost_file_comes_back(demo):
    folder, truths = demo

    def stamps() -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir()}

    before = stamps()
    assert make_demo_videos(folder) == truths
    assert stamps() == before
    assert set(before) == {truth.name for truth in truths} | {"truth.json"}
    lost = folder / "too short.mp4"
    content = lost.read_bytes()
    os.truncate(lost, 1000)
    make_demo_videos(folder)
    assert lost.read_bytes() == content


def test_film_fades_reach_their_colour_inside_the_range_and_spare_the_rest(tmp_path):
    path = tmp_path / "fades.mp4"
    truth = shots_video(path, seconds=(2, 2, 2), openings=("cut", "black", "white"))
    levels = np.array([gray.mean() for gray in grays(path)])
    (start, end), (white_start, white_end) = truth.transitions
    assert truth.cuts == ()
    assert start <= int(levels.argmin()) < end
    assert white_start <= int(levels.argmax()) < white_end
    assert levels.min() < 20
    assert levels.max() > 230
    assert np.ptp(levels[:start]) < 6
    assert np.ptp(levels[end:white_start]) < 6


def test_film_dissolve_starts_from_the_old_shot_and_ends_in_the_new():
    film = Film(
        name="x.mp4",
        fps=Fraction(10),
        size=(64, 36),
        shots=(
            Shot(scene=texture(percent_per_second=0, tint=(0, 0, 1)), seconds=1),
            Shot(scene=texture(percent_per_second=0, tint=(1, 0, 0)), seconds=1, opening="dissolve"),
        ),
    )
    frames = list(film.frames(seed=0))
    ((start, end),) = film.truth().transitions
    assert [bool(frame[..., 0].any()) for frame in frames] == [index >= start for index in range(20)]
    assert [bool(frame[..., 2].any()) for frame in frames] == [index < end for index in range(20)]


@pytest.mark.parametrize("name", COUNTER_BUILDERS)
def test_counter_survives_codec_container_and_shrinking(tmp_path, name):
    path = COUNTER_BUILDERS[name](tmp_path / name)
    upright = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    turn = upright.get(-frames[0].rotation % 360)
    pictures = [frame.to_ndarray(format="gray") for frame in frames]
    pictures = [picture if turn is None else cv2.rotate(picture, turn) for picture in pictures]
    assert [read_counter(picture) for picture in pictures] == list(range(36))
    small = [cv2.resize(picture, (40, 32), interpolation=cv2.INTER_AREA) for picture in pictures]
    assert [read_counter(picture) for picture in small] == list(range(36))
    assert [other.name for other in tmp_path.iterdir()] == [name]


def test_odd_files_are_odd_in_the_way_they_claim(tmp_path):
    def opened(builder, name, **options):
        return av.open(str(builder(tmp_path / name, **options)))

    with opened(videos.variable_rate, "v.mkv") as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert times == pytest.approx([float(at) for at in videos.VARIABLE_SECONDS], abs=0.001)
    with opened(videos.late_start, "l.mp4") as container:
        assert next(container.decode(video=0)).time == 1.5
    with opened(videos.b_frames, "b.mp4") as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
        assert order != sorted(order)
    with opened(videos.mpeg4_avi, "m.avi") as container:
        assert next(container.decode(video=0)).pts == 1
    with opened(videos.webm_without_duration, "w.webm") as container:
        assert container.duration is None
    with opened(videos.anamorphic, "a.mp4") as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    with opened(videos.with_sound, "s.mp4") as container:
        assert len(container.streams.audio) == 1
    with opened(videos.two_video_streams, "t.mp4") as container:
        assert [stream.width for stream in container.streams.video] == [160, 64]
    with opened(videos.with_cover, "c.mp4") as container:
        assert [int(stream.disposition) & 0x400 for stream in container.streams.video] == [0, 0x400]
    formats = {"ten_bit": "yuv420p10le", "full_chroma_odd_size": "yuv444p", "half_chroma": "yuv422p", "gray": "gray"}
    for name, pixel_format in formats.items():
        with opened(getattr(videos, name), f"{name}.mkv") as container:
            assert next(container.decode(video=0)).format.name == pixel_format


@pytest.mark.parametrize("name", UNREADABLE_BUILDERS)
def test_unreadable_files_yield_no_frame(tmp_path, name):
    path = UNREADABLE_BUILDERS[name](tmp_path / name)
    with pytest.raises((av.error.FFmpegError, IndexError)):
        read_counters(path)


def test_damaged_files_open_and_lose_frames(tmp_path):
    with av.open(str(videos.cut_short(tmp_path / "short.mp4"))) as container:
        assert container.streams.video[0].frames == 96
    for path in (tmp_path / "short.mp4", videos.flipped_bytes(tmp_path / "flipped.mp4")):
        with av.open(str(path)) as container:
            good = 0
            try:
                for frame in container.decode(video=0):
                    good += not frame.is_corrupt
            except av.error.FFmpegError:
                pass
        assert 0 < good < 96


def test_single_frame_picture_and_playlist(tmp_path):
    assert read_counters(videos.single_frame(tmp_path / "one.mp4")) == [0]
    assert read_counters(videos.picture_file(tmp_path / "picture.mp4")) == [1]
    target = videos.counter_video(tmp_path / "target.mp4", num_frames=3)
    assert str(target) in videos.playlist(tmp_path / "list.mp4", target).read_text()


@pytest.mark.parametrize("percent_per_second", [0.0, 5.0, 20.0])
def test_texture_moves_as_fast_as_it_says(tmp_path, percent_per_second):
    path = videos.moving_texture(tmp_path / "t.mp4", percent_per_second=percent_per_second, seconds=1)
    first, *_, last = (gray.astype(np.float32) for gray in grays(path))
    (dx, dy), _ = cv2.phaseCorrelate(first, last, cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F))
    assert dx == pytest.approx(-percent_per_second / 100 * first.shape[1] * 23 / 24, abs=0.6)
    assert dy == pytest.approx(0, abs=0.3)


def test_rotation_refuses_what_it_cannot_write():
    with pytest.raises(ValueError, match="45"):
        with_rotation(b"", 45)
    with pytest.raises(ValueError, match="tkhd"):
        with_rotation(b"RIFF", 90)
