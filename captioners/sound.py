"""A clip's sound as the file that servers of models which hear take."""

from __future__ import annotations

import io
import wave

import av
import numpy as np

from preprocess.sound.heard import Heard

RATE = 16_000
"""Samples a second: what encoders of sound work at (Whisper's, which Qwen2-Audio and Qwen2.5-Omni have)."""
MOST_SECONDS = 30
"""Of a longer clip, the begin: Whisper's encoder hears as much at a time."""


def wav(heard: Heard | None) -> bytes | None:
    """Mono, 16 bits; None of what is silent throughout, of nothing, and of what cannot be converted."""
    if heard is None or not heard.samples.any():
        return None
    try:
        samples = heard.mono(RATE)[: MOST_SECONDS * RATE]
    except (av.error.FFmpegError, ValueError):
        return None
    if not len(samples):
        return None
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        samples = np.nan_to_num(samples, posinf=1, neginf=-1)
        samples = samples / max(1, float(np.abs(samples).max()))  # two equal channels are 3 dB louder as one
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()
