"""The sound of a span, sample by sample on the clock of its pictures: what is missing is silence, loudness stays."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction

import av
import av.audio
import av.container
import numpy as np

from preprocess.clip import Source
from preprocess.probe import open_container, open_source
from preprocess.pulse import PULSE
from preprocess.sound.blocks import Block, Samples, contiguous, decoded

BEFORE_SECONDS = 1
"""Decoding starts so much earlier: codecs of sound overlap their blocks, and some containers seek to pictures."""


CHANNEL_BITS = 96_000
"""A second, of AAC, a channel."""
AAC_RATES = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350})
"""Samples a second that it takes (ISO/IEC 14496-3, table 1.18); others become `USUAL_RATE`."""
USUAL_RATE = 48000


class Sound:
    """Of a span: samples that begin where the span does, without gaps or overlaps, to be taken bit by bit."""

    def __init__(self, *, rate: int, layout: str, blocks: Generator[Samples, None, None]) -> None:
        """`rate`: samples a second, as in the source."""
        self.rate, self.layout = rate, layout
        self._blocks = blocks
        self._waiting: list[Samples] = []
        self._given = 0

    def stream_in(self, out: av.container.OutputContainer, codec: str) -> av.audio.AudioStream:
        """A stream of a file under way that encodes it, at its own rate where the codec takes that."""
        rate = self.rate if codec != "aac" or self.rate in AAC_RATES else USUAL_RATE
        stream = out.add_stream(codec, rate=rate, layout=self.layout)
        assert isinstance(stream, av.audio.AudioStream)
        if codec == "aac":
            stream.bit_rate = CHANNEL_BITS * stream.codec_context.channels
        return stream

    def until(self, seconds: Fraction) -> av.AudioFrame | None:
        """What has not been taken yet of the sound before a time, since the span's begin; None where that is nothing.

        Raises:
            OSError: the source's storage failed.
        """
        wanted = round(seconds * self.rate) - self._given
        while sum(each.shape[1] for each in self._waiting) < wanted:
            block = next(self._blocks, None)
            if block is None:
                break
            self._waiting.append(block)
        if wanted <= 0 or not self._waiting:
            return None
        samples = np.concatenate(self._waiting, axis=1)
        taken, self._waiting = samples[:, :wanted], [samples[:, wanted:]]
        if not taken.shape[1]:
            return None
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(taken), format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._given, Fraction(1, self.rate)
        self._given += taken.shape[1]
        return frame

    def close(self) -> None:
        """Close the source."""
        self._blocks.close()


def span_sound(source: Source, start: Fraction, end: Fraction) -> Sound | None:
    """The sound between two times of the file's clock, in seconds; None where there is none within. To be closed.

    Raises:
        MediaError, OSError: the file cannot be opened.
    """
    blocks = _blocks(source, start)
    first = next(blocks, None)
    if first is None or first.seconds >= end:
        blocks.close()
        return None
    total = round((end - start) * first.rate)
    return Sound(rate=first.rate, layout=first.layout, blocks=contiguous(first, blocks, start, total))


def _blocks(source: Source, start: Fraction) -> Generator[Block, None, None]:
    """What is to be heard from `start` on, and perhaps a little before."""
    with open_source(source) as file:
        for from_begin in (False, True):
            with open_container(file) as container:
                stream = container.streams.best("audio")
                if not isinstance(stream, av.audio.AudioStream) or not _sought(
                    container, stream, start, from_begin=from_begin
                ):
                    continue
                heard = decoded(_packets(container, stream), start)
                first = next(heard, None)
                # one that lands behind the place has lost something, unless the file's sound begins there
                if first is not None and (from_begin or first.seconds <= start):
                    yield first
                    yield from heard
                    return
            file.seek(0)


def _sought(
    container: av.container.InputContainer, stream: av.audio.AudioStream, start: Fraction, *, from_begin: bool
) -> bool:
    if from_begin or not stream.time_base:
        return from_begin
    try:
        container.seek(int((start - BEFORE_SECONDS) / stream.time_base), stream=stream)
    except av.error.FFmpegError:  # there is no index, or it is broken
        return False
    return True


def _packets(
    container: av.container.InputContainer, stream: av.audio.AudioStream
) -> Iterator[av.Packet[av.audio.AudioStream]]:
    packets = container.demux(stream)
    while True:
        PULSE.beats += 1
        try:
            yield next(packets)
        except (StopIteration, IndexError, av.error.FFmpegError):
            return
