"""Shots, and what lies between them, by the indices of frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What lies between two shots. Frames [start, end) are clean frames of neither; a cut has start == end."""

    start: int
    end: int
    kind: str
    """`cut` (start is the later shot's first frame), `fade`, `dissolve` or `wipe` (a slide is called one, too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """Clean frames [start, end) of one shot, indices in decoding order."""

    start: int
    end: int
