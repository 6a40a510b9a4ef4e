"""Films encoded anew, one kind of file a row: what can be left undecoded hangs on the codec and on its groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import av.video

from preprocess.sources import list_sources

ROWS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "x264-gop48": ("libx264", "mp4", {"preset": "medium", "crf": "23", "g": "48", "bf": "2"}),
    "x265": ("libx265", "mp4", {"preset": "fast", "crf": "26", "x265-params": "log-level=error"}),
    "av1": ("libsvtav1", "mp4", {"preset": "9", "crf": "35"}),
    "vp9": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "5", "b": "3M"}),
    "camera": ("libx264", "mp4", {"preset": "ultrafast", "crf": "20", "g": "30", "bf": "0"}),
}
"""Encoder, container and options."""


def encode(source: str, row: str, folder: Path) -> None:
    """Write the pictures of all videos of a folder to another one."""
    encoder, suffix, options = ROWS[row]
    for one in list_sources(source).sources:
        path = folder / f"{Path(one.uri).stem}.{suffix}"
        with av.open(one.uri) as read, av.open(str(path), "w") as written:
            pictures = read.streams.video[0]
            stream = written.add_stream(encoder, rate=pictures.average_rate, options=dict(options))
            assert isinstance(stream, av.video.VideoStream)
            stream.width, stream.height = pictures.codec_context.width, pictures.codec_context.height
            stream.pix_fmt = "yuv420p"
            for frame in read.decode(pictures):
                frame.pict_type = 0  # the encoder chooses
                written.mux(stream.encode(frame))
            written.mux(stream.encode(None))
