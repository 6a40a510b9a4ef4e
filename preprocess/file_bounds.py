"""How much one file may take before it is settled with a reason: broken or hostile headers must not hold a run up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from preprocess.errors import MediaError
from preprocess.io.bounds import above, at_least, check
from preprocess.io.settings import OPERATIONAL

SIDECAR_BYTES = 8 << 20
"""A JSON file of this size, made of brackets alone, takes 230 MB to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBounds:
    """What no ordinary film comes near. A file beyond keeps the clips that were found before, and says why."""

    work_seconds: float = field(default=600.0, metadata=OPERATIONAL | above(0))
    """CPU time that decoding and measuring any file, or any span of a long one, may take: `too_slow`."""
    work_per_second: float = field(default=120.0, metadata=OPERATIONAL | above(0))
    """More of it for each second of video. 8K HEVC with grain, 400 Mbit/s, took 9."""
    max_pixels: int = field(default=1 << 26, metadata=OPERATIONAL | at_least(1))
    """Of a coded frame: `too_large`. The highest level of H.264, HEVC and AV1 allows half of it."""
    stall_seconds: float = field(default=300.0, metadata=OPERATIONAL | above(0))
    """Without any progress, as native code that hangs makes none: the worker is ended, and the file `too_slow`."""
    memory_bytes: int = field(default=2 << 30, metadata=OPERATIONAL | at_least(1 << 20))
    """That a worker takes for one file beyond what it had before, and beyond 40 frames of it: the worker is ended, and
    the file `too_large`."""
    sidecar_bytes: int = field(default=SIDECAR_BYTES, metadata=OPERATIONAL | at_least(1))
    """Of a JSON file beside a video; a larger one is not read."""

    def __post_init__(self) -> None:
        check(self)


ORDINARY = FileBounds()
"""What holds where nobody sets anything."""


class WorkClock:
    """CPU time of this thread since it was made: neither a busy machine nor slow storage counts against a file."""

    def __init__(self, bounds: FileBounds) -> None:
        self._bounds = bounds
        self._began = time.thread_time()

    def check(self, video_seconds: float) -> None:
        """See that the work for this much video is within the bounds.

        Raises:
            MediaError: `too_slow`.
        """
        worked = time.thread_time() - self._began
        if worked > self._bounds.work_seconds + self._bounds.work_per_second * video_seconds:
            raise MediaError("too_slow", f"{worked:.0f} s of work for {video_seconds:.1f} s of video")
