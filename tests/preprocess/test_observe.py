"""One decode gives every clip with its view; memory and results do not depend on how the video is approached."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from preprocess.clip import Clip, Source, Window
from preprocess.decode import Video
from preprocess.frames import FrameView
from preprocess.observe import ClipLengths, Observed, observe, revisit, split
from preprocess.shots.detector import Shot, ShotConfig
from tests import videos
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
