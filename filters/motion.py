"""How much moves in a clip and what the camera does, from dense optical flow between the sampled frames.

Flow runs between consecutive samples, half a second apart, and not over the short pair of each sample: a half second
averages shake and sensor noise out, and film on twos or threes, where a short pair often shows the same frame twice,
still moves. Rank agreement with full-resolution Farneback is 0.55 to 0.8 for half a second against 0.43 to 0.65 for a
twelfth, whichever the flow algorithm. The short pair only tells where to look when the picture moves fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np

from filters.base import Score, Scorer
from filters.camera import STILL, Field, GlobalMotion, camera_word, fit_global, smoothed, still_share
from preprocess.frames import FrameSignals, FrameView, Plane, Sample

CELL = 4
"""Flow is read once in 4x4 pixels: the ultrafast preset of DIS computes no finer and interpolates the rest."""
FIT_STRIDE = 2
"""The camera is fitted to every second cell each way, some 600 of them."""
FIT_TOLERANCE_PIXELS = 0.15
"""Precision of the flow on clean texture, per step."""
CORNER_WINDOW = 9
"""Pixels over which texture is judged."""
CORNER_HALF = 70.0
"""Corner strength (see `_texture_weight`) that counts half. Fitted, with the limit below, to Farneback's magnitude at
full size on twelve real clips: within 20 % for ten of them, and so in EasyAnimate's unit at 720p."""
LOCAL_LIMIT = 3.1
"""Percent a second: a spot's own motion, over and above the camera's, counts at most this (4 analysis pixels a step).
Flow loses small things that move far; Farneback at full size stops to follow at about the same speed."""
CAMERA_SUPPORT = 0.65
"""Share of the picture that must follow a movement before it is the camera's. Heads that fill a frame reach 0.62."""
VOTE_MARGIN = 3
"""Grey levels by which a pixel must fit better to vote for the camera's movement or for standing still."""
VOTE_LEAD = 1.5
"""Votes for the camera's movement needed for each vote against it."""
LEAST_VOTES = 0.002
"""Share of the pixels that must vote for the camera's movement: noise alone casts a few votes."""
CHANGE_FLOOR = 1.5
"""Grey levels, after smoothing: where two samples differ less, what moves is noise."""
HINT_PIXELS = 8.0
"""From this displacement a step on, flow starts from the movement seen in the short pair instead of from zero."""
BREAK_CHANGE = 15.0
"""Frame difference (see `FrameSignals.change`) that may be a cut or a flash when it also stands out in the clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Velocities between two samples on a grid of cells, in percent of the longer side per second."""

    camera: GlobalMotion
    u: Field
    v: Field
    own_weight: Field
    """How far a cell's own motion is to be believed, 0-1."""
    x: Field
    y: Field


