"""The shot detector alone on one reel, from small frames that may be cached: a round costs seconds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.observe import MAX_FPS, ClipLengths, split
from preprocess.shots.detector import ShotConfig, ShotDetector
from preprocess.shots.shot import Shot, Transition

Frames = npt.NDArray[np.uint8]


def small_frames(video: Path, cache: Path | None = None) -> tuple[Frames, list[float]]:
    """What the detector sees of one video, uint8 (n, h, w, 3), and when each frame begins, in seconds.

    With a `cache` folder both are kept there and read again; a changed video needs another folder. The video may have
    one size only.
    """
    stored = None if cache is None else (cache / f"{video.stem}.npy", cache / f"{video.stem}-times.npy")
    if stored is not None and stored[1].exists():
        return np.load(stored[0], mmap_mode="r"), np.load(stored[1]).tolist()
    frames, times = [], []
    with Video(Source(uri=os.fspath(video.resolve()), size_bytes=0, modified_ns=0)) as opened:
        for frame in opened.frames():
            frames.append(frame.shrink().shot_planes().ycbcr())
            times.append(float(frame.pts * opened.info.time_base))
    stacked = np.stack(frames)
    if stored is not None:
        stored[0].parent.mkdir(parents=True, exist_ok=True)
        np.save(stored[0], stacked)
        np.save(stored[1], np.asarray(times))
    return stacked, times


def detect(frames: Frames, times: Sequence[float], config: ShotConfig) -> tuple[list[Transition], list[Shot]]:
    """The transitions and shots of a video, at the pace that the pass tells the detector."""
    pace = Fraction(min(MAX_FPS, 1 / float(np.median(np.diff(times))))) if len(times) > 1 else Fraction(24)
    detector = ShotDetector(config, pace)
    shots = [shot for frame in frames for shot in detector.push(frame)]
    shots += detector.finish()
    return detector.transitions, shots


def clips_of(shots: Sequence[Shot], times: Sequence[float], lengths: ClipLengths) -> list[tuple[int, int]]:
    """The frames [start, end) of the clips that these shots give, those that are long enough."""
    last = times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)
    boundaries = [Fraction(time) for time in (*times, last)]
    clips = []
    for shot in shots:
        span = boundaries[shot.start : shot.end + 1]
        clips += [
            (shot.start + begin, shot.start + end)
            for begin, end in split(span, lengths.max_seconds)
            if span[end] - span[begin] >= lengths.min_seconds
        ]
    return clips
