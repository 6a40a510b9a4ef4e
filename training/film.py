"""Writes frames as a film that any player opens."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""RGB frames (N, H, W, 3)."""


def write_film(path: Path, frames_NHWC: Frames, *, fps: float, crf: int = 12) -> None:
    """Write RGB frames as H.264 in the container that the path's suffix names; the file appears whole or not at all.

    Raises:
        ValueError: no frames, or sides that are not even, which 4:2:0 needs.
    """
    if frames_NHWC.ndim != 4 or not len(frames_NHWC) or any(side % 2 for side in frames_NHWC.shape[1:3]):
        raise ValueError(f"frames of shape {frames_NHWC.shape}: expected (N, H, W, 3) with even sides")
    temporary = path.with_name(f".part-{path.name}")
    with av.open(str(temporary), "w") as container:
        rate = Fraction(fps).limit_denominator(1001)
        options = {"crf": str(crf), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.codec_context.thread_count = 1
        stream.height, stream.width, stream.pix_fmt = *frames_NHWC.shape[1:3], "yuv420p"
        for pixels in frames_NHWC:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode())
    temporary.replace(path)
