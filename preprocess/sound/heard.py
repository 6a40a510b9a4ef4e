"""What a clip sounds like: its samples, from its first frame to the end of its last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import av
import numpy as np
from av.audio.resampler import AudioResampler

from preprocess.records import shapes_repr
from preprocess.sound.blocks import Samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """The samples of a clip's span, as long as it is. Where the source has no sound, they are 0."""

    samples: Samples
    """float32 (channels, n); 1 is full scale, which lossy codecs go beyond."""
    rate: int
    """Samples a second, as in the source."""
    layout: str
    """FFmpeg's name of the channels, such as `stereo` or `5.1`."""

    __repr__ = shapes_repr

    def mono(self, rate: int) -> Samples:
        """All channels as one, (n,), at another rate; none of a sound that is shorter than a sample there.

        Raises:
            av.error.FFmpegError, ValueError: it cannot be converted.
        """
        resampler = AudioResampler(format="fltp", layout="mono", rate=rate)
        converted = [*resampler.resample(self.frame(0, self.samples.shape[1])), *resampler.resample(None)]
        found: Samples = np.concatenate([np.zeros(0, np.float32), *(frame.to_ndarray()[0] for frame in converted)])
        return found

    def frame(self, start: int, end: int) -> av.AudioFrame:
        """Samples [start, end) for FFmpeg."""
        samples = np.ascontiguousarray(self.samples[:, start:end])
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, start, Fraction(1, self.rate)
        return frame


class ClipSound:
    """The sound of one clip. Nothing is decoded before somebody wants to hear it, which has to be while the clip is
    being measured: what is kept of the file goes on with the pictures."""

    def __init__(self, *, has_track: bool, offset_seconds: float | None, listen: Callable[[], Heard | None]) -> None:
        self.has_track = has_track
        """Whether the source has a track of sound at all."""
        self.offset_seconds = offset_seconds
        """By how much later than the pictures the sound of the source begins; None where the container does not say."""
        self._listen = listen

    @cached_property
    def heard(self) -> Heard | None:
        """None where there is no track, or nothing of it can be decoded."""
        return self._listen()
