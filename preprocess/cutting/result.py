"""What became of a clip as a file: the columns that `clips/` learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import pyarrow as pa

from preprocess.clip import Column

Method = Literal["copy", "smart", "encode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFile:
    """A file that was written, as its own frames were counted."""

    name: str
    """In DEST."""
    method: Method
    """`copy`: the source's packets, or a picture's bytes. `smart`: packets, behind a head that was encoded. `encode`:
    all of it was."""
    width: int
    """As displayed: rotation and pixel aspect applied."""
    height: int
    fps: float | None
    """What was asked for, or the clip's own average; None for a picture."""
    num_frames: int
    duration_seconds: float | None
    """Until the last frame stops being shown; None for a picture."""
    has_audio: bool
    size_bytes: int

    @property
    def columns(self) -> Mapping[str, object]:
        """Its columns in `clips/`."""
        return {"file" if each == "name" else f"file_{each}": getattr(self, each) for each in _NAMES}

    @classmethod
    def of(cls, row: Mapping[str, object]) -> CutFile | None:
        """What a row says of its file; None where it has none."""
        if row.get("file") is None:
            return None
        return cls(**{each: row["file" if each == "name" else f"file_{each}"] for each in _NAMES})  # type: ignore[arg-type]


_NAMES = tuple(each.name for each in fields(CutFile))

FILE_COLUMNS = (
    Column(name="file", type=pa.string(), meaning="name of the clip's file in the folder that `cut` wrote last"),
    Column(name="file_method", type=pa.string(), meaning="`copy`, `smart` (its head encoded) or `encode`"),
    Column(name="file_width", type=pa.int32(), unit="pixels", meaning="of the file, as displayed"),
    Column(name="file_height", type=pa.int32(), unit="pixels", meaning="of the file, as displayed"),
    Column(
        name="file_fps",
        type=pa.float64(),
        unit="frames/s",
        meaning="what was asked for, or the average; null for pictures",
    ),
    Column(name="file_num_frames", type=pa.int64(), unit="frames", meaning="frames in the file"),
    Column(
        name="file_duration_seconds",
        type=pa.float64(),
        unit="s",
        meaning="until its last frame ends; null for pictures",
    ),
    Column(name="file_has_audio", type=pa.bool_(), meaning="whether the file has sound"),
    Column(name="file_size_bytes", type=pa.int64(), unit="bytes", meaning="of the file"),
)
"""The columns of a `CutFile`, in its order."""
