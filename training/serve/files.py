"""Pictures and films that somebody uploads, under names of their content. What is none is refused as it comes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from training.film import PICTURE_SUFFIX, write_picture
from training.serve.messages import Upload

MOST_BYTES = 64 << 20
MOST_PIXELS = 1 << 26
"""Of a picture, which a small file can claim to have any number of."""
FILM_SUFFIX = ".mp4"
"""Whatever container it is: who opens it looks into it."""


class Files:
    """A folder of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, data: bytes) -> Upload:
        """Take a file.

        Raises:
            ValueError: it is neither a picture nor a film that can be read.
        """
        name = hashlib.blake2b(data, digest_size=16).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._picture(name, data) or self._film(name, data)

    def path(self, name: str | None) -> Path | None:
        """Where a file is; None of none.

        Raises:
            ValueError: it was never taken.
        """
        if name is None:
            return None
        for suffix in (PICTURE_SUFFIX, FILM_SUFFIX):
            path = self._folder / f"{name}{suffix}"
            if len(name) == 32 and name.isalnum() and path.is_file():
                return path
        raise ValueError(f"there is no file {name[:64]!r}: upload it first")

    def _picture(self, name: str, data: bytes) -> Upload | None:
        """None of what is no picture at all. A picture is kept upright, without transparency and what else it held."""
        try:
            with Image.open(io.BytesIO(data)) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ValueError(
                        f"the picture has {picture.width} x {picture.height} pixels: at most {MOST_PIXELS:,}"
                    )
                pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        except UnidentifiedImageError:
            return None
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError is Pillow's for broken PNG
            raise ValueError(f"the picture cannot be read: {error}") from error
        write_picture(self._folder / f"{name}{PICTURE_SUFFIX}", pixels)
        return Upload(id=name, kind="picture", width=pixels.shape[1], height=pixels.shape[0])

    def _film(self, name: str, data: bytes) -> Upload:
        path = self._folder / f"{name}{FILM_SUFFIX}"
        path.write_bytes(data)
        try:
            with Video(Source(uri=str(path), size_bytes=len(data), modified_ns=0), source_id=name) as video:
                return Upload(id=name, kind="film", width=video.info.width, height=video.info.height)
        except MediaError as error:
            path.unlink()
            raise ValueError(f"neither a picture nor a film that can be read: {error}") from error
