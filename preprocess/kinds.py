"""Pictures and videos, the two kinds of sources: which is which goes by the name, and then by what is in the file."""

from __future__ import annotations

from pathlib import PurePosixPath

PICTURE, VIDEO = "picture", "video"

_PICTURES = "avif bmp jpeg jpg png tif tiff webp"
PICTURE_SUFFIXES = frozenset(f".{suffix}" for suffix in _PICTURES.split(" "))
"""Of what is taken where pictures are asked for."""
UNREAD_SUFFIXES = frozenset({".heic", ".psd", ".svg"})
"""Pictures, too, but FFmpeg shows one tile of the first, a part of the second and nothing of the third."""
IMAGE_SUFFIXES = PICTURE_SUFFIXES | UNREAD_SUFFIXES
PICTURE_FORMATS = "bmp_pipe,jpeg_pipe,png_pipe,tiff_pipe,webp_pipe"
"""FFmpeg's demuxers of files that hold one picture. That of AVIF is the one of MP4."""


def suffix_of(uri: str) -> str:
    """In lower case, with the dot."""
    return PurePosixPath(uri.rpartition("/")[2]).suffix.lower()
