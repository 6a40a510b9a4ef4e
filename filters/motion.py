"""How much moves in a clip and what the camera does, from dense optical flow between the sampled frames.

Flow runs between consecutive samples, half a second apart, and not over the short pair of each sample: a half second
averages shake and sensor noise out, and film on twos or threes, where a short pair often shows the same frame twice,
still moves. Two methods share the work. DIS is fast and follows far, and most of the picture moving alike makes up for
its mistakes: it finds the camera. With the camera's movement undone, Farneback's method finds what moves by itself, on
a small picture and weighted by texture. On 42 clips of 28 sources kept apart, with texture judged at 256 pixels, the
score's rank correlation with Farneback's mean magnitude at full size, half a second apart, was 0.97 (0.93 to 0.98 at
90 %); with DIS for subjects as well 0.955; Farneback's method alone on the small picture does no better than 0.85.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np

from filters.base import ColumnType, Score, Scorer
from filters.flow.camera import STILL, Field, GlobalMotion, camera_word, explains, fit_global, smoothed, still, undone
from preprocess.frames import SAMPLES_PER_SECOND, FrameSignals, FrameView, Plane, Sample

CELL = 4
"""Everything is read once in 4x4 pixels: the ultrafast preset of DIS computes no finer and interpolates the rest."""
FIT_STRIDE = 2
"""The camera is fitted to every second cell each way, some 600 of them."""
FIT_TOLERANCE_PIXELS = 0.15
"""Precision of DIS on clean texture, per step."""
CAMERA_SUPPORT = 0.65
"""Share of the picture that must follow a movement before it is the camera's. Heads that fill a frame reach 0.62."""
OWN_LONG_SIDE = 96
"""Size at which own motion is found. On 720p Farneback's method decides on what moves where at 160, the coarsest of
its levels, and only refines it further up; 96 ranks clips as well as 128 and takes half of the time."""
OWN_LIMIT = 5.0
"""Percent a second: own motion counts at most this. It is 4 pixels a step at 160, and each pixel's neighbourhood there
reaches 5: what moves further is lost to the method anyway."""
TEXTURE_LONG_SIDE = 480
"""Size at which texture is judged: it decides what a method at full size can see, and 256 pixels no longer show it."""
DAMPING = 180.0
"""Texture (see `_texture`) that counts half. OpenCV's Farneback divides by a determinant to which it adds 0.001, so
that flow shrinks to zero where there is little texture. Chosen on 66 clips of 44 sources; on the clips of three reels
that had no part in it, rank correlation rises from 0.94 (texture at 256 pixels) to 0.96."""
CAMERA_DAMPING = 2000.0
"""The same for the vote on the camera, which is taken at analysis size: fast pictures have no finer detail."""
CHANGE_FLOOR = 0.8
"""Grey levels, after smoothing: where two samples differ less, what moves is noise."""
HINT_PIXELS = 8.0
"""From this displacement a step on, flow starts from the movement seen in the short pair instead of from zero."""
LOST_PERCENT = 30.0
"""A picture that shifts further than this in a step is measured over the short pair: the samples share too little."""
BREAK_CHANGE = 15.0
"""Frame difference (see `FrameSignals.change`) that may be a cut or a flash when it also stands out in the clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Velocities between two samples on a grid of cells, in percent of the longer side per second."""

    camera: GlobalMotion
    seen: GlobalMotion
    """The camera by weaker evidence: enough to name what it does over a clip, too little to measure it."""
    own_u: Field
    """What moves over and above the camera, as far as there is texture to tell it by."""
    own_v: Field
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
    columns: ClassVar[Mapping[str, ColumnType]] = {"motion": float, "camera": str}

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Flow over each half second of the clip, about 2 ms a step."""
        steps = list(_steps(view))
        if not steps:
            return {"motion": None, "camera": None}
        cameras = [step.camera for step in steps]
        speeds = [_speed(step, lasting) for step, lasting in zip(steps, smoothed(cameras), strict=True)]
        return {"motion": _trimmed_mean(speeds), "camera": camera_word([step.seen for step in steps])}


def _steps(view: FrameView) -> Iterator[_Step]:
    """Flow between consecutive samples; over the short pair where that is all there is, or where the picture flies."""
    samples = view.samples
    # One that always gets a start and one that never does: DIS crashes when a single object sees both.
    started, unstarted = (cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST) for _ in range(2))
    if len(samples) == 1 and samples[0].pair_luma is not None:
        pair = (samples[0].luma, samples[0].pair_luma)
        yield _step(started, *pair, samples[0].pair_seconds, STILL, _texture(samples[0]))
    pairs = list(pairwise(samples))
    pairs = [pair for pair in pairs if not _is_broken(view.signals, *pair)] or pairs
    hints = [_short_motion(unstarted, before) for before, _ in pairs]
    if hints and not _agree(hints):
        hints = [STILL] * len(hints)
    for (before, after), hint, lasting in zip(pairs, hints, smoothed(hints), strict=True):
        texture = _texture(before)
        seconds = after.seconds - before.seconds
        flies = math.hypot(lasting.right, lasting.down) * seconds > LOST_PERCENT and before.pair_luma is not None
        step = _step(started, before.luma, after.luma, seconds, STILL if flies else hint, texture)
        # shake is as fast at times but comes to nothing, which the half second shows
        if flies and step.camera is STILL and before.pair_luma is not None:
            step = _step(started, before.luma, before.pair_luma, before.pair_seconds, hint, texture)
        yield step


def _agree(hints: Sequence[GlobalMotion]) -> bool:
    """Whether short movements add up to something. Shake comes to nothing over half a second: a wrong start for it."""
    moves = np.array([(hint.right, hint.down) for hint in hints])
    return bool(np.hypot(*moves.mean(axis=0)) >= np.hypot(*moves.T).mean() / 2)


def _is_broken(signals: FrameSignals, before: Sample, after: Sample) -> bool:
    """Whether a frame between two samples differs from the one before it as no ordinary frame of this clip does."""
    within = (signals.seconds > before.seconds) & (signals.seconds <= after.seconds)
    if len(signals.change) < 2 or not within.any():
        return False
    usual = float(np.nanquantile(signals.change, 0.9))
    return bool(np.nanmax(signals.change[within]) > max(BREAK_CHANGE, 3 * usual))


def _short_motion(flow: cv2.DISOpticalFlow, sample: Sample) -> GlobalMotion:
    """What most of the picture does over the short pair, seen at half size; `STILL` where that is next to nothing."""
    if sample.pair_luma is None:
        return STILL
    a, b = (_shrunk(plane, max(plane.shape) // 2) for plane in (sample.luma, sample.pair_luma))
    if cv2.absdiff(a, b).mean() < CHANGE_FLOOR:
        return STILL
    first = min(CELL, *a.shape) // 2
    cells = _flow(flow, a, b, None)[first::CELL, first::CELL]
    if np.quantile(np.abs(cells), 0.9) * 2 / SAMPLES_PER_SECOND / sample.pair_seconds < HINT_PIXELS:
        return STILL
    unit = 100 / max(a.shape) / sample.pair_seconds
    u, v = cv2.split(cells * unit)
    x, y = _positions(*a.shape)
    return fit_global(u, v, np.ones_like(x), x, y, FIT_TOLERANCE_PIXELS * unit)


def _start(hint: GlobalMotion, shape: tuple[int, int], seconds: float) -> Field:
    """Displacements in pixels (h, w, 2) to start from: the hint's where it goes far, else zero."""
    start = np.zeros((*shape, 2), np.float32)
    pixels = seconds * max(shape) / 100
    x, y = _positions(*shape, 1)
    if np.hypot(*hint.field(x[::CELL, ::CELL], y[::CELL, ::CELL])).max() * pixels >= HINT_PIXELS:
        start[..., 0], start[..., 1] = (component * pixels for component in hint.field(x, y))
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


