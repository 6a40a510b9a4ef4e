"""Signs of life of the work on a file, for who watches it from another thread. There is one work at a time in a
worker, so there is one pulse."""

from __future__ import annotations

from dataclasses import dataclass

BEYOND_SECONDS = 7.0
"""Of a window, a little more than is decoded behind its end."""


@dataclass(slots=True)
class Pulse:
    """Changed by those who work, read by those who watch."""

    beats: int = 0
    """Steps that were done: packets decoded, clips measured."""
    pixels: int = 0
    """Of a frame of the file at hand."""
    seconds: float | None = None
    """On the file's clock, where to stop short of the place that the work is at: where the last clip ended while
    another is measured, else `BEYOND_SECONDS` before the last frame. None before the first one."""
    found_until: float | None = None
    """End of the last clip that was measured."""


PULSE = Pulse()
"""Of this process."""
