"""What goes with a clip in a file of its own: a control video, or where the camera was; named by the manifest.

A sample is shown it as it is shown the clip: at the same times, in the same part of the picture. A clip that lacks it,
or whose file cannot be read, is shown without.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from preprocess.clip import Clip, Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.file_bounds import SIDECAR_BYTES
from preprocess.io.locations import is_remote, join, local_path, local_uri
from preprocess.io.places import refuse_elsewhere
from preprocess.io.storage import open_file
from preprocess.picking import EARLY_SECONDS
from preprocess.sidecars import read_sidecar, sidecar_names, text_in
from training.data.plan.table import ClipTable
from training.data.read.crop import Box
from training.data.read.placement import PlacedClip
from training.models.grid import Shape
from training.models.rays import CAMERA_VALUES

Clock = Literal["film", "clip"]
Cameras = npt.NDArray[np.float32]
"""(F, 16): see `training.models.rays.CAMERA_VALUES`."""

LOOKED_AT = 64
"""Clips that are looked at before a run, spread evenly: the file beside each video is opened."""
ASPECT_CHANGE = 1.02
"""How much wider or higher than its clip a control video may be."""
_LINE_VALUES = CAMERA_VALUES + 3
"""A time or number, fx fy cx cy, two values that are not used, and world to camera: RealEstate10K's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideFile:
    """The file that goes with a clip, and when in it the clip begins."""

    location: str
    begins: Fraction
    """Seconds from the file's first frame to the clip's first one."""


def beside(table: ClipTable, row: int, clip: Clip, name: str, clock: Clock) -> BesideFile | None:
    """What a clip names by a column of `clips/`, or else by a key of the JSON file beside its video; None: nothing.

    A name that is no whole location is one beside the video.

    Raises:
        MediaError: what it names is elsewhere than the video, or the JSON file cannot be read.
    """
    named = _named(table, row, clip.source_uri, name)
    if named is None or not named.strip():
        return None
    location = _resolved(named, clip.source_uri)
    try:
        refuse_elsewhere([location], home=clip.source_uri)
    except ValueError as error:
        raise MediaError("elsewhere", "it is on another machine than its video") from error
    begins = clip.start_pts * clip.time_base - _first_seconds(clip.source_uri) if clock == "film" else Fraction(0)
    return BesideFile(location=location, begins=begins)


def moment(file: BesideFile, clip: Clip, start_seconds: Fraction, fps: Fraction) -> Fraction:
    """Seconds from a file's first frame to the moment with which a sample of its clip begins.

    That is when the frame on screen `start_seconds` after the clip's start began, as `preprocess.picking` has it: else
    a file of another rate would show a later moment than the clip does.
    """
    asked = file.begins + start_seconds
    began = int((asked + EARLY_SECONDS) * clip.fps) / clip.fps
    return began if asked - began < 1 / fps else asked


def lacking(table: ClipTable, name: str) -> str | None:
    """How many clips have nothing by a name, as far as can be told before a run; None where all have it.

    Raises:
        ValueError: none has, or the column is not one of texts.
    """
    assert table.clips is not None
    column = name in table.clips.column_names
    if column and not pa.types.is_string(table.clips.schema.field(name).type):
        raise ValueError(f"the column {name!r} of clips/ holds {table.clips.schema.field(name).type}, not text")
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), LOOKED_AT)).astype(int))
    if column:
        rows = np.arange(len(table))
    uris = table.clips["source_uri"].take(rows).to_pylist()
    found = [_looked_for(table, int(row), uri, name) for row, uri in zip(rows, uris, strict=True)]
    missing = [str(table.clips["clip_id"][int(row)]) for row, named in zip(rows, found, strict=True) if not named]
    where = f"a column {name!r} of clips/" if column else f"a key {name!r} of the JSON file beside each video"
    if len(missing) == len(rows):
        raise ValueError(f"none of {len(rows)} clips that were looked at names anything by {where}")
    if not missing:
        return None
    return f"{len(missing)} of {len(rows)} clips that were looked at name nothing by {where}, such as {missing[0]}"


def control_clip(file: BesideFile, clip: PlacedClip) -> Clip:
    """A control video as a clip, all of it.

    Raises:
        MediaError: it is no video, or of another aspect than its clip.
    """
    with Video(Source(uri=file.location, size_bytes=0, modified_ns=0), source_id="") as video:
        info = video.info
    height, width = clip.displayed
    change = (info.width / info.height) / (width / height)
    if not 1 / ASPECT_CHANGE <= change <= ASPECT_CHANGE:
        raise MediaError("control_size", f"{info.width}x{info.height}, of a clip of {width}x{height}")
    return Clip(
        source_id="",
        source_uri=file.location,
        start_pts=info.start_pts,
        end_pts=info.start_pts + int(2**40 / info.time_base.denominator),
        time_base=info.time_base,
        num_frames=1,
        fps=info.fps,
        width=info.width,
        height=info.height,
    )


