"""What the camera did, from optical flow: the movement shared by the whole picture.

Lengths are in percent of the frame's longer side and positions in the same unit from the frame's centre, so nothing
here depends on resolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from filters.flow.planes import Field

FIT_ROUNDS = 6
"""Reweighting rounds of the fit, each at half the scale of the one before."""
RIM = 0.6
"""Of the way from the centre to an edge. Further out is more often background: it counts `1 + RIM_WEIGHT` times."""
RIM_WEIGHT = 2.0
UNANIMOUS = 0.85
"""Where this share of the picture agrees, cells without evidence count as well: fog, a blurred pan and a zoom into
little detail have none."""
LEAST_AREA = 0.25
"""Share of the picture that must show the camera's movement, and be seen to."""
LEAST_WIDTH = 0.75
"""What moves with the camera is spread over the picture's width so far (1: evenly), or over width and height so far
that the product is over `LEAST_SPREAD`; a subject in the middle, before a wall that shows nothing, is not."""
LEAST_SPREAD = 0.45
DOUBT = 0.1
"""Evidence, as a share of what a picture can hold, that speaks against any movement: what is flat may stand still."""
EVIDENT = 0.15
"""Evidence from which a cell counts as seen."""
STATIC_SPEED = 0.5
"""Percent a second: a camera slower than this stands still (6 pixels a second at 1280x720)."""
MOVING_RIM = 0.25
"""Share of what is evident towards the sides and the top that may stand still where the camera moves, and no more: else
a subject was taken for the camera."""
LEVER = 25.0
"""Percent: mean distance from the centre of a 16:9 picture, at which growth and turn are compared with translation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalMotion:
    """A similarity that the picture follows over a step, as velocities: what moves is the content, not the camera."""

    right: float
    """Percent of the longer side per second."""
    down: float
    """Percent of the longer side per second."""
    growth: float
    """Rate of enlargement per second: 0.1 makes things 10 % larger each second."""
    turn: float
    """Clockwise radians per second."""
    support: float
    """Share of what is evident that follows this movement, 0-1."""
    stands: float = 0.0
    """Share of what is evident that stands still."""
    rim_stands: float = 0.0
    """Share of what is evident towards the sides and the top, where a subject seldom is, that is slower than
    `STATIC_SPEED`."""
    subject: float = 0.0
    """Share of the middle of the picture that stands still while the rest moves on."""

    @property
    def speed(self) -> float:
        """Percent a second, of all that it does."""
        return math.hypot(self.right, self.down) + LEVER * (abs(self.growth) + abs(self.turn))

    def field(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Velocity at positions x, y."""
        right, down, growth, turn = (np.float32(part) for part in (self.right, self.down, self.growth, self.turn))
        return right + growth * x - turn * y, down + growth * y + turn * x

    def steady(self, seconds: float) -> GlobalMotion:
        """The movement that, kept up all the time, becomes this one over `seconds`: growth is compounded."""
        return replace(self, growth=math.log(max(0.05, 1 + self.growth * seconds)) / seconds)


STILL = GlobalMotion(right=0.0, down=0.0, growth=0.0, turn=0.0, support=0.0)


def fit_camera(u: Field, v: Field, evidence: Field, x: Field, y: Field, tolerance: float) -> GlobalMotion:
    """The movement of the camera by velocities (u, v) at (x, y), told with `evidence` 0-1; all arrays (h, w).

    `tolerance` is the precision of the velocities. Standing still is preferred where as much speaks for it. Support is
    0 where what moves may be a subject, or shows too little.
    """
    across, high = np.abs(x), np.abs(y)
    aside = across > RIM * across.max()
    rim = aside | (high > RIM * high.max())
    weight = evidence * (1 + np.float32(RIM_WEIGHT) * rim)
    motion = fit_global(u, v, weight, x, y, tolerance)
    there_u, there_v = motion.field(x, y)
    near = (u - there_u) ** 2 + (v - there_v) ** 2 < (2 * tolerance + 0.2 * np.hypot(there_u, there_v)) ** 2
    squared = u * u + v * v
    standing = squared < (2 * tolerance) ** 2
    total = float(weight.sum()) + 1e-6
    support = float(weight[near].sum()) / (total + DOUBT * weight.size)
    stands = float(weight[standing].sum()) / total
    outside = aside | (y < RIM * y.min())
    slow = max(STATIC_SPEED, 2 * tolerance)
    rim_stands = float(evidence[outside & (squared < slow**2)].sum()) / (float(evidence[outside].sum()) + 1e-6)
    motion = replace(motion, stands=stands, rim_stands=rim_stands)
    if motion.speed <= 2 * tolerance:
        return replace(motion, support=stands)
    followed = np.count_nonzero(near) / near.size
    everywhere = followed >= UNANIMOUS
    evident = near & (evidence > EVIDENT)
    if not everywhere and not (
        np.count_nonzero(evident) >= LEAST_AREA * evident.size and _is_spread(evidence * near, x, y)
    ):
        support = 0.0
    if stands >= support or (rim_stands > MOVING_RIM and motion.speed > 2 * slow):
        return replace(STILL, support=stands, stands=stands, rim_stands=rim_stands)
    if everywhere:
        support = max(support, followed)
    return replace(motion, support=support, subject=_subject(u, v, there_u, there_v, evidence, x, y))


