"""A whole frame as RGB, as a screen shows it: for who takes pixels at full size."""

from __future__ import annotations

import av
import av.video
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace

from preprocess.light import light_of
from preprocess.shrink import planes_of
from preprocess.tone import toned


def rgb_of(raw: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3) of the size it is coded in, not turned; HDR as `preprocess.tone` shows it."""
    light = light_of(raw)
    if light.plain is not None:
        if not light.tagged and light.plain == "bt709":
            return np.asarray(raw.to_ndarray(format="rgb24", src_colorspace=Colorspace.ITU709))
        return np.asarray(raw.to_ndarray(format="rgb24"))
    luma, cb, cr, more_bits = planes_of(raw)
    size = (luma.shape[1], luma.shape[0])
    cb, cr = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (cb, cr))
    return toned(luma, cb, cr, light, 8 + more_bits, "rgb")
