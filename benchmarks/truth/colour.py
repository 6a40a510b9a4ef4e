"""The same picture as other systems of light and colour store it: for truth that no measure had a part in.

The formulas are those of ITU-R BT.2100 (PQ, tables 4 and 5; HLG with the system gamma 1.2 of 1000 cd/m2), written the
other way round than a player has them, and BT.2408's way of putting SDR into an HDR signal: its light on a BT.1886
screen whose white is 203 cd/m2.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722), "bt2020": (0.2627, 0.6780, 0.0593)}
SPACE_TAGS = {"bt601": 6, "bt709": 1, "bt2020": 9, None: 2}
TRANSFER_TAGS = {"sdr": 1, "pq": 16, "hlg": 18, None: 2}
BT709_IN_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Linear RGB (ITU-R BT.2087, 2.2)."""


def light_of_sdr(rgb: Floats) -> Floats:
    """cd/m2 in BT.2020 primaries of SDR R'G'B' (0-1), which stands for BT.709 on a screen of 203 cd/m2."""
    return np.asarray(203 * rgb**2.4 @ BT709_IN_BT2020.T)


def pq(nits: Floats) -> Floats:
    """The inverse EOTF of BT.2100, table 4: 0-1."""
    root = np.clip(nits / 10_000, 0, 1) ** (2610 / 16384)
    return np.asarray(((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32))


def hlg(nits: Floats) -> Floats:
    """The inverse OOTF and the OETF of BT.2100, table 5, on a display of 1000 cd/m2: 0-1."""
    light = nits / 1000
    luminance = light @ np.array(WEIGHTS["bt2020"])
    scene = np.clip(light * np.maximum(luminance, 1e-12)[..., None] ** (1 / 1.2 - 1), 0, 1)
    curved = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-12)) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), curved))


def coded(
    bgr: Image, *, transfer: str = "sdr", matrix: str = "bt709", bits: int = 8, full: bool = False
) -> list[Image]:
    """Y, Cb and Cr (chroma at half size) of a uint8 BGR picture (H, W, 3), as integers of `bits`."""
    rgb = bgr[..., ::-1] / 255.0
    if transfer != "sdr":
        rgb = {"pq": pq, "hlg": hlg}[transfer](light_of_sdr(rgb))
    red, green, blue = WEIGHTS[matrix]
    luma = rgb @ np.array([red, green, blue])
    chroma = [(rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red))]
    step, most = 1 << (bits - 8), (1 << bits) - 1
    half = [cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for plane in chroma]
    if full:
        levels = [luma * most, *(plane * most + 128 * step for plane in half)]
    else:
        levels = [(luma * 219 + 16) * step, *((plane * 224 + 128) * step for plane in half)]
    kind = np.uint8 if bits == 8 else np.uint16
    return [np.clip(np.rint(plane), 0, most).astype(kind) for plane in levels]


def write_coded(
    path: Path,
    pictures: Iterable[Image],
    *,
    transfer: str = "sdr",
    matrix: str = "bt709",
    tagged: bool = True,
    bits: int = 8,
    full: bool = False,
    codec: str = "ffv1",
    fps: Fraction = Fraction(24),
) -> Path:
    """A film of BGR pictures with even sides, in the container that the suffix names; without tags if not `tagged`."""
    with av.open(str(path), "w") as container:
        options = {"crf": "4", "preset": "ultrafast", "x265-params": "log-level=error"} if "26" in codec else {}
        stream = container.add_stream(codec, rate=fps, options=options)
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = "yuv420p" if bits == 8 else f"yuv420p{bits}le"
        context = stream.codec_context
        context.thread_count = 1
        context.color_range = 2 if full else 1
        if tagged:
            context.colorspace = SPACE_TAGS[matrix]
            context.color_primaries = 9 if matrix == "bt2020" else 1
            context.color_trc = TRANSFER_TAGS[transfer]
        for picture in pictures:
            planes = coded(picture, transfer=transfer, matrix=matrix, bits=bits, full=full)
            height, width = planes[0].shape
            if not context.is_open:
                stream.width, stream.height = width, height
            packed = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
            frame = av.VideoFrame.from_ndarray(packed, format=stream.pix_fmt)
            frame.colorspace, frame.color_range = context.colorspace, context.color_range
            frame.color_trc, frame.color_primaries = context.color_trc, context.color_primaries
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
