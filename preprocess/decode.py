"""Decode a span of one video once, in order, with repaired timestamps; shrink each frame while it is in the cache."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from types import TracebackType
from typing import Self

import av
import av.container
import av.video
import cv2
import numpy as np
import numpy.typing as npt

from preprocess.clip import Source, VideoInfo
from preprocess.errors import MediaError
from preprocess.frames import ANALYSIS_LONG_SIDE, PICTURE_LONG_SIDE, Picture, Plane
from preprocess.planes import halved, resized
from preprocess.probe import content_id, open_container, open_source, video_info, video_stream

SHOT_LONG_SIDE = 160
"""Frames for the shot detector are halved until they are at most this long."""

logging.getLogger("libav").setLevel(logging.CRITICAL)  # damage is counted and reported by us, not printed by ffmpeg

_Raw = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
_ROTATE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


@dataclass(slots=True)
class Damage:
    """What went wrong while decoding, counted instead of hidden."""

    decode_errors: int = 0
    error_pts: list[int] = field(default_factory=list)
    """Where errors struck: the pts of the frame decoded last before each, the first thousand of them."""

    def strike(self, pts: int) -> None:
        """Count one frame or packet that could not be decoded."""
        self.decode_errors += 1
        if len(self.error_pts) < 1000:
            self.error_pts.append(pts)


class Video:
    """One opened source. Use it as a context manager, and iterate `frames` once.

    Raises:
        MediaError: at opening, where the source is no video that can be decoded.
    """

    def __init__(self, source: Source, *, source_id: str | None = None) -> None:
        """`source_id`: the file's content id where it is known; finding it out reads up to 32 MiB."""
        self.source = source
        self.damage = Damage()
        self.num_frames = 0
        """Frames given out so far."""
        self._first_pts = 0
        self._end_pts = 0
        self._file = open_source(source)
        try:
            source_id = source_id or content_id(self._file)
            self._container = open_container(self._file)
        except BaseException:
            self._file.close()
            raise
        try:
            self._stream = video_stream(self._container)
            # One worker process runs on each core already; decoder threads would only fight over them.
            self._stream.codec_context.thread_count = 1
            self._decoded = self._decode()
            self._first = self._first_frame()
            rotation = round(-self._first.rotation / 90) * 90 % 360
            self.info: VideoInfo = video_info(self._container, self._stream, source_id, rotation)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the container and its file; leaked ones pin memory in long-running workers."""
        self._container.close()
        self._file.close()

    @property
    def first_seconds(self) -> Fraction:
        """When, on the file's clock, the first frame given out begins to be shown."""
        return self._first_pts * self.info.time_base

    @property
    def last_end_seconds(self) -> Fraction:
        """When, on the file's clock, the last frame given out stops being shown."""
        return self._end_pts * self.info.time_base

    def frames(self, start_seconds: float | None = None) -> Iterator[Frame]:
        """Every frame from `start_seconds` (the file's clock; None is the first frame) to the end, in display order.

        Each frame's pixels are valid only until the next one is asked for.
        """
        step = max(1, round(1 / self.info.fps / self.info.time_base))
        start_pts = None if start_seconds is None else math.ceil(Fraction(start_seconds) / self.info.time_base)
        last: int | None = None
        for raw in self._from(start_seconds):
            pts = raw.pts if raw.pts is not None else raw.dts
            if pts is None or (last is not None and pts <= last):
                # AVI and raw streams carry no pts; a jump back would give clips of negative length
                pts = 0 if last is None else last + step
            last = pts
            end_pts = pts + (raw.duration if raw.duration else step)
            if start_pts is None or pts >= start_pts:  # integers: fractions would cost 0.05 ms a frame
                if self.num_frames == 0:
                    self._first_pts = pts
                self.num_frames += 1
                self._end_pts = end_pts
                yield Frame(raw=raw, pts=pts, end_pts=end_pts, info=self.info)

    def _first_frame(self) -> av.VideoFrame:
        first = next(self._decoded, None)
        if first is None:
            raise MediaError("no_frames", f"{self.damage.decode_errors} packets could not be decoded")
        return first

    def _from(self, start_seconds: float | None) -> Iterator[av.VideoFrame]:
        if start_seconds is not None and start_seconds > (self._first.pts or 0) * self.info.time_base:
            target = int(Fraction(start_seconds) / self.info.time_base)
            for back_seconds in (0, 10):  # some indices point past the key frame that is needed
                self._container.seek(max(0, target - int(back_seconds / self.info.time_base)), stream=self._stream)
                decoded = self._decode()
                landed = next(decoded, None)
                if landed is not None and (landed.pts if landed.pts is not None else target) <= target:
                    yield landed
                    yield from decoded
                    return
            self._container.seek(0, stream=self._stream)
            yield from self._decode()
            return
        yield self._first
        yield from self._decoded

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Frames of the stream; what cannot be decoded is counted and skipped."""
        packets = self._container.demux(self._stream)
        last_pts = 0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                if _is_machine_failure(error):
                    raise
                self.damage.strike(last_pts)  # the file ends in the middle of something
                return
            try:
                for frame in packet.decode():
                    last_pts = frame.pts if frame.pts is not None else last_pts
                    if frame.is_corrupt:
                        self.damage.strike(last_pts)
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                if _is_machine_failure(error):
                    raise
                self.damage.strike(last_pts)


def _is_machine_failure(error: av.error.FFmpegError) -> bool:
    """Memory and input/output failures are the machine's; all else that ffmpeg raises is about the file."""
    return isinstance(error, MemoryError | TimeoutError | ConnectionError | PermissionError) or error.errno == 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded frame and the sizes it can be had in."""

    raw: av.VideoFrame
    pts: int
    end_pts: int
    info: VideoInfo

    def shrink(self) -> Shrunk:
        """Read the full planes once and keep what the pass needs."""
        return Shrunk(self.raw, self.info)


class Shrunk:
    """A frame as pyramids of its planes, each level half as large. Halving by area is the one reduction that costs
    less than decoding (0.1 ms a 720p frame; a direct 5:1 area reduction takes 0.4 ms, decoding about 2)."""

    def __init__(self, raw: av.VideoFrame, info: VideoInfo) -> None:
        self._info = info
        luma, cb, cr, self._shift = _planes(raw)
        full_range = raw.color_range == _FULL_RANGE or raw.format.name.startswith("yuvj")
        self._luma_levels = [luma]
        self._chroma = (cb, cr)
        self._limited_range = not full_range

    def shot_frame(self) -> npt.NDArray[np.uint8]:
        """uint8 (h, w, 3) full-range YCbCr, long side at most `SHOT_LONG_SIDE`, as coded (not rotated)."""
        luma = self._luma_levels[0]
        if min(luma.shape) >= 4 * SHOT_LONG_SIDE:
            # Every second row of a large plane is enough for a picture of 160 pixels, and reading memory is what costs.
            luma = halved(halved(luma[::2]))
            luma = cv2.resize(luma, (luma.shape[1] // 2, luma.shape[0]), interpolation=cv2.INTER_LINEAR)
        while max(luma.shape) > SHOT_LONG_SIDE and min(luma.shape) >= 2:
            luma = halved(luma)
        size = (luma.shape[1], luma.shape[0])
        # chroma is smooth: one linear step hardly aliases
        cb, cr = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in self._chroma)
        return self._to_8_bit(cv2.merge((luma, cb, cr)), _YCBCR_TO_FULL)

    def analysis_luma(self) -> Plane:
        """`Sample.luma`: uint8, upright, pixel aspect applied, long side `ANALYSIS_LONG_SIDE` or the video's own."""
        width, height = self._size(ANALYSIS_LONG_SIDE)
        level = self._luma_at(2 * max(width, height) - 1)
        return self._upright(self._to_8_bit(resized(level, width, height), _LUMA_TO_FULL))

    def picture(self) -> Picture:
        """`Sample.picture`: the frame in colour, upright, long side at most `PICTURE_LONG_SIDE`."""
        width, height = self._size(PICTURE_LONG_SIDE)
        y = resized(self._luma_at(2 * max(width, height) - 1), width, height)
        half = ((width + 1) // 2, (height + 1) // 2)
        cb, cr = (self._upright(self._to_8_bit(resized(plane, *half), _CHROMA_TO_FULL)) for plane in self._chroma)
        return Picture(y=self._upright(self._to_8_bit(y, _LUMA_TO_FULL)), cb=cb, cr=cr)

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
        if self._shift:
            plane = np.minimum(plane >> self._shift, 255)
        eight = plane.astype(np.uint8, copy=False)
        return cv2.LUT(eight, to_full_range) if self._limited_range else eight

    def _upright(self, plane: Plane) -> Plane:
        if self._info.rotation:
            turned: Plane = cv2.rotate(plane, _ROTATE[self._info.rotation])
            return turned
        return plane if plane.flags.owndata else plane.copy()  # a view of the decoder's memory must not be kept


_LEVELS = np.arange(256, dtype=np.float64)
# ITU-R BT.601/709: luma 16-235 and chroma 16-240 in limited range
_LUMA_TO_FULL = np.clip(np.rint((_LEVELS - 16) * 255 / 219), 0, 255).astype(np.uint8)
_CHROMA_TO_FULL = np.clip(np.rint((_LEVELS - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)
_YCBCR_TO_FULL = np.stack([_LUMA_TO_FULL, _CHROMA_TO_FULL, _CHROMA_TO_FULL], axis=-1)[None]


def _planes(raw: av.VideoFrame) -> tuple[_Raw, _Raw, _Raw, int]:
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
