"""Counts over reels: which joins were found, what was found where there is none, and how clean the clips are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.joins.truth import CUT, Event, Truth, quiet_stretches
from preprocess.shots.shot import Transition

TOLERANCE_FRAMES = 1
USABLE_SECONDS = 3.2
"""A stretch without any event from this length on holds a clip of 3 s, margins allowed for."""


@dataclass(slots=True)
class Tally:
    """Counts over all reels."""

    joins: Counter[str] = field(default_factory=Counter)
    """How many there are, by kind and by `kind:sub`."""
    found: Counter[str] = field(default_factory=Counter)
    """How many of them were found."""
    true_finds: int = 0
    false_alarms: Counter[str] = field(default_factory=Counter)
    """Finds that belong to no join, by the kind of distractor that they touch, or `elsewhere`."""
    kept_clips: int = 0
    impure: Counter[str] = field(default_factory=Counter)
    """Kept clips that hold frames of two shots, or one frame of a gradual join, by the kind of join."""
    usable_seconds: float = 0.0
    usable_kept_seconds: float = 0.0

    def include(self, other: Tally) -> None:
        """Count what another one has counted, too."""
        for counts, more in (
            (self.joins, other.joins),
            (self.found, other.found),
            (self.false_alarms, other.false_alarms),
            (self.impure, other.impure),
        ):
            counts.update(more)
        self.true_finds += other.true_finds
        self.kept_clips += other.kept_clips
        self.usable_seconds += other.usable_seconds
        self.usable_kept_seconds += other.usable_kept_seconds

    def figures(self) -> dict[str, object]:
        """What the last line says; a figure over nothing is null."""
        kinds = sorted(kind for kind in self.joins if ":" not in kind)
        joins = sum(self.joins[kind] for kind in kinds)
        recall = _share(sum(self.found[kind] for kind in kinds), joins)
        precision = _share(self.true_finds, self.true_finds + self.false_alarms.total())
        f1 = None if not precision or not recall else 2 * precision * recall / (precision + recall)
        return {
            "joins": joins,
            "joins_f1": _rounded(f1),
            "joins_precision": _rounded(precision),
            "joins_recall": _rounded(recall),
            "recall": {name: f"{self.found[name]}/{count}" for name, count in sorted(self.joins.items())},
            "false_alarms": dict(sorted(self.false_alarms.items())),
            "kept_clips": self.kept_clips,
            "impure_clips": self.impure.total(),
            "impure_share": _rounded(_share(self.impure.total(), self.kept_clips)),
            "impure_by": dict(sorted(self.impure.items())),
            "usable_seconds": round(self.usable_seconds, 2),
            "usable_kept_pure": _rounded(_share(self.usable_kept_seconds, self.usable_seconds)),
        }


def count_transitions(tally: Tally, found: Sequence[Transition], truth: Truth) -> list[str]:
    """Compare what a detector found with the truth; a line for each join missed and each false alarm.

    Cuts are matched one to one within a frame. A gradual join is found when something touches it, and other finds in
    it count neither way.
    """
    lines = []
    cuts = [join for join in truth.joins if join.kind == CUT]
    gradual = [join for join in truth.joins if join.kind != CUT]
    touched = {join: [one for one in found if _touches(one, join)] for join in gradual}
    free = [one for one in found if not any(one in ones for ones in touched.values())]
    missed = [join for join in gradual if not touched[join]]
    for cut in cuts:
        near = [one for one in free if _apart(one, cut) <= TOLERANCE_FRAMES]
        if near:
            free.remove(min(near, key=lambda one: _apart(one, cut)))
        else:
            missed.append(cut)
    for join in truth.joins:
        for name in (join.kind, f"{join.kind}:{join.sub}"):
            tally.joins[name] += 1
            tally.found[name] += join not in missed
    tally.true_finds += len(truth.joins) - len(missed)
    for one in free:
        beside = [event.kind for event in truth.distractors if _touches(one, event)]
        name = beside[0] if beside else "elsewhere"
        tally.false_alarms[name] += 1
        lines.append(f"false {one.kind} [{one.start}, {one.end}) {name}")
    lines += [f"missed {join.kind}:{join.sub} [{join.start}, {join.end})" for join in missed]
    return lines


def count_clips(tally: Tally, clips: Sequence[tuple[int, int]], truth: Truth, times: Sequence[float]) -> list[str]:
    """Judge kept clips, given as frames [start, end); a line for each impure one. Frames begin at `times` seconds."""
    lines, pure = [], []
    for start, end in clips:
        tally.kept_clips += 1
        spoilt = [join for join in truth.joins if _in_two_shots(join, start, end)]
        if spoilt:
            tally.impure[spoilt[0].kind] += 1
            lines += [f"impure clip [{start}, {end}): {spoilt[0].kind}:{spoilt[0].sub} at {spoilt[0].start}"]
        else:
            pure.append((start, end))
    ends = [*times[1:], times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)]
    for begin, stop in quiet_stretches(truth):
        seconds = ends[stop - 1] - times[begin]
        if seconds < USABLE_SECONDS:
            continue
        tally.usable_seconds += seconds
        for start, end in pure:
            if max(begin, start) < min(stop, end):
                tally.usable_kept_seconds += ends[min(stop, end) - 1] - times[max(begin, start)]
    return lines


def _touches(one: Transition, event: Event) -> bool:
    return one.start <= event.end + TOLERANCE_FRAMES and event.start - TOLERANCE_FRAMES <= one.end


def _apart(one: Transition, cut: Event) -> int:
    """By how many frames a find misses a cut, at its farther end."""
    return max(abs(one.start - cut.start), abs(one.end - cut.start))


def _in_two_shots(join: Event, start: int, end: int) -> bool:
    if join.start == join.end:
        return start < join.start < end
    return start < join.end and join.start < end


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
