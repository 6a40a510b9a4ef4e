"""One decode gives every clip with its view; memory and results do not depend on how the video is approached."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from preprocess.clip import Clip, Source, Window
from preprocess.decode import Video
from preprocess.frames import MAX_FRAME_SECONDS, FrameView
from preprocess.observe import ClipLengths, Observed, observe, revisit, split
from preprocess.remembered import MAX_SAMPLES
from preprocess.shots.detector import ShotConfig
from preprocess.shots.shot import Shot
from tests import fault_films, videos
from tests.fault_films import FAULT_FILMS
from tests.videos import read_counter

LENGTHS = ClipLengths()


def source(path: Path) -> Source:
    return Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)


def observe_all(path: Path, window: Window | None = None, lengths: ClipLengths = LENGTHS) -> list[Observed]:
    with Video(source(path)) as video:
        return list(observe(video, ShotConfig(), lengths, window or Window()))


def as_times(num_frames: int, fps: int = 24) -> list[Fraction]:
    return [Fraction(index, fps) for index in range(num_frames + 1)]


@pytest.mark.parametrize("num_frames", [1, 71, 72, 240, 241, 360, 481, 600, 1439])
@pytest.mark.parametrize("fps", [12, 24, 60])
def test_split_is_near_equal_complete_and_bounded(num_frames: int, fps: int) -> None:
    times = as_times(num_frames, fps)
    pieces = split(times, 10.0)
    assert [start for start, _ in pieces] == [0, *(end for _, end in pieces[:-1])]
    assert pieces[-1][1] == num_frames
    lengths = [end - start for start, end in pieces]
    assert max(lengths) <= 10 * fps
    assert max(lengths) - min(lengths) <= 1
    assert len(pieces) <= -(-num_frames // (10 * fps)) + 1


def test_split_of_uneven_frames_keeps_the_bound() -> None:
    times = [Fraction(index * index, 100) for index in range(60)]
    for start, end in split(times, 10.0):
        assert times[end] - times[start] <= 10 or end - start == 1


@pytest.mark.parametrize("times", [(0, 100, 200, 300), (0, 1, 2, 3, 4, 64), (0, 60, 61, 62), (0, 1e-3, 2e-3, 50, 90)])
def test_split_gives_every_piece_a_frame_however_long_they_are(times: tuple[float, ...]) -> None:
    pieces = split([Fraction(time) for time in times], 10.0)
    assert [start for start, _ in pieces] == [0, *(end for _, end in pieces[:-1])]
    assert pieces[-1][1] == len(times) - 1
    for start, end in pieces:
        assert start < end
        assert times[end] - times[start] <= 10 or end - start == 1


def test_clips_avoid_every_neighbour(tmp_path: Path) -> None:
    openings = ("cut", "cut", "black", "dissolve", "white")
    truth = videos.shots_video(tmp_path / "v.mp4", seconds=(4, 5, 5, 5, 5), openings=openings)
    edges = [0, *truth.cuts, *(edge for span in truth.transitions for edge in span), truth.num_frames]
    allowed = list(zip(sorted(edges), sorted(edges)[1:], strict=False))
    clips = [seen.clip for seen in observe_all(tmp_path / "v.mp4") if seen.clip.duration_seconds >= 3]
    assert len(clips) == 5
    for clip in clips:
        start, end = (round(float(at) * 24) for at in (clip.start_seconds, clip.end_seconds))
        assert any(low <= start and end <= high for low, high in allowed), (start, end, sorted(edges))
        assert end - start == clip.num_frames
        assert (start, end) not in truth.transitions


class OneShot:
    """Sees no cut anywhere."""

    def __init__(self, config: ShotConfig, fps: Fraction) -> None:
        self.open_start = self.settled = self.count = 0

    def push(self, frame: object) -> list[Shot]:
        self.count += 1
        return []

    def finish(self) -> list[Shot]:
        return [Shot(start=0, end=self.count)]


def test_samples_are_the_frames_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = videos.counter_video(tmp_path / "v.mp4", num_frames=120)
    monkeypatch.setattr("preprocess.observe.ShotDetector", OneShot)  # a counter flickers like nothing else
    with Video(source(path)) as video:
        seen = list(observe(video, ShotConfig(), LENGTHS, Window()))
    (only,) = [one for one in seen if one.clip.duration_seconds > 3]
    assert only.view is not None
    assert len(only.view.signals.seconds) == only.clip.num_frames == 120
    assert np.isnan(only.view.signals.change[0])
    assert not np.isnan(only.view.signals.change[1:]).any()
    for sample in only.view.samples:
        assert read_counter(sample.luma) == read_counter(sample.picture.y) == round(sample.seconds * 24)
        if sample.pair_luma is not None:
            assert read_counter(sample.pair_luma) == round((sample.seconds + sample.pair_seconds) * 24)
            assert sample.pair_seconds == pytest.approx(1 / 12, abs=1 / 48)
    assert [sample.seconds for sample in only.view.samples] == pytest.approx(np.arange(0, 5, 0.5), abs=1e-6)


def assert_same_view(one: FrameView, other: FrameView) -> None:
    assert [s.seconds for s in one.samples] == [s.seconds for s in other.samples]
    for a, b in zip(one.samples, other.samples, strict=True):
        np.testing.assert_array_equal(a.luma, b.luma)
        np.testing.assert_array_equal(a.picture.cb, b.picture.cb)
        assert (a.pair_luma is None) == (b.pair_luma is None)
        assert a.pair_seconds == b.pair_seconds
    np.testing.assert_array_equal(one.signals.seconds, other.signals.seconds)
    np.testing.assert_allclose(one.signals.change, other.signals.change)


def test_revisited_views_equal_those_of_the_pass(tmp_path: Path) -> None:
    videos.shots_video(tmp_path / "v.mp4", seconds=(4, 11.7, 3.3, 5), openings=("cut", "cut", "black", "cut"))
    first = observe_all(tmp_path / "v.mp4")
    chosen: list[Clip] = [seen.clip for seen in first][1:]
    with Video(source(tmp_path / "v.mp4")) as video:
        again = list(revisit(video, chosen[::-1]))
    assert [seen.clip for seen in again] == chosen
    for one, other in zip(first[1:], again, strict=True):
        assert one.view is not None
        assert other.view is not None
        assert_same_view(one.view, other.view)


def test_windows_tile_the_video(tmp_path: Path) -> None:
    """Clips of neighbouring windows cover what one pass covers, with one boundary more at the seam."""
    seconds = (4.0, 6.0, 5.0, 8.0, 4.0, 5.0)
    truth = videos.shots_video(tmp_path / "v.mp4", seconds=seconds, openings=("cut",) * 6)
    whole = [(seen.clip.start_pts, seen.clip.end_pts) for seen in observe_all(tmp_path / "v.mp4")]
    seam = 17.0
    parts = [
        seen.clip
        for window in (Window(end_seconds=seam), Window(start_seconds=seam))
        for seen in observe_all(tmp_path / "v.mp4", window)
    ]
    spans = [(clip.start_pts, clip.end_pts) for clip in parts]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    crossing = [span for span in whole if not any(span == part for part in spans)]
    assert len(crossing) == 1, (whole, spans, truth.cuts)
    joined = [span for span in spans if span not in whole]
    assert (joined[0][0], joined[-1][1]) == crossing[0]
    assert joined[0][1] == joined[1][0]


@pytest.mark.parametrize("opening", ["dissolve", "black"])
def test_a_transition_across_a_seam_is_seen_from_both_windows(tmp_path: Path, opening: str) -> None:
    truth = videos.shots_video(tmp_path / "v.mp4", seconds=(8.0, 8.0), openings=("cut", opening))
    ((start, end),) = truth.transitions
    for seam in (Fraction(start + 4, 24), Fraction(start + end, 48), Fraction(end + 2, 24), Fraction(start - 2, 24)):
        for window in (Window(end_seconds=float(seam)), Window(start_seconds=float(seam))):
            clips = [seen.clip for seen in observe_all(tmp_path / "v.mp4", window)]
            assert sum(clip.duration_seconds for clip in clips) > 6
            assert all(clip.end_seconds <= start / 24 or clip.start_seconds >= end / 24 for clip in clips)


def test_endless_shot_gives_its_clips_early(tmp_path: Path) -> None:
    path = videos.moving_texture(tmp_path / "v.mp4", seconds=100, fps=Fraction(10), size=(64, 36))
    with Video(source(path)) as video:
        seen_at = []
        clips = []
        for seen in observe(video, ShotConfig(), LENGTHS, Window()):
            seen_at.append(float(video.last_end_seconds))
            clips.append(seen.clip)
    assert seen_at[0] < 75
    assert all(clip.duration_seconds >= 8 for clip in clips)
    assert all(clip.duration_seconds <= 10 for clip in clips)
    assert clips[0].start_seconds == 0
    assert clips[-1].end_seconds == pytest.approx(100)
    assert all(a.end_pts == b.start_pts for a, b in itertools.pairwise(clips))


def test_damage_is_noted_on_the_clip_that_has_it(tmp_path: Path) -> None:
    observed = observe_all(videos.flipped_bytes(tmp_path / "v.mp4"))
    assert any(seen.damaged for seen in observed)


def test_lengths_that_would_lose_footage_are_refused() -> None:
    with pytest.raises(ValueError, match="twice the minimum"):
        ClipLengths(min_seconds=6, max_seconds=10)


@pytest.mark.parametrize("name", ["aspect.ts", "grows.ts", "hour.mkv", "pause.mp4", "thin.mkv", "wild.mkv"])
def test_no_clip_has_two_sizes_or_a_gap_and_each_is_found_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    FAULT_FILMS[name].build(path)
    first = observe_all(path)
    assert tuple((seen.clip.width, seen.clip.height) for seen in first if seen.clip.duration_seconds > 2) == (
        FAULT_FILMS[name].sizes
    )
    for seen in first:
        with Video(source(path), clock=seen.clip.clock) as video:
            (again,) = revisit(video, [seen.clip])
        assert again.clip == seen.clip
        if seen.view is None:
            assert again.view is None
            continue
        assert np.diff(seen.view.signals.seconds).max(initial=0) <= MAX_FRAME_SECONDS
        assert {sample.picture.y.shape for sample in seen.view.samples} == {(seen.clip.height, seen.clip.width)}
        assert again.view is not None
        assert_same_view(seen.view, again.view)


def test_a_pause_in_a_film_is_no_slow_clip(tmp_path: Path) -> None:
    path = tmp_path / "pause.mp4"
    FAULT_FILMS["pause.mp4"].build(path)
    first, second = (seen.clip for seen in observe_all(path) if seen.clip.duration_seconds > 2)
    assert float(first.fps) == pytest.approx(first.num_frames / first.duration_seconds, rel=0.01)
    assert float(second.fps) == pytest.approx(second.num_frames / second.duration_seconds, rel=0.01)
    assert first.fps > 5 * 8 / 69


def test_a_header_that_says_480_frames_of_one_a_second_costs_no_memory(tmp_path: Path) -> None:
    """What is remembered counts by time and by number, whatever the header's rate."""
    path = tmp_path / "v.mkv"
    fault_films.timed(path, times=(Fraction(second) for second in range(700)))
    with Video(source(path)) as video:
        video.info = replace(video.info, fps=Fraction(480))
        most = 0
        clips = []
        for seen in observe(video, ShotConfig(), LENGTHS, Window()):
            clips.append(seen.clip)
            most = max(most, round(float(video.last_end_seconds)) - round(seen.clip.start_seconds))
    assert most < MAX_SAMPLES
    assert all(clip.duration_seconds <= 10 for clip in clips)
    assert sum(clip.num_frames for clip in clips) > 600


