"""What is left undecoded changes neither the frames that there are nor the pixels of those that are measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from examples.demo_films.encode import write_video
from preprocess.clip import Source, Window
from preprocess.decode import Frame, Video
from preprocess.gaps import QUIET_LEVELS, between
from preprocess.kept_packets import Passed
from preprocess.observe import ClipLengths, Observed, observe, revisit
from preprocess.shots.detector import ShotConfig
from tests import videos
from tests.videos import read_counter

B_FRAMES = {"preset": "fast", "bf": "3", "g": "48", "x264-params": "b-adapt=0:scenecut=0:b-pyramid=none"}
NO_CUTS = {"preset": "fast", "g": "240", "x264-params": "scenecut=0:b-adapt=0:bframes=3:keyint=240:min-keyint=240"}


def source(path: Path) -> Source:
    return Source(uri=os.fspath(path), size_bytes=path.stat().st_size, modified_ns=0)


def counters(path: Path, options: Mapping[str, str] = B_FRAMES, codec: str = "libx264") -> Path:
    return videos.counter_video(path, num_frames=72, size=(160, 96), codec=codec, options=options)


def shown(path: Path, decode: str, start_seconds: float | None = None) -> list[Frame | Passed]:
    with Video(source(path), decode=decode) as video:
        return list(video.shown(start_seconds))


def numbers(frames: list[Frame | Passed]) -> list[int | None]:
    """What each shows, None where it was not decoded."""
    return [read_counter(each.shrink().analysis_luma()) if isinstance(each, Frame) else None for each in frames]


KINDS: dict[str, Callable[[Path], Path]] = {
    "b.mp4": counters,
    "b.mkv": counters,
    "b.ts": counters,
    "pyramid.mp4": lambda path: counters(path, B_FRAMES | {"x264-params": "b-adapt=0:scenecut=0:b-pyramid=normal"}),
    "open.mp4": lambda path: counters(path, B_FRAMES | {"x264-params": "open-gop=1:keyint=12:b-adapt=0:scenecut=0"}),
    "variable.mp4": lambda path: videos.counter_video(path, seconds=videos.VARIABLE_SECONDS, options=B_FRAMES),
    "hevc.mp4": lambda path: counters(path, {"preset": "fast", "x265-params": "log-level=error:bframes=4"}, "libx265"),
}


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_of_a_whole_decode(tmp_path: Path, name: str) -> None:
    path = KINDS[name](tmp_path / name)
    every, some = shown(path, "all"), shown(path, "auto")
    assert [(each.pts, each.end_pts) for each in some] == [(each.pts, each.end_pts) for each in every]
    expected = numbers(every)
    assert expected == list(range(len(every)))
    passed = sum(isinstance(each, Passed) for each in some)
    assert passed > len(every) // 6
    assert all(number in (None, at) for at, number in enumerate(numbers(some)))


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("camera.mp4", {"preset": "ultrafast", "bf": "0"}, "libx264"),
        ("fields.mp4", {"preset": "fast", "x264-params": "tff=1"}, "libx264"),
        ("film.webm", {"deadline": "realtime", "cpu-used": "8"}, "libvpx-vp9"),
    ],
)
def test_where_nothing_may_be_left_out_all_is_decoded(
    tmp_path: Path, name: str, options: Mapping[str, str], codec: str
) -> None:
    frames = shown(counters(tmp_path / name, options, codec), "auto")
    assert len(frames) == 72
    assert all(isinstance(each, Frame) for each in frames)


@pytest.mark.parametrize("name", ["b.mp4", "open.mp4", "hevc.mp4", "b.ts"])
def test_what_was_left_out_can_be_had_after_all(tmp_path: Path, name: str) -> None:
    path = KINDS[name](tmp_path / name)
    with Video(source(path)) as video:
        luma = {frame.pts: frame.shrink().analysis_luma() for frame in video.frames()}
    waiting: list[Passed] = []
    found = 0
    with Video(source(path), decode="auto") as video:
        for each in video.shown():
            if isinstance(each, Passed):
                waiting.append(each)
                continue
            assert np.array_equal(each.shrink().analysis_luma(), luma[each.pts])
            if len(waiting) >= 8:
                raws = video.again(waiting)
                for passed in waiting:
                    frame = Frame(raw=raws[passed.number], pts=passed.pts, end_pts=0, info=video.info, is_damaged=False)
                    assert np.array_equal(frame.shrink().analysis_luma(), luma[passed.pts])
                found += len(waiting)
                waiting.clear()
        assert video.damage.decode_errors == 0
    assert found >= 8


def film(path: Path, openings: tuple[videos.Opening, ...] = ("cut", "cut", "black", "cut")) -> Path:
    def write(*args: object, **named: object) -> None:
        write_video(*args, **named, options=NO_CUTS)  # type: ignore[arg-type]

    videos.shots_video(path, seconds=(4.1, 3.4, 4.3, 4.2), openings=openings, percent_per_second=4.0, write=write)
    return path


def observed(path: Path, decode: str) -> list[Observed]:
    with Video(source(path), decode=decode) as video:
        return list(observe(video, ShotConfig(), ClipLengths(), Window()))


def test_clips_are_those_of_a_whole_decode_wherever_cuts_fall(tmp_path: Path) -> None:
    """No cut is at a key frame, so some lie between two frames that were decoded."""
    path = film(tmp_path / "film.mp4")
    assert sum(isinstance(each, Passed) for each in shown(path, "auto")) > 50
    every, some = observed(path, "all"), observed(path, "auto")
    assert len(every) == 4
    assert [each.clip for each in some] == [each.clip for each in every]
    for mine, whole in zip(some, every, strict=True):
        assert mine.view is not None
        assert whole.view is not None
        assert [(a.seconds, a.pair_seconds) for a in mine.view.samples] == [
            (a.seconds, a.pair_seconds) for a in whole.view.samples
        ]
        for one, other in zip(mine.view.samples, whole.view.samples, strict=True):
            assert np.array_equal(one.picture.y, other.picture.y)
            assert one.pair_luma is None or np.array_equal(one.pair_luma, other.pair_luma)
        assert np.array_equal(mine.view.signals.seconds, whole.view.signals.seconds)
        assert np.abs(mine.view.signals.luma_mean - whole.view.signals.luma_mean).max() < 2


def test_a_dissolve_is_found_within_two_frames(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", ("cut", "dissolve", "cut", "dissolve"))
    every, some = ([each.clip for each in observed(path, decode)] for decode in ("all", "auto"))
    assert len(some) == len(every) == 4
    for mine, whole in zip(some, every, strict=True):
        assert abs(mine.start_seconds - whole.start_seconds) < 2.5 / 24
        assert abs(mine.end_seconds - whole.end_seconds) < 2.5 / 24


@pytest.mark.parametrize("chosen", [slice(None), slice(1, 2), slice(3, None)])
def test_who_looks_again_sees_what_the_pass_saw(tmp_path: Path, chosen: slice) -> None:
    path = film(tmp_path / "film.mp4")
    first = observed(path, "auto")[chosen]
    with Video(source(path), decode="auto") as video:
        again = list(revisit(video, [each.clip for each in first]))
    assert [each.clip for each in again] == [each.clip for each in first]
    for one, other in zip(again, first, strict=True):
        assert one.view is not None
        assert other.view is not None
        for name in ("seconds", "luma_mean", "luma_std", "change"):
            assert np.array_equal(getattr(one.view.signals, name), getattr(other.view.signals, name), equal_nan=True), (
                name
            )
        assert all(
            np.array_equal(a.picture.y, b.picture.y) for a, b in zip(one.view.samples, other.view.samples, strict=True)
        )


def test_from_the_first_damage_on_all_is_decoded(tmp_path: Path) -> None:
    path = counters(tmp_path / "film.mp4", B_FRAMES | {"g": "12"})
    with Video(source(path), decode="auto") as video:
        kept = [each.number for each in video.shown() if isinstance(each, Passed)]
    assert kept[-1] > 60
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, len(content) // 2, 40):
        content[at] ^= 85
    path.write_bytes(content)
    with Video(source(path), decode="auto") as video:
        frames, errors = list[tuple[bool, int]](), 0
        for each in video.shown():
            frames.append((isinstance(each, Passed), errors))
            errors = video.damage.decode_errors
    assert errors
    assert not any(passed for passed, before in frames if before)


def test_a_mix_stands_for_what_is_between_two_frames_that_differ_little() -> None:
    dark = np.full((9, 16, 3), 100, np.uint8) + np.arange(16, dtype=np.uint8)[:, None] * 4
    assert [int(each[0, 0, 0]) for each in between(dark, dark + 4, [0.25, 0.5]) or []] == [101, 102]
    assert between(dark, dark + int(QUIET_LEVELS) + 1, [0.5]) is None
    assert between(dark, dark[:8], [0.5]) is None


def test_faint_pictures_that_have_nothing_in_common_are_no_mix() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(18, 26, (9, 16, 1), np.uint8).repeat(3, axis=2) for _ in range(2))
    assert np.abs(one.astype(int) - other).mean() < QUIET_LEVELS / 2
    assert between(one, other, [0.5]) is None
    assert between(one, one, [0.5]) is not None