@dataclass(frozen=True, slots=True)
class MotionScorer(Scorer):
    """`motion`: mean speed over the picture, in percent of the frame's longer side per second; `camera`: a word.

    Independent of resolution and frame rate. EasyAnimate's score (arXiv 2405.18991, section 3: mean Farneback
    magnitude in pixels a half second at full size) is `motion * long_side / 200`: its 2 to 20 are 0.31 to 3.1 at
    1280x720, and one pixel is 0.16. Camera movement counts all over the picture, a subject's own movement where
    there is texture to tell it by. Shake cancels out, and steps over a cut or a flash are left out. Both are None for
    a clip of which only one frame was sampled.
    """

    name: ClassVar[str] = "motion"
    columns: ClassVar[Mapping[str, type[float] | type[int] | type[str]]] = {"motion": float, "camera": str}

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Flow over each half second of the clip, about 1 ms a step."""
        steps = list(_steps(view))
        if not steps:
            return {"motion": None, "camera": None}
        cameras = [step.camera for step in steps]
        speeds = [_speed(step, lasting) for step, lasting in zip(steps, smoothed(cameras), strict=True)]
        return {"motion": _trimmed_mean(speeds), "camera": camera_word(cameras)}


def _steps(view: FrameView) -> Iterator[_Step]:
    """Flow between consecutive samples; over the short pair where a clip has a single sample."""
    samples = view.samples
    # One that always gets a start and one that never does: DIS crashes when a single object sees both.
    started, unstarted = (cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST) for _ in range(2))
    if len(samples) == 1 and samples[0].pair_luma is not None:
        start = np.zeros((*samples[0].luma.shape, 2), np.float32)
        yield _step(started, samples[0].luma, samples[0].pair_luma, samples[0].pair_seconds, start)
    pairs = list(pairwise(samples))
    whole = [pair for pair in pairs if not _is_broken(view.signals, *pair)]
    for before, after in whole or pairs:
        seconds = after.seconds - before.seconds
        yield _step(started, before.luma, after.luma, seconds, _start(unstarted, before, seconds))


def _is_broken(signals: FrameSignals, before: Sample, after: Sample) -> bool:
    """Whether a frame between two samples differs from the one before it as no ordinary frame of this clip does."""
    within = (signals.seconds > before.seconds) & (signals.seconds <= after.seconds)
    if len(signals.change) < 2 or not within.any():
        return False
    usual = float(np.nanquantile(signals.change, 0.9))
    return bool(np.nanmax(signals.change[within]) > max(BREAK_CHANGE, 3 * usual))


def _start(flow: cv2.DISOpticalFlow, sample: Sample, seconds: float) -> Field:
    """The field (h, w, 2) to start from: zero, or constant where the short pair shows that the picture moves fast."""
    height, width = sample.luma.shape
    start = np.zeros((height, width, 2), np.float32)
    if sample.pair_luma is not None:
        size = (max(1, width // 2), max(1, height // 2))
        a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (sample.luma, sample.pair_luma))
        if cv2.absdiff(a, b).mean() < CHANGE_FLOOR:
            return start
        short = _flow(flow, a.astype(np.uint8), b.astype(np.uint8), None)[::CELL, ::CELL].reshape(-1, 2)
        hint = np.median(short, axis=0) * (2 * seconds / sample.pair_seconds)
        if np.abs(hint).max() >= HINT_PIXELS:
            start[:] = hint
    return start


def _flow(flow: cv2.DISOpticalFlow, a: Plane, b: Plane, start: Field | None) -> Field:
    """Pixel displacements (h, w, 2). DIS reads out of bounds on strips (16x256 crashes), so they are padded."""
    height, width = a.shape
    border = (0, max(0, 32 - height), 0, max(0, 32 - width), cv2.BORDER_REPLICATE)
    if any(border[:4]):
        a, b = (cv2.copyMakeBorder(plane, *border).astype(np.uint8) for plane in (a, b))
        start = None if start is None else cv2.copyMakeBorder(start, *border).astype(np.float32)
    field: Field = flow.calc(a, b, start)[:height, :width]
    return field


def _step(flow: cv2.DISOpticalFlow, a: Plane, b: Plane, seconds: float, start: Field) -> _Step:
    height, width = a.shape
    unit = 100 / max(height, width)
    first = min(CELL, height, width) // 2
    cells = _flow(flow, a, b, start)[first::CELL, first::CELL] * (unit / seconds)
    u, v = np.ascontiguousarray(cells[..., 0]), np.ascontiguousarray(cells[..., 1])
    rows, columns = u.shape
    weight: Field = cv2.resize(_texture_weight(a), (columns, rows), interpolation=cv2.INTER_AREA)
    smooth_a, smooth_b = cv2.blur(a, (3, 3)).astype(np.uint8), cv2.blur(b, (3, 3)).astype(np.uint8)
    difference = cv2.resize(cv2.absdiff(smooth_a, smooth_b), (columns, rows), interpolation=cv2.INTER_AREA)
    changed = cv2.blur(difference.astype(np.float32), (3, 3)) > CHANGE_FLOOR
    x, y = _positions(height, width, first)
    some = (slice(None, None, FIT_STRIDE), slice(None, None, FIT_STRIDE))
    tolerance = FIT_TOLERANCE_PIXELS * unit / seconds
    camera = fit_global(u[some], v[some], weight[some], x[some], y[some], tolerance)
    if camera.support < CAMERA_SUPPORT or not _explains(camera, smooth_a, smooth_b, seconds):
        camera = replace(STILL, support=still_share(u, v, weight))
    return _Step(camera=camera, u=u, v=v, own_weight=weight * changed, x=x, y=y)


@lru_cache(maxsize=4)
def _positions(height: int, width: int, first: int) -> tuple[Field, Field]:
    """Where the cells lie: x and y in percent of the longer side from the picture's centre."""
    unit = 100 / max(height, width)
    x, y = np.meshgrid(
        ((np.arange(first, width, CELL) - (width - 1) / 2) * unit).astype(np.float32),
        ((np.arange(first, height, CELL) - (height - 1) / 2) * unit).astype(np.float32),
    )
    return x, y


