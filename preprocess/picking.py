"""Which frame is on screen at a time: frames are picked by time and never by their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Protocol, TypeVar

from preprocess.errors import MediaError

EARLY_SECONDS = Fraction(1, 200)
"""A frame counts as on screen already if it is due this soon: Matroska rounds times to milliseconds and phones jitter
by a few, and without slack one frame would come twice and the next one not at all."""


class Timed(Protocol):
    """A frame that is on screen during [pts, end_pts), in ticks."""

    @property
    def pts(self) -> int:
        """When it appears."""
        ...

    @property
    def end_pts(self) -> int:
        """When it goes, where no other takes its place before."""
        ...


Shown = TypeVar("Shown", bound=Timed)


def on_screen(
    frames: Iterable[Shown], *, first: Fraction, step: Fraction, early: Fraction, count: int
) -> Iterator[Shown]:
    """For each of `count` times, `step` ticks apart, the last frame that has begun by then or is due within `early`.

    The grid of times begins where the first frame found does: at equal rates each frame then comes exactly once.

    Raises:
        MediaError: frames end, or have a hole at the start, where some are needed.
    """
    wanted, given = first, 0
    current: Shown | None = None
    for following in frames:
        while current is not None and following.pts > wanted + early:
            if given == 0 and 0 <= wanted - current.pts < step:
                wanted = Fraction(current.pts)
            yield current
            wanted, given = wanted + step, given + 1
            if given == count:
                return
        if current is None and following.pts > first + step:
            raise MediaError("frames_missing", f"the first is {float((following.pts - first) / step):.1f} frames late")
        current = following
    if current is None:
        raise MediaError("frames_missing", "none in the clip")
    while given < count:
        if wanted >= current.end_pts + step:
            raise MediaError("frames_missing", f"{given} of {count} frames, then the file ends")
        yield current
        wanted, given = wanted + step, given + 1
