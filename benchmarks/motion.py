"""How well our `motion` ranks clips: Spearman's correlation with optical flow at full resolution.

    python -m benchmarks.motion FOLDER

The reference is EasyAnimate's score (arXiv 2405.18991, section 3: mean magnitude of Farneback's flow between frames
half a second apart) on the frames of the same spans, decoded once more, given in our unit: percent of the longer side
per second. It takes about 0.4 s a pair of 720p frames. Each clip has a line; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import av
import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from filters.motion import MotionScorer
from pipelines.recipe import recipes
from preprocess.clip import Clip, Source, Window
from preprocess.decode import Frame, Video
from preprocess.errors import MediaError
from preprocess.observe import observe
from preprocess.sources import list_sources

Gray = npt.NDArray[np.uint8]


def main(folder: str) -> None:
    """Measure and print.

    Raises:
        ValueError: there are fewer than three clips, so that there is no order to compare.
    """
    cv2.setNumThreads(1)
    pairs: list[tuple[float, float]] = []
    for source in list_sources(folder).sources:
        try:
            measured = measured_motion(source)
            reference = reference_motion(source, [clip for clip, _ in measured])
        except (MediaError, av.error.FFmpegError) as error:
            print(f"{source.uri}: left out, {error}")
            continue
        for (clip, ours), theirs in zip(measured, reference, strict=True):
            span = f"{source.uri} {clip.start_seconds:.3f}-{clip.end_seconds:.3f} s"
            print(f"{span}: ours {_shown(ours)}, reference {_shown(theirs)}", flush=True)
            if ours is not None and theirs is not None:
                pairs.append((ours, theirs))
    if len(pairs) < 3:
        raise ValueError(f"{folder!r}: {len(pairs)} measured clips, needed are at least 3")
    print(json.dumps({"spearman": round(spearman(pairs), 4), "clips": len(pairs)}))


def measured_motion(source: Source) -> list[tuple[Clip, float | None]]:
    """The clips that the default recipe finds in one video, also short ones, in order, with their `motion`."""
    recipe, scorer = recipes.default(), MotionScorer()
    found: list[tuple[Clip, float | None]] = []
    with Video(source) as video:
        for observed in observe(video, recipe.shots, recipe.clips, Window()):
            motion = None if observed.view is None else scorer.score(observed.view)["motion"]
            assert motion is None or isinstance(motion, float)
            found.append((observed.clip, motion))
    return found


def reference_motion(source: Source, clips: Sequence[Clip]) -> list[float | None]:
    """Mean flow magnitude of each clip, in percent of the longer side per second; None where it has a single pair-less
    frame. `clips` are in time order and do not overlap.

    From a clip's first frame on, every int(fps / 2)-th is looked at, as EasyAnimate's compute_motion_score.py does.
    """
    speeds: list[list[float]] = [[] for _ in clips]
    with Video(source) as video:
        stride = max(1, int(video.info.fps / 2))
        current, index = 0, 0
        before: tuple[float, Gray] | None = None
        for frame in video.frames():
            while current < len(clips) and frame.pts >= clips[current].end_pts:
                current, index, before = current + 1, 0, None
            if current == len(clips):
                break
            if frame.pts < clips[current].start_pts:
                continue
            if index % stride == 0:
                now = (float(frame.pts * video.info.time_base), _gray(frame))
                if before is not None:
                    speeds[current].append(_speed(before[1], now[1], now[0] - before[0]))
                before = now
            index += 1
    return [float(np.mean(clip_speeds)) if clip_speeds else None for clip_speeds in speeds]


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """Pearson's correlation of the ranks; equal values share a rank."""
    ranks = pd.DataFrame(pairs).rank()
    return float(ranks[0].corr(ranks[1]))


def _gray(frame: Frame) -> Gray:
    gray: Gray = cv2.cvtColor(frame.raw.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY)
    return gray


def _speed(before: Gray, after: Gray, seconds: float) -> float:
    flow = cv2.calcOpticalFlowFarneback(
        before, after, None, pyr_scale=0.5, levels=3, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2, flags=0
    )
    pixels = np.hypot(flow[..., 0], flow[..., 1]).mean()
    return float(100 * pixels / max(before.shape) / seconds)


def _shown(motion: float | None) -> str:
    return "not measured" if motion is None else f"{motion:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.motion")
    parser.add_argument("folder", metavar="FOLDER")
    main(parser.parse_args().folder)
