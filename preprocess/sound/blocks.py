"""Sound as it is decoded, and as samples that follow each other without gaps, on the clock of a file."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

SLACK_SECONDS = 1 / 200
"""Times of sound may be off by this much from where the samples before end: they follow those, without a seam."""
_LAYOUTS = frozenset({"mono", "stereo", "3.0", "4.0", "5.0", "5.0(side)", "5.1", "5.1(side)", "7.1"})
"""What AAC's encoder takes; others become stereo."""

Samples = npt.NDArray[np.float32]
"""(channels, n)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Samples as they are decoded."""

    seconds: float
    rate: int
    layout: str
    samples: Samples


def contiguous(
    first: Block, blocks: Generator[Block, None, None], start: Fraction, total: int
) -> Generator[Samples, None, None]:
    """Exactly `total` samples from `start` on."""
    rate, channels, begin = first.rate, first.samples.shape[0], float(start)
    written = 0
    expected: int | None = None
    with closing(blocks):
        for block in itertools.chain((first,), blocks):
            at = round((block.seconds - begin) * rate)
            if expected is not None and abs(at - expected) <= SLACK_SECONDS * rate:
                at = expected
            expected = at + block.samples.shape[1]
            if at >= total:
                break
            if expected > written:
                yield from _silence(channels, at - written, rate)
                written = max(written, at)
                samples = block.samples[:, written - at : total - at]
                yield samples
                written += samples.shape[1]
    yield from _silence(channels, total - written, rate)


def _silence(channels: int, count: int, rate: int) -> Iterator[Samples]:
    """So many samples, a second at a time."""
    while count > 0:
        yield np.zeros((channels, min(count, rate)), np.float32)
        count -= rate


def decoded(packets: Iterable[av.Packet[av.audio.AudioStream]], start: Fraction) -> Generator[Block, None, None]:
    """Blocks of about a second, in the rate and the channels of the first frame, shorter before a gap.

    What cannot be decoded is passed over, as are frames that end before `start`.
    """
    gathered: _Gathered | None = None
    begin = float(start)
    for frame, seconds in _frames(packets):
        if gathered is None:
            if seconds + frame.samples / frame.sample_rate <= begin:
                continue
            gathered = _Gathered(frame.sample_rate, _layout(frame.layout))
        yield from gathered.take(frame, seconds)
    if gathered is not None:
        yield from gathered.given()


def _layout(layout: av.AudioLayout) -> str:
    """AVI says how many channels there are, and not which."""
    return layout.name if layout.name in _LAYOUTS else "mono" if layout.nb_channels == 1 else "stereo"


def _frames(packets: Iterable[av.Packet[av.audio.AudioStream]]) -> Iterator[tuple[av.AudioFrame, float]]:
    """Those that have a time, in seconds."""
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            if frame.pts is not None and frame.time_base and frame.sample_rate:
                yield frame, frame.pts / frame.time_base.denominator * frame.time_base.numerator


class _Gathered:
    """Frames that follow each other, to be one block: each by itself costs more to convert than to decode."""

    def __init__(self, rate: int, layout: str) -> None:
        self._rate, self._layout = rate, layout
        self._resampler = self._anew()
        self._fifo = AudioFifo()
        self._seconds = self._end = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be given."""
        return self._fifo.samples == 0

    def take(self, frame: av.AudioFrame, seconds: float) -> Iterator[Block]:
        """Add a frame; the block that is complete with it, or before it."""
        if not self.is_empty and abs(seconds - self._end) > SLACK_SECONDS:
            yield from self.given()
        if self.is_empty:
            self._seconds = self._end = seconds
        try:
            converted = self._resampler.resample(frame)
        except ValueError:  # of another kind than before
            self._resampler = self._anew()
            converted = self._resampler.resample(frame)
        for each in converted:
            each.pts = None
            self._end += each.samples / self._rate
            self._fifo.write(each)
        if self._fifo.samples >= self._rate:
            yield from self.given()

    def given(self) -> Iterator[Block]:
        """What waits."""
        frame = self._fifo.read()
        if frame is not None:
            samples = cast(Samples, frame.to_ndarray())
            yield Block(seconds=self._seconds, rate=self._rate, layout=self._layout, samples=samples)

    def _anew(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