def _step(flow: cv2.DISOpticalFlow, a: Plane, b: Plane, seconds: float, hint: GlobalMotion, texture: Field) -> _Step:
    unit = 100 / max(a.shape) / seconds
    first = min(CELL, *a.shape) // 2
    x, y = _positions(*a.shape)
    u, v = cv2.split(_flow(flow, a, b, _start(hint, a.shape, seconds))[first::CELL, first::CELL] * unit)
    corner = np.sqrt(_determinant(a, x.shape))
    weight = (corner / (corner + math.sqrt(CAMERA_DAMPING))).astype(np.float32)
    some = (slice(None, None, FIT_STRIDE), slice(None, None, FIT_STRIDE))
    camera = fit_global(u[some], v[some], weight[some], x[some], y[some], FIT_TOLERANCE_PIXELS * unit)
    moved, stands = undone(camera, b, seconds), still(u, v, weight)
    explained = explains(moved, a, b)
    seen = camera if explained and camera.agreement >= CAMERA_SUPPORT and camera.support > stands.support else stands
    if explained and camera.support >= CAMERA_SUPPORT:
        seen = camera
    else:
        camera, moved = STILL, b
    own_u, own_v, share = _own_motion(a, moved, seconds, x.shape)
    share *= texture / (texture + DAMPING) * camera.stays(x, y, seconds)
    return _Step(camera=camera, seen=seen, own_u=own_u * share, own_v=own_v * share, x=x, y=y)