def cameras_of(
    file: BesideFile, clip: PlacedClip, crop: Box, shape: Shape, *, fps: Fraction, first: Fraction
) -> Cameras:
    """A sample's cameras, of the part of the picture that it shows.

    Args:
        file: a line for each of the video's frames as RealEstate10K has them, after a first one of any text; its
            intrinsics are shares of the whole picture.
        clip: whose.
        crop: what the sample shows, in displayed pixels.
        shape: the sample's.
        fps: the sample's.
        first: when it begins, from the file's first frame.

    Raises:
        MediaError: the file is no such, or ends too early.
    """
    lines = _lines(file.location)
    numbers = [int((first + frame / fps + EARLY_SECONDS) * clip.clip.fps) for frame in range(shape.frames)]
    if numbers[-1] >= len(lines):
        raise MediaError("cameras_missing", f"{len(lines)} lines, and the sample shows frame {numbers[-1]}")
    cameras = lines[numbers]
    height, width = clip.displayed
    cameras[:, [0, 2]] *= width / crop.width
    cameras[:, [1, 3]] *= height / crop.height
    cameras[:, 2] -= crop.left / crop.width
    cameras[:, 3] -= crop.top / crop.height
    return cameras.astype(np.float32)


def _lines(location: str) -> npt.NDArray[np.float64]:
    """(N, 16) of a file of cameras."""
    try:
        with open_file(location) as file:
            text = bytes(file.read(SIDECAR_BYTES + 1))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise MediaError("not_found", str(error)) from error
    if len(text) > SIDECAR_BYTES:
        raise MediaError("cameras_unreadable", f"over {SIDECAR_BYTES} bytes")
    rows = [line.split() for line in text.decode("utf-8", "replace").splitlines()[1:] if line.strip()]
    try:
        values = np.array([[float(value) for value in row] for row in rows])
    except ValueError as error:
        raise MediaError("cameras_unreadable", "not lines of 19 numbers after the first") from error
    if values.ndim != 2 or values.shape[1] != _LINE_VALUES or not np.isfinite(values).all():
        raise MediaError("cameras_unreadable", "not lines of 19 numbers after the first")
    if not (values[:, 1:3] > 0).all():
        raise MediaError("cameras_unreadable", "a focal length is not positive")
    turns = values[:, 7:].reshape(-1, 3, 4)[:, :, :3]
    if not np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-2):
        raise MediaError("cameras_unreadable", "a camera's turn is none")
    return np.delete(values, [0, 5, 6], axis=1)


@lru_cache(maxsize=4096)
def _first_seconds(uri: str) -> Fraction:
    """When a film begins, on its own clock."""
    with Video(Source(uri=uri, size_bytes=0, modified_ns=0), source_id="") as video:
        return video.info.start_pts * video.info.time_base


def _looked_for(table: ClipTable, row: int, uri: str, name: str) -> str | None:
    """As `_named`, where a file that cannot be read names nothing yet: a sample will say why."""
    try:
        return _named(table, row, uri, name)
    except MediaError:
        return None


def _named(table: ClipTable, row: int, uri: str, name: str) -> str | None:
    assert table.clips is not None
    if name in table.clips.column_names:
        value = table.clips[name][row].as_py()
        return None if value is None else str(value)
    try:
        found: Sequence[dict[str, object]] = [
            facts for facts in map(read_sidecar, sidecar_names(uri)) if facts is not None
        ]
    except (ValueError, OSError) as error:
        raise MediaError("sidecar_unreadable", str(error)) from error
    return text_in(found[0], name) if found else None


def _resolved(named: str, uri: str) -> str:
    """A location that a clip names, as one for everybody."""
    if is_remote(named) or named.startswith(("/", "file://")):
        return named
    if is_remote(uri):
        scheme, _, rest = uri.rpartition("/")[0].partition("://")
        return f"{scheme}://{posixpath.normpath(join(rest, named))}"
    folder = os.path.dirname(local_path(uri))  # noqa: PTH120 - bytes: names need not be UTF-8
    return local_uri(os.path.normpath(os.path.join(folder, os.fsencode(named))))  # noqa: PTH118
