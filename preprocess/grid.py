"""Which frames of a video are sampled: the first ones after points of a grid in time, and of each a second one."""

from __future__ import annotations

from fractions import Fraction

from preprocess.frames import PAIR_SECONDS, SAMPLES_PER_SECOND


class Grid:
    """The grid of samples on the clock of one file."""

    def __init__(self, time_base: Fraction, fps: Fraction) -> None:
        self._time_base = time_base
        self._per_tick = time_base * SAMPLES_PER_SECOND
        self._ahead = Fraction(PAIR_SECONDS) - Fraction(1) / fps / 2
        self._last: int | None = None
        self._due: Fraction | None = None

    def point(self, pts: int) -> int:
        """Number of the last point of the grid before a time."""
        return pts * self._per_tick.numerator // self._per_tick.denominator

    def due(self, seconds: float) -> Fraction:
        """From when on a frame is the second one of a sample's pair, less half a frame."""
        return Fraction(seconds) + self._ahead

    def takes(self, pts: int) -> bool:
        """Whether the next frame, in the order of display, may be sampled."""
        point, wanted = self.point(pts), False
        if self._due is not None and pts * self._time_base >= self._due:
            self._due, wanted = None, True
        if point != self._last:
            self._due, wanted = self.due(float(pts * self._time_base)), True
        self._last = point
        return wanted
