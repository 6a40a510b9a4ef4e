"""The records of the project: a source file, what its header says, and a clip, which is a pts span of a source.

Clips are virtual: no record here owns pixels or knows of a model. Scores live in manifest columns, named by scorer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
"""A row of one of the manifest's tables, by column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file as listed: nothing of it has been read yet."""

    uri: str
    """Absolute path or bucket URI."""
    size_bytes: int
    modified_ns: int
    """Modification time, ns since the epoch; with the size it tells a replaced file from a known one."""
    sidecar: str | None = None
    """Location of the JSON file beside it that says where it comes from."""


SpanKey = tuple[str, int, int, int, int]
"""uri, size in bytes, modification time in ns, index, count"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open stretch of a video on the file's clock; `end_seconds` None is the end of the file."""

    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What the container says of the video stream we use. Sizes are as displayed: rotation and pixel aspect applied."""

    source_id: str
    """Content id: hex digest of the file's bytes, so a renamed copy keeps it."""
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    """Clockwise turn in degrees (0, 90, 180, 270) that displays the coded picture upright."""
    fps: Fraction
    time_base: Fraction
    """Seconds per pts tick."""
    start_pts: int
    duration_seconds: float | None
    """None where the container does not say (some WebM and raw streams)."""
    has_audio: bool

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"{self.source_id}: display size {self.width}x{self.height}, both must be positive")
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"{self.source_id}: rotation {self.rotation}, allowed are 0, 90, 180, 270")
        if self.time_base <= 0 or self.fps <= 0:
            raise ValueError(f"{self.source_id}: time base {self.time_base} and fps {self.fps} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A half-open span [start_pts, end_pts) of one source's video stream, in ticks of `time_base` seconds."""

    source_id: str
    source_uri: str
    start_pts: int
    end_pts: int
    time_base: Fraction
    num_frames: int
    fps: Fraction
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.start_pts >= self.end_pts:
            raise ValueError(f"{self.source_uri!r}: empty span [{self.start_pts}, {self.end_pts})")
        if self.num_frames < 1:
            raise ValueError(f"{self.source_uri!r}: a clip of {self.num_frames} frames")

    @property
    def clip_id(self) -> str:
        """32 hex digits of blake2b over the source's content id and the span: equal bytes, equal clip ids."""
        key = f"{self.source_id}:{self.start_pts}:{self.end_pts}:{self.time_base}"
        return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()

    @property
    def start_seconds(self) -> float:
        """Presentation time of the first frame, as the file's own timestamps tell it."""
        return float(self.start_pts * self.time_base)

    @property
    def end_seconds(self) -> float:
        """Presentation time at which the last frame stops being shown."""
        return float(self.end_pts * self.time_base)

    @property
    def duration_seconds(self) -> float:
        """How long the clip plays."""
        return float((self.end_pts - self.start_pts) * self.time_base)