def _explains(camera: GlobalMotion, a: Plane, b: Plane, seconds: float) -> bool:
    """Whether `b` moved back by the camera's movement is nearer to `a` than `b` itself, by a vote of the pixels."""
    height, width = a.shape
    scale = seconds * max(height, width) / 100
    growth, turn = camera.growth * seconds, camera.turn * seconds
    cx, cy = (width - 1) / 2, (height - 1) / 2
    to_b = np.array(
        [
            [1 + growth, -turn, camera.right * scale - growth * cx + turn * cy],
            [turn, 1 + growth, camera.down * scale - growth * cy - turn * cx],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.absdiff(a, cv2.warpAffine(b, to_b, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))
    still = cv2.absdiff(a, b)
    for_camera = np.count_nonzero(cv2.subtract(still, moved) >= VOTE_MARGIN)
    for_still = np.count_nonzero(cv2.subtract(moved, still) >= VOTE_MARGIN)
    return bool(for_camera > max(VOTE_LEAD * for_still, LEAST_VOTES * a.size))


def _texture_weight(luma: Plane) -> Field:
    """How well motion can be told at each pixel, 0-1: near 0 in flat areas and along straight edges.

    The corner strength is the square root of the determinant of the second-derivative moments, the matrix that
    Farneback's method inverts (Two-frame motion estimation based on polynomial expansion, 2003).
    """
    xx, yy, xy = (cv2.Sobel(luma, cv2.CV_32F, *order, scale=0.25) for order in ((2, 0), (0, 2), (1, 1)))
    window = (CORNER_WINDOW, CORNER_WINDOW)
    g11, g12, g22 = (cv2.blur(g, window) for g in (xx * xx + xy * xy, xy * (xx + yy), xy * xy + yy * yy))
    corner: Field = np.sqrt(np.maximum(g11 * g22 - g12 * g12, 0))
    return corner / (corner + CORNER_HALF)


def _speed(step: _Step, lasting: GlobalMotion) -> float:
    """Mean speed over the picture: the camera's lasting movement, and in textured spots their own motion on top."""
    camera_u, camera_v = step.camera.field(step.x, step.y)
    own_u, own_v = step.u - camera_u, step.v - camera_v
    share = step.own_weight * np.minimum(1, LOCAL_LIMIT / np.maximum(np.hypot(own_u, own_v), 1e-6))
    lasting_u, lasting_v = lasting.field(step.x, step.y)
    return float(np.mean(np.hypot(lasting_u + share * own_u, lasting_v + share * own_v)))


def _trimmed_mean(values: Sequence[float]) -> float:
    """Without the lowest and highest eighth, at least one each; short clips keep all."""
    cut = max(1, len(values) // 8) if len(values) >= 5 else 0
    return float(np.mean(sorted(values)[cut : len(values) - cut]))
