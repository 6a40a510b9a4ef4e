"""Which packets of a span can be copied as they are, and which frames before and behind them have to be encoded anew.

Packets stand in the order of decoding, which may use whatever came before, and never what comes later. So they can be
taken from a packet that needs nothing of before, and ended anywhere: nothing that is left then lacks a reference. The
two ends are exact where they part the order of display in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from preprocess.cutting.refusal import CannotCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTime:
    """When the frame of a packet is shown, in ticks."""

    pts: int
    starts: bool
    """Whether it needs nothing of before, nor does anything that is decoded behind it and shown behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """How a span is put together: frames of [start, copy_pts) and [tail_pts, end) are encoded."""

    copied: tuple[int, ...]
    """Places of the packets that are copied, in the order of decoding; the first of them starts."""
    copy_pts: int
    tail_pts: int


def plan_splice(packets: Sequence[PacketTime], start_pts: int, end_pts: int) -> Splice:
    """Copy as much of [start_pts, end_pts) as can be; `packets` go on until none that follows is shown before its end.

    What is decoded behind the first packet and shown before it (leading pictures of an open group) may need what is not
    copied: it belongs to the head. The tail begins at the last place where all that was decoded before it is shown
    before it: with B frames, a few frames before the end.

    Raises:
        CannotCopy: decoding can start nowhere in the span.
    """
    first = _first_start(packets, start_pts, end_pts)
    copy_pts = packets[first].pts
    taken = [at for at in range(first, len(packets)) if packets[at].pts >= copy_pts]
    later = _least_behind([packets[at].pts for at in taken], end_pts)
    latest, stop, tail_pts = copy_pts, 0, copy_pts
    for count, at in enumerate(taken, 1):
        latest = max(latest, packets[at].pts)
        if latest >= end_pts:
            break
        if latest < later[count]:
            stop, tail_pts = count, later[count]
    return Splice(copied=tuple(taken[:stop]), copy_pts=copy_pts, tail_pts=tail_pts)


def _first_start(packets: Sequence[PacketTime], start_pts: int, end_pts: int) -> int:
    """Where decoding can start; nothing that was decoded before it is shown behind it, or it would be missing."""
    latest: int | None = None
    for at, each in enumerate(packets):
        if each.starts and start_pts <= each.pts < end_pts and (latest is None or latest < each.pts):
            return at
        latest = each.pts if latest is None else max(latest, each.pts)
    raise CannotCopy("no key frame in it")


def _least_behind(pts: Sequence[int], end_pts: int) -> list[int]:
    """For each place, the first time at which anything from there on is shown; the end, where nothing is before it."""
    least = [end_pts]
    for each in reversed(pts):
        least.append(min(least[-1], each))
    return least[::-1]


def decoding_times(pts: Sequence[int]) -> list[int]:
    """Times at which packets are to be decoded so that each is in time to be shown; they rise, below 0 if need be.

    The frames' own times in order, all earlier by as much as the one that is decoded latest needs.
    """
    ordered = sorted(pts)
    delay = max(shown - own for shown, own in zip(ordered, pts, strict=True))
    return [shown - delay for shown in ordered]


def durations(pts: Sequence[int], end_pts: int) -> list[int]:
    """How long each frame is shown, in the order of packets; the last of those ends as the clip does.

    An MP4 file's tables end with the packet that is decoded last, and know of no later end than its own.
    """
    ordered = [*sorted(pts), end_pts]
    until = dict(pairwise(ordered))
    lengths = [until[each] - each for each in pts]
    lengths[-1] = end_pts - ordered[-2]
    return lengths
