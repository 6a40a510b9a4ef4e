"""A picture's frame as a viewer shows it, where its planes and FFmpeg's turn do not tell: on white, or mirrored."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from typing import IO, Any, cast

import av
import av.video
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_ROWS = 256
"""Blended at a time: a picture of 64 megapixels in wider numbers would take half a gigabyte."""
_MOST_BYTES = 32 << 20
"""Of a file are read for its EXIF, which WebP has at the end."""
_ORIENTATION = 0x0112
_MIRRORED: dict[int, Callable[[Any], Any]] = {
    2: np.fliplr,
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    7: lambda pixels: np.rot90(pixels.transpose(1, 0, 2), 2),
}
"""What shows a picture of such an orientation (EXIF 2.32, 4.6.4) as it was meant. The others are turned only."""


def mirrored(file: IO[bytes]) -> int | None:
    """The EXIF orientation of a file that is shown as in a mirror, None for others: of FFmpeg's matrix we are told the
    turn alone."""
    orientation = exif_orientation(file)
    return orientation if orientation in _MIRRORED else None


def exif_orientation(file: IO[bytes]) -> int | None:
    """That of a JPEG, PNG, WebP or AVIF file, where it says: 1 is upright, 2 to 8 are turned or mirrored."""
    from PIL import Image  # videos do without

    file.seek(0)
    data = io.BytesIO(file.read(_MOST_BYTES))  # what Pillow raises is then about the file
    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd tags
        try:
            with Image.open(data, formats=("JPEG", "PNG", "WEBP", "AVIF")) as image:
                exif.load(image.info.get("exif", b""))
            orientation = exif.get(_ORIENTATION)
        except (OSError, Image.DecompressionBombError, SyntaxError, ValueError, struct.error):
            return None  # FFmpeg will say what is wrong
    return orientation if isinstance(orientation, int) else None


def as_shown(raw: av.VideoFrame, clockwise: int, orientation: int | None) -> av.VideoFrame:
    """A frame that may be transparent, laid on white and turned upright by degrees `clockwise`, or one that is
    `mirrored` by that orientation; others as they are."""
    layout = raw.format
    is_opaque = not (layout.has_palette or any(component.is_alpha for component in layout.components))
    if is_opaque and orientation is None:
        return raw
    pixels = _on_white(cast(Pixels, raw.to_ndarray(format="rgba")))
    upright = np.rot90(pixels, -(clockwise // 90)) if orientation is None else _MIRRORED[orientation](pixels)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(upright), format="rgb24")


def _on_white(rgba: Pixels) -> Pixels:
    """uint8 (H, W, 3) of (H, W, 4)."""
    rgb = np.ascontiguousarray(rgba[..., :3])
    for top in range(0, len(rgb), _ROWS):
        alpha = rgba[top : top + _ROWS, :, 3:].astype(np.uint16)
        if alpha.min() < 255:
            rgb[top : top + _ROWS] = (rgb[top : top + _ROWS] * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb
