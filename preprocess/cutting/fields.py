"""Frames woven of two fields become frames of one moment, that of the field which the file says comes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import av
import av.filter

from preprocess.decode import Frame


def unwoven(frames: Iterator[Frame]) -> Iterator[Frame]:
    """As many frames, with their times. FFmpeg's `bwdif` makes the other field's rows of the first one's and, where
    nothing moves, of those before and after."""
    waiting: list[Frame] = []
    graph: av.filter.Graph | None = None
    look: tuple[object, ...] = ()
    for frame in frames:
        raw = frame.raw
        now = (raw.width, raw.height, raw.format.name, raw.colorspace, raw.color_range)
        if graph is None or now != look:
            yield from _rest(graph, waiting)
            graph, look = _graph(raw), now
        waiting.append(frame)
        raw.pts = frame.pts
        graph.vpush(raw)
        yield from _ready(graph, waiting)
    yield from _rest(graph, waiting)


def _rest(graph: av.filter.Graph | None, waiting: list[Frame]) -> Iterator[Frame]:
    if graph is not None:
        graph.vpush(None)
        yield from _ready(graph, waiting)


def _ready(graph: av.filter.Graph, waiting: list[Frame]) -> Iterator[Frame]:
    """What the filter gives out, in the order in which it was taken in."""
    while waiting:
        try:
            raw = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield replace(waiting.pop(0), raw=raw)


def _graph(raw: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{raw.width}x{raw.height}",
        pix_fmt=raw.format.name,
        time_base="1/1000",
        pixel_aspect="1/1",
        colorspace=str(raw.colorspace),
        range=str(raw.color_range),
    )
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:parity=auto:deint=all"), graph.add("buffersink"))
    graph.configure()
    return graph
