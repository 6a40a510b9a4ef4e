"""How a frame's numbers become light: which matrix made its luma and chroma, which range, and what is no plain SDR.

Tags are believed where a frame has them. Without one, pictures of HD size are BT.709 and smaller ones BT.601, which is
what players and broadcasters assume (ITU-R BT.709 is the system of HD, BT.601 that of SD). What is not SDR with BT.709
or BT.601 primaries (PQ and HLG of ITU-R BT.2100, wide gamuts) goes through `preprocess.tone`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import av
import av.video
import numpy as np
import numpy.typing as npt

Matrix = Literal["bt601", "bt709"]
"""Of a picture that is SDR."""
Transfer = Literal["sdr", "pq", "hlg"]
Primaries = Literal["bt709", "bt2020", "p3"]

LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
"""Weights of R and B in luma; that of G is what is left (ITU-R BT.601, BT.709, BT.2020)."""
HD_LONG_SIDE, HD_SHORT_SIDE = 1280, 720
"""Coded pixels from which a picture without a tag is HD: one side suffices, since letterboxed film is 1280x536."""
_UNTAGGED = (0, 2)
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_MATRICES = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
"""AVCOL_SPC_*; FCC is nearest to BT.601, SMPTE 240M to BT.709; constant luminance (10) is shown as if it were not."""
_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}  # AVCOL_TRC_*
_PRIMARIES: dict[int, Primaries] = {9: "bt2020", 11: "p3", 12: "p3"}  # AVCOL_PRI_*; the others are near to BT.709's


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """What the numbers of a frame stand for."""

    matrix: str
    """A key of `LUMA_WEIGHTS`."""
    full_range: bool
    transfer: Transfer
    primaries: Primaries
    tagged: bool
    """Whether the file names the matrix."""

    @property
    def plain(self) -> Matrix | None:
        """The matrix of SDR that needs no more than that; None for what has to be tone-mapped."""
        if self.transfer != "sdr" or self.primaries != "bt709" or self.matrix == "bt2020":
            return None
        return "bt601" if self.matrix == "bt601" else "bt709"


def light_of(raw: av.VideoFrame) -> Light:
    """By the frame's tags and, where there are none, by its size."""
    return light_by_tags(
        raw.format.name, raw.width, raw.height, raw.colorspace, raw.color_range, raw.color_trc, raw.color_primaries
    )


@lru_cache(maxsize=64)
def light_by_tags(
    pixel_format: str, width: int, height: int, space: int, color_range: int, transfer: int, primaries: int
) -> Light:
    """The same by FFmpeg's numbers. RGB and palettes come to us as BT.601: `Shrunk` has them converted to that."""
    hd = max(width, height) >= HD_LONG_SIDE or min(width, height) >= HD_SHORT_SIDE
    hdr = transfer in _TRANSFERS
    untagged = "bt2020" if hdr else "bt709" if hd else "bt601"
    yuv = pixel_format.startswith(("yuv", "gray", "nv", "p0", "p2", "p4", "y2", "xv", "uyvy", "vuy", "ayuv", "ya"))
    return Light(
        matrix=_MATRICES.get(space, untagged) if yuv else "bt601",
        full_range=color_range == _FULL_RANGE or pixel_format.startswith("yuvj"),
        transfer=_TRANSFERS.get(transfer, "sdr"),
        tagged=space in _MATRICES or not yuv,
        primaries=_PRIMARIES.get(primaries, "bt2020" if hdr and primaries in _UNTAGGED else "bt709"),
    )


@lru_cache
def to_rgb(matrix: str) -> npt.NDArray[np.float32]:
    """(3, 4): R, G and B as sums of full-range Y, Cb, Cr (0-255, chroma around 128) and a constant."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    of_cb = np.array([0, -2 * (1 - blue) * blue / green, 2 * (1 - blue)])
    of_cr = np.array([2 * (1 - red), -2 * (1 - red) * red / green, 0])
    return np.stack([np.ones(3), of_cb, of_cr, -128 * (of_cb + of_cr)], axis=1).astype(np.float32)
