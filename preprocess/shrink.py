"""One decoded frame in the sizes that the pass needs, its planes halved while they are in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import av.video
import cv2
import numpy as np
import numpy.typing as npt

from preprocess.clip import VideoInfo
from preprocess.detail import TILE, Detail, chosen_tiles
from preprocess.fields import is_combed
from preprocess.frames import ANALYSIS_LONG_SIDE, PICTURE_LONG_SIDE, Picture, Plane
from preprocess.light import Light, light_of
from preprocess.planes import halved, resized
from preprocess.tone import toned

SHOT_LONG_SIDE = 160
"""Frames for the shot detector are halved until they are at most this long."""

_Raw = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
_ROTATE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlanes:
    """A frame in the shot detector's size, as it is coded. Its planes are read while it is at hand; what is left to do
    is done for many frames at once: between two decoded frames each function's code is cold."""

    luma: _Raw
    cb: _Raw
    cr: _Raw
    light: Light
    shift: int
    """Bits above 8."""

    def ycbcr(self) -> Plane:
        """uint8 (h, w, 3) full-range YCbCr, long side at most `SHOT_LONG_SIDE`, as coded (not rotated)."""
        if self.light.plain is None:
            return toned(self.luma, self.cb, self.cr, self.light, 8 + self.shift, "ycbcr")
        to_full = ((self.luma, _LUMA_TO_FULL), (self.cb, _CHROMA_TO_FULL), (self.cr, _CHROMA_TO_FULL))
        planes = [_to_8_bit(plane, self.shift, None if self.light.full_range else table) for plane, table in to_full]
        merged: Plane = cv2.merge(planes)
        return merged


