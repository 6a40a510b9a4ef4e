"""Codecs that damage a film more and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Codec:
    """A codec and how it is told to spend less and less."""

    name: str
    suffix: str
    levels: tuple[int, ...]
    options: Callable[[int], Mapping[str, str]]


def _fixed(quantizer: int) -> Mapping[str, str]:
    return {"qmin": str(quantizer), "qmax": str(quantizer)}


def _constant_quality(crf: int) -> Mapping[str, str]:
    return {"deadline": "realtime", "cpu-used": "8", "crf": str(crf), "b": "0"}


CODECS = {
    "x264": Codec("libx264", ".mp4", (18, 28, 38, 45, 51), lambda crf: {"preset": "veryfast", "crf": str(crf)}),
    "mpeg2": Codec("mpeg2video", ".mpg", (2, 5, 12, 31), _fixed),
    "mpeg4": Codec("mpeg4", ".avi", (2, 5, 12, 31), _fixed),
    "vp9": Codec("libvpx-vp9", ".webm", (20, 40, 55, 63), _constant_quality),
}
SOUND_LEVEL = 2
"""So many of a codec's levels are no damage that a rule should drop."""
