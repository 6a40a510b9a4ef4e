"""Writes frames as a film that any player opens, or as a picture, and reads a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace
from PIL import Image, ImageSequence

FILM_SUFFIXES = (".mp4", ".mov", ".mkv")
PICTURE_SUFFIX = ".png"
PREVIEW_SIDE, PREVIEW_FRAMES = 256, 48
"""Most pixels of a preview's longer side, and most of its frames."""

_BT709 = 1
"""FFmpeg's number for the matrix, the primaries, the transfer and, by chance, for limited range."""

Frames = npt.NDArray[np.uint8]
"""RGB frames (N, H, W, 3)."""
Picture = npt.NDArray[np.uint8]
"""An RGB picture (H, W, 3)."""


def write_film(path: Path, frames_NHWC: Frames, *, fps: float, crf: int = 12) -> None:
    """Write RGB frames as H.264 in the container that the path's suffix names; the file appears whole or not at all.

    It is BT.709 and says so: without a tag players guess by the size, and not alike.

    Raises:
        ValueError: no frames, or sides that are not even, which 4:2:0 needs.
        OSError: the file cannot be written.
    """
    if frames_NHWC.ndim != 4 or not len(frames_NHWC) or any(side % 2 for side in frames_NHWC.shape[1:3]):
        raise ValueError(f"frames of shape {frames_NHWC.shape}: expected (N, H, W, 3) with even sides")
    temporary = path.with_name(f".part-{path.name}")
    temporary.touch()  # an error of FFmpeg's would not say which file cannot be written
    with av.open(str(temporary), "w") as container:
        rate = Fraction(fps).limit_denominator(1001)
        options = {"crf": str(crf), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.codec_context.thread_count = 1
        stream.height, stream.width, stream.pix_fmt = *frames_NHWC.shape[1:3], "yuv420p"
        coded = stream.codec_context
        coded.colorspace = coded.color_primaries = coded.color_trc = coded.color_range = _BT709
        for pixels in frames_NHWC:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)))
        container.mux(stream.encode())
    temporary.replace(path)


def read_film(path: Path) -> Frames:
    """The frames (N, H, W, 3) of a film that `write_film` wrote."""
    with av.open(str(path)) as container:
        decoded = (
            frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709) for frame in container.decode(video=0)
        )
        return np.stack([frame.to_ndarray() for frame in decoded])


def write_picture(path: Path, picture_HWC: Picture) -> None:
    """Write a PNG file; it appears whole or not at all."""
    temporary = path.with_name(f".part-{path.name}")
    temporary.write_bytes(bytes(cv2.imencode(PICTURE_SUFFIX, picture_HWC[..., ::-1])[1]))
    temporary.replace(path)


def write_preview(path: Path, frames_NHWC: Frames, *, fps: float) -> None:
    """Write frames (N, H, W, 3) as an animated WebP, small enough for a page; it appears whole or not at all."""
    shown = np.linspace(0, len(frames_NHWC) - 1, min(len(frames_NHWC), PREVIEW_FRAMES)).round().astype(int)
    size = np.array(frames_NHWC.shape[2:0:-1])
    small = tuple(np.maximum(1, size * min(1.0, PREVIEW_SIDE / size.max())).round().astype(int).tolist())
    pictures = [Image.fromarray(cv2.resize(frames_NHWC[n], small, interpolation=cv2.INTER_AREA)) for n in shown]
    milliseconds = round(1000 * len(frames_NHWC) / fps / len(shown))
    temporary = path.with_name(f".part-{path.name}")
    how = {"save_all": True, "append_images": pictures[1:], "duration": milliseconds, "loop": 0, "quality": 80}
    pictures[0].save(temporary, "WEBP", **how)
    temporary.replace(path)


def read_preview(path: Path) -> Frames:
    """The frames (N, H, W, 3) of a preview."""
    with Image.open(path) as preview:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(preview)])


def read_picture(path: Path) -> Picture:
    """A picture of any kind that OpenCV reads, upright, without transparency.

    Raises:
        OSError: there is no such file.
        ValueError: it holds no picture.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # an empty file, or more pixels than OpenCV allows
        pixels = None
    if pixels is None:
        raise ValueError(f"{path}: no picture that can be read; PNG, JPEG and WebP can")
    return np.ascontiguousarray(pixels[..., ::-1], dtype=np.uint8)
