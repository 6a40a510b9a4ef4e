"""The records of the project: a source file, what its header says, and a clip, which is a pts span of a source.

Clips are virtual: no record here owns pixels or knows of a model. Scores live in manifest columns, named by scorer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa

from preprocess.clocks import FILE
from preprocess.kinds import PICTURE, VIDEO

Row = dict[str, Any]
"""A row of one of the manifest's tables, by column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table of clips: what docs/manifest.md and the fields of its Parquet files say."""

    name: str
    type: pa.DataType
    unit: str = ""
    meaning: str

    @property
    def is_number(self) -> bool:
        """Whether a rule can be put on it: false is 0, and true is 1."""
        return any(is_such(self.type) for is_such in (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating))

    @property
    def field(self) -> pa.Field:
        """The column in a schema, with `unit` and `description` in its metadata."""
        said = {"description": self.meaning, "unit": self.unit}
        return pa.field(self.name, self.type, metadata={key: text for key, text in said.items() if text} or None)


def _column(name: str, kind: str, unit: str, meaning: str) -> Column:
    return Column(name=name, type=pa.type_for_alias(kind), unit=unit, meaning=meaning)


CLIP_COLUMNS = (
    _column("clip_id", "string", "", "hash of `source_id` and the span: equal bytes, equal ids"),
    _column("source_id", "string", "", "hash of the file's bytes (above 32 MiB: of its size and 16 spread MiB)"),
    _column("source_uri", "string", "", "absolute path, bucket URI, or `file://` URI where the name is not UTF-8"),
    _column("kind", "string", "", "`video` or `picture`: one frame, which stands for itself and has no time"),
    _column("start_seconds", "double", "s", "begin of the half-open span, on the file's own clock"),
    _column("end_seconds", "double", "s", "its end: when the last frame stops being shown"),
    _column("start_pts", "int64", "ticks", "the begin, exactly: seconds = pts * time_base_num / time_base_den"),
    _column("end_pts", "int64", "ticks", "the end, exactly"),
    _column("time_base_num", "int64", "s", "numerator of the length of a tick"),
    _column("time_base_den", "int64", "", "its denominator"),
    _column("num_frames", "int64", "frames", "frames in the span"),
    _column("fps", "double", "frames/s", "the file's average; the clip's own where that is off by over a tenth"),
    _column("duration_seconds", "double", "s", "`end_seconds - start_seconds`"),
    _column("width", "int32", "pixels", "as displayed: rotation and pixel aspect applied"),
    _column("height", "int32", "pixels", "as displayed"),
    _column("short_side", "int32", "pixels", "the smaller one of `width` and `height`"),
    _column("codec", "string", "", "of the source"),
    _column("has_audio", "bool", "", "whether the source has sound"),
    _column("damaged", "bool", "", "whether the span holds frames that an error has changed, or lacks some"),
    _column("clock", "string", "", "what its times are: `file`, `decoding` or `counted`, see below"),
)
"""What a clip is, before anything is measured: `Clip.row` fills them."""
TIMED_COLUMNS = frozenset({"fps", "duration_seconds"})
"""Those of them that are null for a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file as listed: nothing of it has been read yet."""

    uri: str
    """Absolute path or bucket URI."""
    size_bytes: int
    modified_ns: int
    """Modification time, ns since the epoch; with the size it tells a replaced file from a known one."""
    sidecar: str | None = None
    """Location of the JSON file beside it that says where it comes from."""
    unreadable: str | None = None
    """Why the machine or the storage does not let anybody look, where that is known; such a one is not opened."""
    provenance: tuple[tuple[str, str], ...] = ()
    """What a list of sources says of this one: columns of `sources/` with their values."""


