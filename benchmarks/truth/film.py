"""A film as a plan: shots, the joins between them, and what the truth says of it. No pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.truth.events import Event
from benchmarks.truth.formats import Format
from benchmarks.truth.joins import Join
from benchmarks.truth.material import Take


@dataclass(frozen=True, kw_only=True)
class PlacedJoin:
    """Frames [start, end) of a film, none for a cut; the second shot is said to begin at `boundary`."""

    join: Join
    start: int
    end: int
    boundary: int


@dataclass(frozen=True, kw_only=True)
class PlacedEvent:
    """Frames [start, end) of a film."""

    event: Event
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Frames [first, last) of a film are made of `take`, from its frame `offset` on; joins there included."""

    take: Take
    step: int
    offset: int
    first: int
    last: int
    view: tuple[float, float, float] | None = None
    """x, y and part, as `camera.view` takes them."""
    mirrored: bool = False
    event: PlacedEvent | None = None

    @property
    def spare(self) -> int:
        """Frames of the film for which the take would have pictures left."""
        return (self.take.num_frames - self.offset) // self.step - (self.last - self.first)


@dataclass(frozen=True, kw_only=True)
class Film:
    """Shots in order, and a join between each two."""

    name: str
    format: Format
    shots: list[Shot]
    joins: list[PlacedJoin]
    seed: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.joins) != len(self.shots) - 1:
            raise ValueError(f"{self.name}: {len(self.joins)} joins between {len(self.shots)} shots")

    @property
    def num_frames(self) -> int:
        """As made, before any is repeated or left out."""
        return self.shots[-1].last

    def truth(self) -> dict[str, Any]:
        """What a truth file says: stored frames, half-open; the frames of `distractors` are no cuts."""
        at, joins = self.format.stored, self.joins
        edges = [0, *(one.boundary for one in joins), self.num_frames]
        events = [shot.event for shot in self.shots if shot.event is not None]
        return {
            "fps": self.format.truth_fps,
            "cuts": [at(one.start) for one in joins if one.join.kind == "cut"],
            "fades": self._spans("fade"),
            "dissolves": self._spans("dissolve"),
            "wipes": self._spans("wipe"),
            "joins": [
                {"kind": one.join.kind, "sub": one.join.sub, "start": at(one.start), "end": at(one.end)}
                for one in joins
            ],
            "distractors": [
                {"kind": one.event.kind, "start": at(one.start), "end": max(at(one.start) + 1, at(one.end))}
                for one in events
            ],
            "shots": [
                {"clip": shot.take.scene, "start": at(edges[number]), "end": at(edges[number + 1])}
                for number, shot in enumerate(self.shots)
            ],
            "format": {"name": self.format.name, "size": list(self.format.size)},
            "frames": at(self.num_frames),
        }

    def _spans(self, kind: str) -> list[list[int]]:
        at = self.format.stored
        return [[at(one.start), at(one.end)] for one in self.joins if one.join.kind == kind]