class Shrunk:
    """A frame as pyramids of its planes, each level half as large. Halving by area is the one reduction that costs
    less than decoding (0.1 ms a 720p frame; a direct 5:1 area reduction takes 0.4 ms, decoding about 2)."""

    def __init__(self, raw: av.VideoFrame, info: VideoInfo) -> None:
        self._info = info
        luma, cb, cr, self._shift = planes_of(raw)
        self._luma_levels = [luma]
        self._chroma = (cb, cr)
        self._light = light_of(raw)
        self._plain = self._light.plain
        self._limited_range = not self._light.full_range
        self._flagged = bool(raw.interlaced_frame)

    def unweave(self) -> bool:
        """Whether the frame's two fields show two moments; what is asked for from now on is then of the first field.

        Looking for combs takes 0.1 to 0.3 ms: it is for the frames that are measured.
        """
        luma = self._luma_levels[0]
        woven = is_combed(luma, bits=8 + self._shift, flagged=self._flagged)
        if woven:
            self._luma_levels = [luma[::2]]
            self._chroma = (self._chroma[0][::2], self._chroma[1][::2])
        return woven

    def shot_planes(self) -> ShotPlanes:
        """What the shot detector is shown."""
        luma = self._luma_levels[0]
        if min(luma.shape) >= 4 * SHOT_LONG_SIDE:
            # Every second row of a large plane is enough for a picture of 160 pixels, and reading memory is what costs.
            luma = halved(halved(luma[::2]))
            luma = cv2.resize(luma, (luma.shape[1] // 2, luma.shape[0]), interpolation=cv2.INTER_LINEAR)
        while max(luma.shape) > SHOT_LONG_SIDE and min(luma.shape) >= 2:
            luma = halved(luma)
        luma = luma if luma.flags.owndata else luma.copy()
        size = (luma.shape[1], luma.shape[0])
        # chroma is smooth: one linear step hardly aliases
        cb, cr = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in self._chroma)
        return ShotPlanes(luma=luma, cb=cb, cr=cr, light=self._light, shift=self._shift)

    def analysis_luma(self) -> Plane:
        """`Sample.luma`: uint8, upright, pixel aspect applied, long side `ANALYSIS_LONG_SIDE` or the video's own."""
        width, height = self._size(ANALYSIS_LONG_SIDE)
        luma = self._luma(width, height)
        if self._plain is None:
            return self._upright(np.ascontiguousarray(self._toned(luma)[..., 0]))
        return self._upright(self._to_8_bit(luma, _LUMA_TO_FULL))

    def picture(self) -> Picture:
        """`Sample.picture`: the frame in colour, upright, long side at most `PICTURE_LONG_SIDE`."""
        width, height = self._size(PICTURE_LONG_SIDE)
        y = self._luma(width, height)
        half = ((width + 1) // 2, (height + 1) // 2)
        if self._plain is None:
            shown = self._toned(y)
            y, cb, cr = (np.ascontiguousarray(shown[..., channel]) for channel in range(3))
            cb, cr = (self._upright(cv2.resize(plane, half, interpolation=cv2.INTER_AREA)) for plane in (cb, cr))
            return Picture(y=self._upright(y), cb=cb, cr=cr, matrix="bt709")
        cb, cr = (self._upright(self._to_8_bit(resized(plane, *half), _CHROMA_TO_FULL)) for plane in self._chroma)
        return Picture(y=self._upright(self._to_8_bit(y, _LUMA_TO_FULL)), cb=cb, cr=cr, matrix=self._plain)

    def _luma(self, width: int, height: int) -> _Raw:
        """In an exact size, with the coded levels."""
        return resized(self._luma_at(2 * max(width, height) - 1), width, height)

    def _toned(self, luma: _Raw) -> npt.NDArray[np.uint8]:
        """(h, w, 3) full-range BT.709 YCbCr of luma in its final size."""
        cb, cr = (resized(plane, luma.shape[1], luma.shape[0]) for plane in self._chroma)
        return toned(luma, cb, cr, self._light, 8 + self._shift, "ycbcr")

    def detail(self) -> Detail:
        """`Sample.detail`: parts of the frame as it was stored. About 0.15 ms at 720p."""
        half = self._luma_at(max(self._luma_levels[0].shape) - 1)
        tiles, sharpest = chosen_tiles(self._luma_levels[0], half)
        flat = self._to_8_bit(tiles.reshape(-1, TILE), _LUMA_TO_FULL) if len(tiles) else tiles
        return Detail(tiles=flat.reshape(-1, TILE, TILE).astype(np.uint8, copy=False), sharpest=sharpest)

    def _size(self, long_side: int) -> tuple[int, int]:
        """Width and height before the upright turn, pixel aspect applied, never larger than displayed."""
        width, height = self._info.width, self._info.height
        if self._info.rotation in (90, 270):
            width, height = height, width
        scale = min(1.0, long_side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _luma_at(self, long_side: int) -> _Raw:
        """The largest pyramid level that is at most `long_side` long."""
        for level in self._luma_levels:
            if max(level.shape) <= long_side:
                return level
        while max(self._luma_levels[-1].shape) > long_side and min(self._luma_levels[-1].shape) >= 2:
            self._luma_levels.append(halved(self._luma_levels[-1]))
        return self._luma_levels[-1]

    def _to_8_bit(self, plane: _Raw, to_full_range: Plane) -> Plane:
        return _to_8_bit(plane, self._shift, to_full_range if self._limited_range else None)

    def _upright(self, plane: Plane) -> Plane:
        if self._info.rotation:
            turned: Plane = cv2.rotate(plane, _ROTATE[self._info.rotation])
            return turned
        return plane if plane.flags.owndata else plane.copy()  # a view of the decoder's memory must not be kept


_LEVELS = np.arange(256, dtype=np.float64)
# ITU-R BT.601/709: luma 16-235 and chroma 16-240 in limited range
_LUMA_TO_FULL = np.clip(np.rint((_LEVELS - 16) * 255 / 219), 0, 255).astype(np.uint8)
_CHROMA_TO_FULL = np.clip(np.rint((_LEVELS - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)


def _to_8_bit(plane: _Raw, shift: int, table: Plane | None) -> Plane:
    """A plane with `shift` bits more than 8, and its numbers as those of `table`."""
    if shift:
        plane = np.minimum(plane >> shift, 255)
    eight = plane.astype(np.uint8, copy=False)
    return eight if table is None else cv2.LUT(eight, table)


def planes_of(raw: av.VideoFrame) -> tuple[_Raw, _Raw, _Raw, int]:
    """Luma, Cb and Cr as views of the decoder's own memory where its layout allows, and the bits above 8."""
    bits = _planar_bits(raw.format.name)
    planes = raw.planes
    if bits is None or planes[0].line_size <= 0:
        raw = raw.reformat(format="yuv420p")
        planes, bits = raw.planes, 8
    luma = _view(planes[0], bits)
    if len(planes) < 3:  # gray, with or without alpha
        neutral = np.full((max(1, raw.height // 2), max(1, raw.width // 2)), 128 << (bits - 8), dtype=luma.dtype)
        return luma, neutral, neutral, bits - 8
    return luma, _view(planes[1], bits), _view(planes[2], bits), bits - 8


@lru_cache
def _planar_bits(pixel_format: str) -> int | None:
    """Bits per sample of a pixel format whose planes can be read where they lie; None for other formats."""
    layout = av.VideoFormat(pixel_format)
    planar = layout.is_planar and not layout.is_rgb and pixel_format.startswith(("yuv", "gray"))
    bits = layout.components[0].bits
    return bits if planar and not layout.is_big_endian and 8 <= bits <= 16 else None


def _view(plane: av.video.plane.VideoPlane, bits: int) -> _Raw:
    buffer = memoryview(plane)
    memory: _Raw = np.frombuffer(buffer, np.uint8) if bits == 8 else np.frombuffer(buffer, np.uint16)
    row = plane.line_size // memory.itemsize
    return memory[: row * plane.height].reshape(plane.height, row)[:, : plane.width]
