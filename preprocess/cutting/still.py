"""A picture's file: the bytes that there are, or its pixels encoded anew where it is to be smaller, or upright."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from preprocess.clip import Source
from preprocess.cutting.format import CutFormat, FileSize
from preprocess.cutting.picture import Box
from preprocess.cutting.result import CutFile
from preprocess.decode import Frame
from preprocess.errors import MediaError
from preprocess.probe import open_source
from preprocess.rgb import rgb_of
from preprocess.stills import exif_orientation

_SUFFIXES = {"mjpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""By codec, of those that whoever reads pictures reads; all others become PNG."""
STILL_SUFFIXES = frozenset(_SUFFIXES.values())
_SAVED: dict[str, dict[str, Any]] = {".jpg": {"quality": 95, "subsampling": 0}, ".png": {}, ".webp": {"lossless": True}}
_TURNED = range(2, 9)
"""Of EXIF's orientations."""


def still_name(clip_id: str, codec: str) -> str:
    """Of the file of a picture in this codec."""
    return f"{clip_id}{_SUFFIXES.get(codec, '.png')}"


def write_still(
    source: Source, frame: Frame, codec: str, form: CutFormat, path: Path, *, name: str, box: Box | None
) -> CutFile:
    """Write a picture to `path`, whose file will be called `name`, and say what is in it.

    Rate, length and codec of videos mean nothing here. Where a size is asked for, or anything else that has videos
    encoded, it is upright.

    Args:
        source: the file that it is.
        frame: its pixels, as shown.
        codec: of the source.
        form: what is asked for.
        path: of the file.
        name: by whose ending it is encoded.
        box: the picture without its bars, in displayed pixels.

    Raises:
        MediaError: it is smaller than the format's multiple of sides.
        OSError: the source's storage or the disk failed.
    """
    whole = (0, 0, frame.info.width, frame.info.height)
    part = box if form.crop_bars and box is not None else whole
    size = _size(form, part[2] - part[0], part[3] - part[1])
    stays = part == whole and (size.width, size.height) == whole[2:]
    copied = codec in _SUFFIXES and stays and (form.as_they_are or _is_upright(source))
    if copied:
        with open_source(source) as file, path.open("wb") as out:
            shutil.copyfileobj(file, out)
    else:
        suffix = Path(name).suffix
        upright = np.rot90(rgb_of(frame.raw), -(frame.info.rotation // 90))
        shown = Image.fromarray(np.ascontiguousarray(upright)).crop(part)
        _fitted(shown, size).save(path, Image.registered_extensions()[suffix], **_SAVED[suffix])
    return CutFile(
        name=name,
        method="copy" if copied else "encode",
        width=size.width,
        height=size.height,
        fps=None,
        num_frames=1,
        duration_seconds=None,
        has_audio=False,
        size_bytes=path.stat().st_size,
    )


def _size(form: CutFormat, width: int, height: int) -> FileSize:
    if form.side_multiple == 1 and form.max_area is None and form.short_side is None:
        return FileSize(scaled_width=width, scaled_height=height, width=width, height=height)
    try:
        return form.size(width, height)
    except ValueError as error:
        raise MediaError("too_small", str(error)) from error


def _is_upright(source: Source) -> bool:
    with open_source(source) as file:
        return exif_orientation(file) not in _TURNED


def _fitted(image: Image.Image, size: FileSize) -> Image.Image:
    """Reduced, and the middle of it."""
    scaled = (size.scaled_width, size.scaled_height)
    if image.size != scaled:
        image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = (scaled[0] - size.width) // 2, (scaled[1] - size.height) // 2
    return image.crop((left, top, left + size.width, top + size.height))
