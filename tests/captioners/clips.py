"""Clips of generated pictures, as a captioner sees them."""

from __future__ import annotations

import cv2
import numpy as np

from captioners.base import ClipToDescribe


def moving_square(seed: int, *, num_frames: int = 8, width: int = 84, height: int = 56, seconds: float = 5.0):
    """A square of one colour that crosses a background of another; what colours, and how they move, `seed` says."""
    colours = np.random.default_rng(seed).integers(0, 256, (2, 3))
    frames = []
    for i in range(num_frames):
        picture = np.full((height, width, 3), colours[0], np.uint8)
        left = round((width - 20) * i / max(1, num_frames - 1))
        picture[10:30, left : left + 20] = colours[1]
        frames.append(bytes(cv2.imencode(".jpg", picture)[1]))
    return ClipToDescribe(row={"clip_id": f"clip-{seed}", "duration_seconds": seconds}, frames=tuple(frames))


def assorted_clips(count: int):
    """Clips of different sizes, lengths and numbers of frames, so that a batch of them needs padding."""
    sizes = [(84, 56), (56, 84), (112, 64), (64, 48)]
    return [
        moving_square(
            seed,
            num_frames=(8, 5, 2, 1)[seed % 4],
            width=sizes[seed % 3][0],
            height=sizes[seed % 3][1],
            seconds=3.0 + seed,
        )
        for seed in range(count)
    ]