def test_frames_that_hardly_move_on_are_given_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preprocess.observe.MAX_OPEN_FRAMES", 100)
    path = videos.moving_texture(tmp_path / "v.mp4", seconds=6, fps=Fraction(100), size=(64, 36))
    sizes = [seen.clip.num_frames for seen in observe_all(path)]
    assert sum(sizes) == 600
    assert max(sizes[:-1]) < 150


def test_frames_of_a_clock_that_tells_no_time_are_in_no_clip(tmp_path: Path) -> None:
    path = videos.moving_texture(tmp_path / "v.mp4", seconds=3, size=(64, 36))
    content = bytearray(path.read_bytes())
    at = content.index(b"mdhd") + 16  # ticks a second
    content[at : at + 4] = (2**31 - 1).to_bytes(4, "big")
    path.write_bytes(content)
    assert observe_all(path) == []


def test_a_picture_that_stands_for_seconds_counts_for_as_many_samples(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    times = [Fraction(index, 24) for index in range(36)] + [Fraction(3, 2) + 2 * step for step in range(4)]
    fault_films.timed(path, times=[*times, Fraction(19, 2)])
    (seen,) = [one for one in observe_all(path) if one.clip.num_frames > 10]
    assert seen.view is not None
    begins = [sample.seconds for sample in seen.view.samples]
    assert max(np.diff(begins)) <= 1
    assert len({id(sample.picture) for sample in seen.view.uniform(16)}) == len(seen.view.uniform(16))
    with Video(source(path)) as video:
        (again,) = revisit(video, [seen.clip])
    assert again.view is not None
    assert_same_view(seen.view, again.view)


def test_a_cut_between_pictures_that_stand_for_a_second_costs_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    videos.shots_video(path, seconds=(8, 8), openings=("cut", "cut"), fps=Fraction(2))
    clips = [seen.clip for seen in observe_all(path)]
    assert sum(clip.duration_seconds for clip in clips) == pytest.approx(16)
    assert 8.0 in [clip.start_seconds for clip in clips]