SpanKey = tuple[str, int, int, int, int]
"""uri, size in bytes, modification time in ns, index, count"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open stretch of a video on the file's clock; `end_seconds` None is the end of the file."""

    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What the container says of the video stream we use. Sizes are as displayed: rotation and pixel aspect applied."""

    source_id: str
    """Content id: hex digest of the file's bytes, so a renamed copy keeps it."""
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    """Clockwise turn in degrees (0, 90, 180, 270) that displays the coded picture upright."""
    fps: Fraction
    time_base: Fraction
    """Seconds per pts tick."""
    start_pts: int
    duration_seconds: float | None
    """None where the container does not say (some WebM and raw streams)."""
    has_audio: bool
    is_picture: bool = False
    """A file of one picture, whose times mean nothing."""
    provenance: tuple[tuple[str, str], ...] = ()
    """What its own tags say of where it is from: columns of `sources/` with their values."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"{self.source_id}: display size {self.width}x{self.height}, both must be positive")
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"{self.source_id}: rotation {self.rotation}, allowed are 0, 90, 180, 270")
        if self.time_base <= 0 or self.fps <= 0:
            raise ValueError(f"{self.source_id}: time base {self.time_base} and fps {self.fps} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A half-open span [start_pts, end_pts) of one source's video stream, in ticks of `time_base` seconds."""

    source_id: str
    source_uri: str
    start_pts: int
    end_pts: int
    time_base: Fraction
    num_frames: int
    fps: Fraction
    width: int
    height: int
    clock: str = FILE
    """How its times were made (`preprocess.clocks`): who looks for its frames has to make them in the same way."""

    def __post_init__(self) -> None:
        if self.start_pts >= self.end_pts:
            raise ValueError(f"{self.source_uri!r}: empty span [{self.start_pts}, {self.end_pts})")
        if self.num_frames < 1:
            raise ValueError(f"{self.source_uri!r}: a clip of {self.num_frames} frames")

    @property
    def clip_id(self) -> str:
        """32 hex digits of blake2b over the source's content id and the span: equal bytes, equal clip ids."""
        key = f"{self.source_id}:{self.start_pts}:{self.end_pts}:{self.time_base}"
        return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()

    @property
    def start_seconds(self) -> float:
        """Presentation time of the first frame, as the file's own timestamps tell it."""
        return float(self.start_pts * self.time_base)

    @property
    def end_seconds(self) -> float:
        """Presentation time at which the last frame stops being shown."""
        return float(self.end_pts * self.time_base)

    @property
    def duration_seconds(self) -> float:
        """How long the clip plays."""
        return float((self.end_pts - self.start_pts) * self.time_base)

    @property
    def source(self) -> Source:
        """The file, for who only reads it: size and time are not known here."""
        return Source(uri=self.source_uri, size_bytes=0, modified_ns=0)

    def row(self, *, codec: str, has_audio: bool, damaged: bool, is_picture: bool = False) -> Row:
        """The values of `CLIP_COLUMNS`, with what only the one who opened the source knows."""
        return {
            "clip_id": self.clip_id,
            "source_id": self.source_id,
            "source_uri": self.source_uri,
            "kind": PICTURE if is_picture else VIDEO,
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            "start_pts": self.start_pts,
            "end_pts": self.end_pts,
            "time_base_num": self.time_base.numerator,
            "time_base_den": self.time_base.denominator,
            "num_frames": self.num_frames,
            "fps": None if is_picture else float(self.fps),
            "duration_seconds": None if is_picture else self.duration_seconds,
            "width": self.width,
            "height": self.height,
            "short_side": min(self.width, self.height),
            "codec": codec,
            "has_audio": has_audio,
            "damaged": damaged,
            "clock": self.clock,
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Clip:
        """The clip that a row of the manifest is about; other columns are not looked at.

        Raises:
            ValueError: the row's span is empty.
        """
        time_base = Fraction(row["time_base_num"], row["time_base_den"])
        return cls(
            time_base=time_base,
            fps=1 / time_base if row["fps"] is None else Fraction(row["fps"]).limit_denominator(100_000),
            clock=row.get("clock") or FILE,  # manifests of before have none
            **{name: row[name] for name in _SAME},
        )


_SAME = ("source_id", "source_uri", "start_pts", "end_pts", "num_frames", "width", "height")
"""The fields of a clip that are columns as they are."""
CLIP_KEYS = (*_SAME, "time_base_num", "time_base_den", "fps", "clock")
"""The columns from which a clip can be made again; `clock` may be missing."""
