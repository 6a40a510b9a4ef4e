"""How loud a clip is to the ear, as broadcasters measure it: EBU R128, ITU-R BS.1770-4, by FFmpeg's `ebur128`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import av
import av.filter

from filters.base import Heard, SoundScorer

ABSOLUTE_GATE_LUFS = -70.0
"""BS.1770-4: blocks of 0.4 s below are not counted. Where all are, the filter says so much."""
BLOCK_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class LoudnessScorer(SoundScorer):
    """`loudness`: integrated, weighted by frequency and channel, gated, of the clip alone."""

    name: ClassVar[str] = "loudness"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "loudness": (
            "LUFS",
            "integrated loudness of the clip by EBU R128: broadcasts have -23, streaming services about -14; null "
            "where it is silent or shorter than 0.4 s",
        )
    }
    timed: ClassVar[tuple[str, ...]] = ("loudness",)

    def score(self, heard: Heard) -> float | None:
        """What the filter says at the end."""
        if heard.samples.shape[1] < BLOCK_SECONDS * heard.rate:
            return None
        said = [frame.metadata["lavfi.r128.I"] for frame in _last_frames(heard) if "lavfi.r128.I" in frame.metadata]
        loudness = float(said[-1]) if said else ABSOLUTE_GATE_LUFS
        return loudness if loudness > ABSOLUTE_GATE_LUFS else None


def _last_frames(heard: Heard) -> Iterator[av.AudioFrame]:
    """The last tenths of a second with the filter's figures so far; one at the end that is shorter has none."""
    graph = av.filter.Graph()
    layout, rate = heard.layout, heard.rate
    begin = graph.add_abuffer(format="fltp", sample_rate=rate, layout=layout, time_base=Fraction(1, rate))
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    last = graph.add("atrim", f"start_sample={heard.samples.shape[1] - rate // 5}")  # all would cost a quarter more
    graph.link_nodes(begin, meter, last, graph.add("abuffersink")).configure()
    for start in range(0, heard.samples.shape[1], rate):
        graph.push(heard.frame(start, start + rate))
        yield from _waiting(graph)
    graph.push(None)
    yield from _waiting(graph)


def _waiting(graph: av.filter.Graph) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, av.AudioFrame):
            yield frame
