"""What a model sees of a frame: a square, cut out or squashed the way the model was trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

FITS = ("crop", "squash")
RESAMPLINGS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How a frame becomes the square that a model sees."""

    image_size: int
    """Side of the square in pixels."""
    fit: str
    """"crop" takes the centre of the frame, as CLIP does; "squash" ignores its aspect, as SigLIP does."""
    resample: str
    """"bicubic" or "bilinear", antialiased."""
    short_side: int
    """Pixels of the frame's shorter side when the centre is taken of it; `image_size` unless the model wants less of
    the frame (DINOv2: 256 for 224), and where frames are squashed."""

    def square(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A frame (H, W, 3) as (S, S, 3), equal to what the transforms of open_clip (torchvision on PIL) make of it."""
        image, side = Image.fromarray(np.ascontiguousarray(rgb)), self.image_size
        filtered = RESAMPLINGS[self.resample]
        if self.fit == "squash":
            return np.asarray(image.resize((side, side), filtered))
        short = min(image.size)
        width, height = (max(side, self.short_side * pixels // short) for pixels in image.size)
        left, top = round((width - side) / 2), round((height - side) / 2)
        resized = image.resize((width, height), filtered)
        return np.asarray(resized.crop((left, top, left + side, top + side)))