def fit_global(u: Field, v: Field, weight: Field, x: Field, y: Field, tolerance: float) -> GlobalMotion:
    """The similarity that most of the weighted velocities (u, v) at (x, y) follow; all arrays have one shape.

    Iteratively reweighted least squares with Geman-McClure weights whose scale falls from twice the median residual
    to `tolerance`, so a moving subject does not pull the fit as long as it fills less than about half of the picture.
    """
    u, v, weight, x, y = (np.ravel(a) for a in (u, v, weight, x, y))
    if float(weight.sum()) < 1e-6 * weight.size:
        return STILL
    moments = np.empty((8, x.size), np.result_type(x, u))  # `np.stack` of as many costs more
    moments[0] = 1
    moments[1], moments[2], moments[3], moments[4] = x, y, u, v
    moments[5], moments[6], moments[7] = x * x + y * y, x * u + y * v, x * v - y * u
    right, down, growth, turn = _weighted_median(u, weight), _weighted_median(v, weight), 0.0, 0.0
    squared = (u - right) ** 2 + (v - down) ** 2
    scale = max(tolerance, 2 * _weighted_median(np.sqrt(squared), weight))
    for _ in range(FIT_ROUNDS):
        total, sx, sy, su, sv, sxx, sxu, sxv = (moments @ (weight / (1 + squared / scale**2) ** 2)).tolist()
        mx, my, mu, mv = sx / total, sy / total, su / total, sv / total
        spread = sxx - total * (mx * mx + my * my) + 1e-3 * total
        growth = (sxu - total * (mx * mu + my * mv)) / spread
        turn = (sxv - total * (mx * mv - my * mu)) / spread
        right, down = mu - growth * mx + turn * my, mv - growth * my - turn * mx
        squared = (u - right - growth * x + turn * y) ** 2 + (v - down - growth * y - turn * x) ** 2
        scale = max(tolerance, scale / 2)
    return GlobalMotion(right=right, down=down, growth=growth, turn=turn, support=0.0)


def smoothed(steps: Sequence[GlobalMotion]) -> list[GlobalMotion]:
    """Each step's motion averaged with two neighbours on either side, weighted 1 2 3 2 1.

    Shake goes back and forth and so cancels (an alternating one to a ninth); a pan lasts and so stays.
    """
    values = np.array([(s.right, s.down, s.growth, s.turn) for s in steps])
    result = []
    for n, step in enumerate(steps):
        around = [m for m in range(n - 2, n + 3) if 0 <= m < len(steps)]
        kernel = np.array([3 - abs(m - n) for m in around], float)
        right, down, growth, turn = (kernel / kernel.sum()) @ values[around]
        result.append(replace(step, right=float(right), down=float(down), growth=float(growth), turn=float(turn)))
    return result


def _is_spread(weight: Field, x: Field, y: Field) -> bool:
    """Whether what is weighted reaches over the picture."""
    total = float(weight.sum()) + 1e-6
    spreads = []
    for place in (x, y):
        mean = float((weight * place).sum()) / total
        variance = float((weight * (place - mean) ** 2).sum()) / total
        spreads.append(math.sqrt(12 * variance) / (float(np.ptp(place)) + 1e-6))
    return spreads[0] > LEAST_WIDTH or spreads[0] * spreads[1] > LEAST_SPREAD


def _subject(u: Field, v: Field, there_u: Field, there_v: Field, evidence: Field, x: Field, y: Field) -> float:
    """How much of what is evident in the middle third each way does not move on with the camera.

    0 where what stands still reaches the sides: that is the distance, not a subject.
    """
    standing = (u * u + v * v < 0.1 * (there_u**2 + there_v**2)) & (evidence > EVIDENT)
    across, high = np.abs(x) / (np.abs(x).max() + 1e-6), np.abs(y) / (np.abs(y).max() + 1e-6)
    middle = (across < 1 / 3) & (high < 1 / 3)
    rim = across > 0.8
    seen_in_middle, seen_at_rim = int((middle & (evidence > EVIDENT)).sum()), int((rim & (evidence > EVIDENT)).sum())
    if seen_in_middle == 0 or int((rim & standing).sum()) > 0.1 * seen_at_rim:
        return 0.0
    return float((middle & standing).sum()) / seen_in_middle


def _weighted_median(values: Field, weight: npt.NDArray[np.float32]) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(cumulated, cumulated[-1] / 2)]])
