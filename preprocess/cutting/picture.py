"""A decoded frame as its file shows it: square pixels, upright, without bars, in the size and the colours wanted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import av.filter
import av.video
from av.codec.codec import Codec, find_best_pix_fmt_of_list
from av.video.frame import PictureType

from preprocess.cutting.format import DEFAULT_CODEC, CutFormat, FileSize
from preprocess.decode import Frame
from preprocess.errors import MediaError
from preprocess.light import light_of
from preprocess.rgb import rgb_of

Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a half-open box, in displayed pixels."""

ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9", "ffv1": "ffv1"}
PLAIN = "yuv420p"
"""What every reader takes: 8 bits, limited range, chroma of half the size."""
_LIMITED = 1  # AVCOL_RANGE_MPEG
_SCALE = "bicubic+accurate_rnd+full_chroma_int"
_TURNS = {90: ("transpose", "clock"), 180: ("hflip", ""), 270: ("transpose", "cclock")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """How a file says what its numbers mean: FFmpeg's AVCOL_* numbers."""

    matrix: int
    range: int
    transfer: int
    primaries: int


_TAGS_OF = {
    "bt709": Tags(matrix=1, range=_LIMITED, transfer=1, primaries=1),
    "bt601": Tags(matrix=6, range=_LIMITED, transfer=6, primaries=6),
}
_SCALER_NAMES = {"bt709": "bt709", "bt601": "smpte170m"}


class Pictures:
    """Makes the frames of one clip's file."""

    def __init__(self, form: CutFormat, first: Frame, box: Box | None) -> None:
        """`first` decides how all of them are encoded; `box` is what is left of the picture without its bars.

        Raises:
            MediaError: pictures are smaller than the format's multiple of sides.
        """
        self.encoder = ENCODERS[form.codec or DEFAULT_CODEC]
        """FFmpeg's name of it."""
        self._box = _even(box) if form.crop_bars and box is not None else None
        width, height = first.info.width, first.info.height
        if self._box is not None:
            width, height = self._box[2] - self._box[0], self._box[3] - self._box[1]
        try:
            self.size = form.size(width, height)
        except ValueError as error:
            raise MediaError("too_small", str(error)) from error
        light = light_of(first.raw)
        layout = av.VideoFormat(first.raw.format.name)
        self._keeps = form.as_they_are and not (layout.is_rgb or layout.has_palette)
        self.interlaced = self._keeps and bool(first.raw.interlaced_frame) and not first.info.rotation
        if self._keeps:
            self.pixel_format = _kept_format(self.encoder, first.raw.format.name)
            raw = first.raw
            self.tags = Tags(
                matrix=raw.colorspace, range=raw.color_range, transfer=raw.color_trc, primaries=raw.color_primaries
            )
        else:
            self.pixel_format = PLAIN
            self.tags = _TAGS_OF[light.plain or "bt709"]
        self._graphs: dict[tuple[object, ...], av.filter.Graph] = {}

    def of(self, frame: Frame, pts: int, time_base: Fraction) -> av.VideoFrame:
        """The frame to be encoded, with its time."""
        raw = frame.raw
        light = light_of(raw)
        toned = not self._keeps and light.plain is None
        if toned:
            raw = av.VideoFrame.from_ndarray(rgb_of(raw), format="rgb24")
        key = (raw.width, raw.height, raw.format.name, frame.info, raw.colorspace, raw.color_range)
        if key not in self._graphs:
            self._graphs[key] = self._graph(raw, frame, "rgb" if toned else light.plain)
        graph = self._graphs[key]
        raw.pts, raw.time_base = pts, time_base
        graph.vpush(raw)
        shown = graph.vpull()
        shown.pts, shown.time_base = pts, time_base
        shown.pict_type = PictureType.NONE  # else the encoder would follow the source's
        return shown

    def _graph(self, raw: av.VideoFrame, frame: Frame, matrix: str | None) -> av.filter.Graph:
        graph = av.filter.Graph()
        chain = [
            graph.add(
                "buffer",
                video_size=f"{raw.width}x{raw.height}",
                pix_fmt=raw.format.name,
                time_base="1/1000",
                pixel_aspect="1/1",
                colorspace=str(raw.colorspace),
                range=str(raw.color_range),
            )
        ]
        chain += [graph.add(name, arguments or None) for name, arguments in self._steps(raw, frame, matrix)]
        chain.append(graph.add("buffersink"))
        graph.link_nodes(*chain).configure()
        return graph

    def _steps(self, raw: av.VideoFrame, frame: Frame, matrix: str | None) -> Iterable[tuple[str, str]]:
        """Filters of libavfilter with their arguments."""
        info, size = frame.info, self.size
        square = (info.height, info.width) if info.rotation in (90, 270) else (info.width, info.height)
        if square != (raw.width, raw.height):
            yield "scale", f"{square[0]}:{square[1]}:flags={_SCALE}"
        if info.rotation:
            yield _TURNS[info.rotation]
            if info.rotation == 180:
                yield "vflip", ""
        if self._box is not None:
            left, top, right, bottom = self._box
            yield "crop", f"{right - left}:{bottom - top}:{left}:{top}"
        yield from _to_size(size, self._colours(matrix), always=not self._keeps)
        yield "format", self.pixel_format

    def _colours(self, matrix: str | None) -> str:
        """How the scaler is to change colours."""
        if self._keeps:
            return ""
        to = _SCALER_NAMES["bt709" if matrix in ("rgb", None) else str(matrix)]
        source = "" if matrix == "rgb" else f":in_color_matrix={to}"
        return f"{source}:out_color_matrix={to}:out_range=limited"


def _to_size(size: FileSize, colours: str, *, always: bool) -> Iterable[tuple[str, str]]:
    scaled = f"{size.scaled_width}:{size.scaled_height}"
    if always:
        yield "scale", f"{scaled}:flags={_SCALE}{colours}"
    if (size.width, size.height) != (size.scaled_width, size.scaled_height):
        across, down = (size.scaled_width - size.width) // 2, (size.scaled_height - size.height) // 2
        # chroma of half the size has no odd places
        yield "crop", f"{size.width}:{size.height}:{across // 2 * 2}:{down // 2 * 2}"


def _even(box: Box) -> Box | None:
    """The box within, at places that chroma of half the size has."""
    left, top = (math.ceil(place / 2) * 2 for place in box[:2])
    right, bottom = (place // 2 * 2 for place in box[2:])
    return (left, top, right, bottom) if left < right and top < bottom else None


def _kept_format(encoder: str, pixel_format: str) -> str:
    """The pixel format itself, or the one nearest to it that an encoder takes."""
    taken = [each.name for each in Codec(encoder, "w").video_formats or ()]
    if pixel_format in taken or not taken:
        return pixel_format
    best, _ = find_best_pix_fmt_of_list(taken, pixel_format)
    return PLAIN if best is None else best.name
