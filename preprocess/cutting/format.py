"""What a clip's file is to be like: frame rate, number of frames, size, codec. Pure arithmetic, nothing is opened here.

A file as it is, the default, keeps all that the source has. Anything that is asked for otherwise is a re-encode, with
square pixels and upright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from preprocess.clip import Clip
from preprocess.io.bounds import above, at_least, check, one_of, within

Codec = Literal["h264", "h265", "av1", "vp9", "ffv1"]
DEFAULT_CODEC: Codec = "h264"
EVEN = 2
"""Chroma has half the luma's size in what players take: sides of a file are even."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFormat:
    """What may be asked of the files. Nothing but the defaults leaves clips as they are."""

    fps: float | None = field(default=None, metadata=above(0))
    """Frames a second. Frame i is the one on screen i/fps after the clip's begin. None keeps all frames and their
    times."""
    frame_step: int | None = field(default=None, metadata=at_least(1))
    """k: the number of frames is k*n+1, as models with that stride in time take them. None takes any number."""
    min_frames: int | None = field(default=None, metadata=at_least(1))
    """Clips with fewer are left out."""
    max_frames: int | None = field(default=None, metadata=at_least(1))
    """Of longer clips, the first so many."""
    side_multiple: int = field(default=1, metadata=at_least(1))
    """Width and height are multiples of this, by cutting off as much on both sides."""
    max_area: int | None = field(default=None, metadata=at_least(256))
    """Pixels of a frame, at most; larger ones are reduced."""
    short_side: int | None = field(default=None, metadata=at_least(16))
    """Pixels of the shorter side, at most; larger ones are reduced, smaller ones never enlarged."""
    crop_bars: bool = False
    """Cut black bars off, by the manifest's `crop_left` and its neighbours."""
    codec: Codec | None = field(default=None, metadata=one_of(*get_args(Codec)))
    """None is `DEFAULT_CODEC` where something has to be encoded; a file as it is keeps the source's own."""
    crf: int | None = field(default=None, metadata=within("[0, 63]"))
    """Quality in the codec's own measure, less is better; None is one at which a difference is hard to see."""
    sound: bool = True
    """Whether the clip's sound comes along, as loud as it is."""

    def __post_init__(self) -> None:
        check(self)
        if self.min_frames is not None and self.max_frames is not None and self.min_frames > self.max_frames:
            raise ValueError(f"min_frames is {self.min_frames}, must be at most max_frames, {self.max_frames}")

    @property
    def rate(self) -> Fraction | None:
        """`fps`, exactly: 23.976 and 29.97 are 24000/1001 and 30000/1001."""
        if self.fps is None:
            return None
        ntsc = Fraction(round(self.fps * 1.001) * 1000, 1001)
        # 23.976 is off by 1 part in 40,000; 24 is off by 1 in 1000
        return ntsc if abs(ntsc / Fraction(self.fps) - 1) < 1e-4 else Fraction(self.fps).limit_denominator(1001)

    @property
    def suffix(self) -> str:
        """Of the files: MP4, or Matroska for what MP4 does not hold."""
        return ".mkv" if self.codec == "ffv1" else ".mp4"

    def name_of(self, clip_id: str) -> str:
        """Of a clip's file: its id, which is safe in every file system and bucket."""
        return f"{clip_id}{self.suffix}"

    @property
    def as_they_are(self) -> bool:
        """Whether nothing is asked for that a copy of the source's packets does not have."""
        return self == CutFormat()

    def num_frames(self, duration_seconds: float, fps: float) -> int | None:
        """How many frames the file of a clip has, whose own rate is `fps`; None where it is too short.

        A frame counts where the clip lasts for half of it or more: 5.03 s at 16 fps are 80 frames, 5.05 s are 81.
        """
        return self.limited(math.floor(duration_seconds * float(self.rate or fps) + 0.5))

    def frames_of(self, clip: Clip) -> int | None:
        """The same for a clip at hand: as it is, it has as many frames as were found."""
        if self.fps is None:
            return self.limited(clip.num_frames)
        return self.num_frames(clip.duration_seconds, float(clip.fps))

    def limited(self, available: int) -> int | None:
        """How many of so many frames are taken, from the first one on; None where there are too few."""
        count = min(available, self.max_frames or available)
        if self.frame_step is not None:
            count = (count - 1) // self.frame_step * self.frame_step + 1
        return None if count < max(1, self.min_frames or 1) else count

    def size(self, width: int, height: int) -> FileSize:
        """Of a picture in square pixels, upright and without its bars, the size of its file.

        Raises:
            ValueError: the picture is smaller than a multiple of the sides.
        """
        multiple = math.lcm(self.side_multiple, EVEN)
        scale = min(
            1.0,
            (self.short_side or min(width, height)) / min(width, height),
            math.sqrt((self.max_area or width * height) / (width * height)),
        )
        # 853 x 480 reduced to 480 is 853: rounding may make it larger by half a pixel, never by a multiple
        scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
        cut = (scaled[0] // multiple * multiple, scaled[1] // multiple * multiple)
        if min(cut) == 0:
            raise ValueError(f"{width}x{height} reduced to {scaled[0]}x{scaled[1]} is smaller than {multiple}")
        return FileSize(scaled_width=scaled[0], scaled_height=scaled[1], width=cut[0], height=cut[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSize:
    """A picture's size after it was reduced, and that of the middle of it which the file shows, in pixels."""

    scaled_width: int
    scaled_height: int
    width: int
    height: int
