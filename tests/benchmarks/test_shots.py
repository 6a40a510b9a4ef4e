"""The benchmark of joins counts what a person would count, on truth and finds made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.joins.tally import Tally, count_clips, count_transitions
from benchmarks.joins.truth import Event, Truth, read_truth
from benchmarks.shots import main
from preprocess.shots.shot import Transition
from tests.videos import FPS, shots_video


def truth(*joins: tuple[str, int, int], distractors: tuple[tuple[str, int, int], ...] = ()) -> Truth:
    def events(ones: tuple[tuple[str, int, int], ...]) -> tuple[Event, ...]:
        return tuple(Event(kind=kind, sub="any", start=start, end=end) for kind, start, end in ones)

    return Truth(joins=events(joins), distractors=events(distractors), num_frames=400)


def find(start: int, end: int | None = None) -> Transition:
    return Transition(start=start, end=start if end is None else end, kind="cut" if end is None else "dissolve")


def test_a_cut_is_found_within_a_frame_and_once() -> None:
    tally = Tally()
    count_transitions(tally, [find(49), find(51), find(102)], truth(("cut", 50, 50), ("cut", 100, 100)))
    assert (tally.true_finds, tally.found["cut"], tally.joins["cut"]) == (1, 1, 2)
    assert dict(tally.false_alarms) == {"elsewhere": 2}


def test_all_that_lies_in_a_gradual_join_counts_once_and_as_one() -> None:
    tally = Tally()
    finds = [find(50), find(55, 58), find(120, 130), find(200)]
    count_transitions(tally, finds, truth(("wipe", 50, 60), distractors=(("flash", 199, 202),)))
    assert tally.found["wipe:any"] == tally.true_finds == 1
    assert dict(tally.false_alarms) == {"elsewhere": 1, "flash": 1}


def test_clips_are_judged_by_every_frame_of_a_join() -> None:
    tally, times = Tally(), [at / 10 for at in range(400)]
    clips = [(0, 50), (49, 100), (60, 100), (99, 101), (101, 201), (201, 210)]
    lines = count_clips(tally, clips, truth(("wipe", 50, 60), ("cut", 100, 100), ("cut", 200, 200)), times)
    assert dict(tally.impure) == {"wipe": 1, "cut": 2}
    assert len(lines) == 3
    assert tally.usable_seconds == pytest.approx(5 + 4 + 10 + 20)
    assert tally.usable_kept_seconds == pytest.approx(5 + 4 + 0 + 0.9)


def test_frames_of_a_variable_rate_are_found_by_their_time(tmp_path: Path) -> None:
    path = tmp_path / "reel.json"
    path.write_text(json.dumps({"fps": 10, "cuts": [4], "fades": [[6, 9]], "frames": 10}))
    joins = read_truth(path, [at / 10 for at in (0, 2, 3, 5, 6, 8, 9)]).joins
    assert [(one.start, one.end) for one in joins] == [(3, 3), (4, 6)]


def test_a_reel_is_read_from_its_cache_the_second_time(tmp_path: Path) -> None:
    shots_video(tmp_path / "one.mp4", seconds=(4.0, 3.5), openings=("cut", "cut"))
    cut = round(4.0 * float(FPS))
    (tmp_path / "one.json").write_text(json.dumps({"fps": float(FPS), "cuts": [cut], "fades": []}))
    first = main(tmp_path, detector_only=True, cache=tmp_path / "cache")
    (tmp_path / "one.mp4").write_bytes(b"")
    second = main(tmp_path, detector_only=True, cache=tmp_path / "cache")
    assert first == second
    assert (first.found["cut"], first.kept_clips, first.false_alarms.total()) == (1, 2, 0)
