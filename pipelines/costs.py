"""What the default recipe costs, in CPU seconds of one core: the constants behind `plan` and docs/scale.md.

Measured on 2026-11-29 on a shared x86-64 machine (benchmarks/results/2026-11-29-costs.md), by `benchmarks.codecs` and
`benchmarks.curate`; OCR on 2026-11-30. Other machines differ; the first hundred units of a run tell by how much.
"""

from __future__ import annotations

from collections.abc import Mapping

FRAME_MS = 0.6
"""Of every frame, whatever its codec and size: shots, and what is measured on small pictures."""
CODEC_MS: Mapping[str, tuple[float, float]] = {
    "h264": (2.31, 11.3),
    "hevc": (2.22, 20.0),
    "vp8": (0.98, 11.6),
    "vp9": (2.07, 13.5),
    "av1": (1.01, 13.4),
    "mpeg2video": (0.54, 2.9),
    "mpeg4": (0.76, 2.7),
    "mjpeg": (1.51, 0.5),
    "prores": (1.21, 2.0),
    "ffv1": (2.66, 6.8),
}
"""Milliseconds a megapixel and a megabit of a frame, by the name of the decoder: decoding, and making planes small."""
OCR_MS_A_SECOND = 20.0
"""Of a second of video in clips that reach it, most in films without title cards."""
MANIFEST_BYTES_PER_HOUR = 760 * 8_400
"""As on spliced film of five-second shots: 760 clips an hour, each 8.4 kB with its preview."""
_NAMES = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9", "libvpx": "vp8"}


def codec_name(decoder: str) -> str:
    """The codec, of which there may be several decoders."""
    return _NAMES.get(decoder, decoder)


def cpu_seconds(codec: str, *, seconds: float, frames: float, megapixels: float, size_bytes: float) -> float:
    """Of one file: so many frames of so many megapixels each. A codec that was never measured costs what H.264 does."""
    a_megapixel, a_megabit = CODEC_MS.get(codec, CODEC_MS["h264"])
    decoding = frames * (FRAME_MS + megapixels * a_megapixel) + size_bytes * 8e-6 * a_megabit
    return (decoding + seconds * OCR_MS_A_SECOND) / 1000