def _own_motion(a: Plane, b: Plane, seconds: float, cells: tuple[int, int]) -> tuple[Field, Field, Field]:
    """Velocities and their credit (0-1), each of shape `cells`, where neighbouring pixels of `a` and `b` differ."""
    a, b = _shrunk(a, OWN_LONG_SIDE), _shrunk(b, OWN_LONG_SIDE)
    changed = cv2.blur(cv2.absdiff(cv2.blur(a, (3, 3)), cv2.blur(b, (3, 3))).astype(np.float32), (5, 5))
    if changed.max() <= CHANGE_FLOOR:
        nothing = np.zeros(cells, np.float32)
        return nothing, nothing, nothing.copy()
    unit = 100 / max(a.shape) / seconds
    # as EasyAnimate's reference has it, but for the finer levels
    field = cv2.calcOpticalFlowFarneback(
        a, b, None, pyr_scale=0.5, levels=0, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2, flags=0
    )
    u, v = cv2.split(cv2.resize(field, cells[::-1], interpolation=cv2.INTER_AREA) * unit)
    credit = np.minimum(1, OWN_LIMIT / np.maximum(np.hypot(u, v), 1e-6))
    credit[cv2.resize(changed, cells[::-1], interpolation=cv2.INTER_AREA) <= CHANGE_FLOOR] = 0
    return u, v, credit


@lru_cache(maxsize=8)
def _positions(height: int, width: int, cell: int = CELL) -> tuple[Field, Field]:
    """Where the cells lie: x and y in percent of the longer side from the picture's centre."""
    unit, first = 100 / max(height, width), min(cell, height, width) // 2
    x, y = np.meshgrid(
        ((np.arange(first, width, cell) - (width - 1) / 2) * unit).astype(np.float32),
        ((np.arange(first, height, cell) - (height - 1) / 2) * unit).astype(np.float32),
    )
    return x, y


def _shrunk(plane: Plane, long_side: int) -> Plane:
    """Brought down to `long_side` by averaging areas; a smaller plane is left alone."""
    height, width = plane.shape
    scale = min(1, max(1, long_side) / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk: Plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return shrunk


def _texture(sample: Sample) -> Field:
    """How well motion can be told in each cell of `sample.luma`: near 0 in flat areas and along straight edges.

    It is the determinant of the second-derivative moments, the matrix that Farneback's method inverts (Two-frame
    motion estimation based on polynomial expansion, 2003).
    """
    cells = _positions(*sample.luma.shape)[0].shape
    return _determinant(_shrunk(sample.picture.y, TEXTURE_LONG_SIDE), cells)


def _determinant(luma: Plane, cells: tuple[int, int]) -> Field:
    # in integers a fifth of the time; every second pixel each way still leaves a dozen for a cell
    second = (cv2.Sobel(luma, cv2.CV_16S, *order)[::2, ::2] for order in ((2, 0), (0, 2), (1, 1)))
    xx, yy, xy = (plane.astype(np.float32) / 4 for plane in second)
    moments = (xx * xx + xy * xy, xy * (xx + yy), xy * xy + yy * yy)
    g11, g12, g22 = (cv2.resize(g, cells[::-1], interpolation=cv2.INTER_AREA) for g in moments)
    determinant: Field = np.maximum(g11 * g22 - g12 * g12, 0)
    return determinant


def _speed(step: _Step, lasting: GlobalMotion) -> float:
    """Mean speed over the picture: the camera's lasting movement and, on top of it, what moves by itself."""
    u, v = lasting.field(step.x, step.y)
    return float(np.mean(np.hypot(u + step.own_u, v + step.own_v)))


def _trimmed_mean(values: Sequence[float]) -> float:
    """Without the lowest and highest eighth, at least one each; short clips keep all."""
    cut = max(1, len(values) // 8) if len(values) >= 5 else 0
    return float(np.mean(sorted(values)[cut : len(values) - cut]))
