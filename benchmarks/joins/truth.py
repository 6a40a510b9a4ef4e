"""What a reel's JSON file knows: where shots are joined, and what happens within them that joins nothing."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Frames [start, end); a cut has start == end, the first frame of the later shot."""

    kind: str
    sub: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The events of one reel, as indices of the frames that are stored."""

    joins: tuple[Event, ...]
    distractors: tuple[Event, ...]
    num_frames: int


def read_truth(path: Path, times: Sequence[float]) -> Truth:
    """The truth of one reel whose stored frames begin at `times`, in seconds.

    The file counts frames of a constant `fps` from time 0; a reel of variable rate stores only some of the `frames`,
    so each is found by its time. `joins` has a kind and a sub-kind each; files without it have `cuts` and `fades`.
    """
    truth = json.loads(path.read_text())
    stores_all = truth.get("frames") == len(times)
    ticks = range(len(times)) if stores_all else [round(time * truth["fps"]) for time in times]

    def event(kind: str, sub: str, start: int, end: int) -> Event:
        return Event(kind=kind, sub=sub, start=bisect_left(ticks, start), end=bisect_left(ticks, end))

    if "joins" in truth:
        joins = [event(one["kind"], one["sub"], one["start"], one["end"]) for one in truth["joins"]]
    else:
        joins = [event(CUT, "plain", at, at) for at in truth["cuts"]]
        joins += [event("fade", "any", start, end) for start, end in truth["fades"]]
    distractors = [event(one["kind"], "", one["start"], one["end"]) for one in truth.get("distractors", [])]
    return Truth(
        joins=tuple(sorted(joins, key=lambda one: one.start)),
        distractors=tuple(distractors),
        num_frames=len(ticks),
    )


def quiet_stretches(truth: Truth) -> list[tuple[int, int]]:
    """Frames [start, end) between one event, join or distractor, and the next."""
    stretches, begin = [], 0
    for one in sorted((*truth.joins, *truth.distractors), key=lambda one: one.start):
        if one.start > begin:
            stretches.append((begin, one.start))
        begin = max(begin, one.end)
    if begin < truth.num_frames:
        stretches.append((begin, truth.num_frames))
    return stretches
