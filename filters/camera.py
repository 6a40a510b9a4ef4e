"""What the camera did, from optical flow: the movement shared by the whole picture, and a word for it.

Lengths are in percent of the frame's longer side and positions in the same unit from the frame's centre, so nothing
here depends on resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

FIT_ROUNDS = 6
"""Reweighting rounds of the fit, each at half the scale of the one before."""
EVIDENT_WEIGHT = 0.03
"""Cells under this texture weight are flat: their flow was filled in from their neighbours and proves nothing."""
UNANIMOUS = 0.97
"""Where this share of the picture agrees, flat cells count as well: fog or a blurred pan has no evident texture."""
STATIC_SPEED = 0.5
"""Percent a second: a camera slower than this stands still (6 pixels a second at 1280x720)."""
MOVING_SPEED = 1.2
"""Percent a second from which a movement gets its name; in between it has none."""
SHAKY_SPEED = 2.0
"""Percent a second, root mean square, of translation that does not last."""
KNOWN_SHARE = 0.6
"""Share of the steps in which the camera must be clear for the clip to get a word."""
ZOOM_RADIUS = 25.0
"""Percent: mean distance from the centre of a 16:9 picture, where growth is compared with translation."""


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
    """Share of the picture that follows this movement, 0-1; flat areas count only where nearly all of it agrees."""

    def field(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Velocity at positions x, y."""
        return self.right + self.growth * x - self.turn * y, self.down + self.growth * y + self.turn * x


STILL = GlobalMotion(right=0.0, down=0.0, growth=0.0, turn=0.0, support=0.0)


def fit_global(u: Field, v: Field, weight: Field, x: Field, y: Field, tolerance: float) -> GlobalMotion:
    """The similarity that most of the weighted velocities (u, v) at (x, y) follow; all arrays have one shape.

    Iteratively reweighted least squares with Geman-McClure weights whose scale falls from twice the median residual
    to `tolerance`, so a moving subject does not pull the fit as long as it fills less than about half of the picture.
    """
    u, v, weight, x, y = (np.ravel(a) for a in (u, v, weight, x, y))
    if float(weight.sum()) < 1e-6 * weight.size:
        return STILL
    moments = np.stack([np.ones_like(x), x, y, u, v, x * x + y * y, x * u + y * v, x * v - y * u])
    right, down, growth, turn = _weighted_median(u, weight), _weighted_median(v, weight), 0.0, 0.0
    squared = (u - right) ** 2 + (v - down) ** 2
    scale = max(tolerance, 2 * _weighted_median(np.sqrt(squared), weight))
    for _ in range(FIT_ROUNDS):
        total, sx, sy, su, sv, sxx, sxu, sxv = (float(m) for m in moments @ (weight / (1 + squared / scale**2) ** 2))
        mx, my, mu, mv = sx / total, sy / total, su / total, sv / total
        spread = sxx - total * (mx * mx + my * my) + 1e-3 * total
        growth = (sxu - total * (mx * mu + my * mv)) / spread
        turn = (sxv - total * (mx * mv - my * mu)) / spread
        right, down = mu - growth * mx + turn * my, mv - growth * my - turn * mx
        squared = (u - right - growth * x + turn * y) ** 2 + (v - down - growth * y - turn * x) ** 2
        scale = max(tolerance, scale / 2)
    there = np.hypot(right + growth * x - turn * y, down + growth * y + turn * x)
    near = squared < (2 * tolerance + 0.2 * there) ** 2
    support = float(np.mean(near))
    if support < UNANIMOUS:
        support = float(np.mean(near & (weight > EVIDENT_WEIGHT)))
    return GlobalMotion(right=right, down=down, growth=growth, turn=turn, support=support)


def still_share(u: Field, v: Field, weight: Field) -> float:
    """Share of the textured cells that stand still, 0-1; 0 where nothing is textured."""
    textured = weight > EVIDENT_WEIGHT
    still = textured & (u * u + v * v < STATIC_SPEED**2)
    return float(still.sum() / max(1, textured.sum()))


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
        result.append(GlobalMotion(right=right, down=down, growth=growth, turn=turn, support=step.support))
    return result


def camera_word(steps: Sequence[GlobalMotion]) -> str | None:
    """What the camera does over these steps in time order: `static`, `pan_left`, `zoom_in`, `shaky` and the like.

    The direction is the camera's: content that moves left is `pan_right`. None where too few steps are clear, or
    where the movement is too slow to name and too fast to call static.
    """
    known = [step for step in steps if step.support >= 0.5]
    if not known or len(known) < KNOWN_SHARE * len(steps):
        return None
    lasting = smoothed(known)
    shake = np.sqrt(
        np.mean([(k.right - s.right) ** 2 + (k.down - s.down) ** 2 for k, s in zip(known, lasting, strict=True)])
    )
    right, down = float(np.mean([k.right for k in known])), float(np.mean([k.down for k in known]))
    zoom = ZOOM_RADIUS * float(np.mean([k.growth for k in known]))
    speed, word = max(
        (abs(right), "pan_right" if right < 0 else "pan_left"),
        (abs(down), "tilt_up" if down > 0 else "tilt_down"),
        (abs(zoom), "zoom_in" if zoom > 0 else "zoom_out"),
    )
    if shake >= max(SHAKY_SPEED, speed):
        return "shaky"
    if speed >= MOVING_SPEED:
        return word
    return "static" if speed < STATIC_SPEED and shake < STATIC_SPEED else None


def _weighted_median(values: Field, weight: Field) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(cumulated, cumulated[-1] / 2)]])
