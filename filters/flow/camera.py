"""What the camera did, from optical flow: the movement shared by the whole picture, and a word for it.

Lengths are in percent of the frame's longer side and positions in the same unit from the frame's centre, so nothing
here depends on resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.frames import Plane

Field = npt.NDArray[np.float32]

FIT_ROUNDS = 6
"""Reweighting rounds of the fit, each at half the scale of the one before."""
EVIDENT_WEIGHT = 0.045
"""Cells under this texture weight are flat: their flow was filled in from their neighbours and proves nothing."""
UNANIMOUS = 0.85
"""Where this share of the picture agrees, flat cells count as well: fog, a blurred pan and a zoom into little detail
have no evident texture."""
VOTE_MARGIN = 3
"""Grey levels by which a pixel must fit better to vote for the camera's movement or for standing still."""
VOTE_LEAD = 1.5
"""Votes for the camera's movement needed for each vote against it."""
LEAST_VOTES = 0.002
"""Share of the pixels that must vote for the camera's movement: noise alone casts a few votes."""
STATIC_SPEED = 0.5
"""Percent a second: a camera slower than this stands still (6 pixels a second at 1280x720)."""
MOVING_SPEED = 1.2
"""Percent a second from which a movement gets its name; in between it has none."""
SHAKY_SPEED = 2.0
"""Percent a second, root mean square, of translation that does not last."""
CLEAR_SUPPORT = 0.33
"""Share of the textured picture that must stand still in a clear step: on a tripod it is 0.35 and more of it, however
large the subject; under a camera that moves, under 0.3. One that does move needs far more to be believed."""
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
    agreement: float = 0.0
    """Share of the textured part of the picture that follows it, 0-1."""

    def field(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Velocity at positions x, y."""
        return self.right + self.growth * x - self.turn * y, self.down + self.growth * y + self.turn * x

    def stays(self, x: Field, y: Field, seconds: float) -> npt.NDArray[np.bool_]:
        """Whether what is at positions x, y is still in the picture that they span, `seconds` later."""
        u, v = self.field(x, y)
        inside: npt.NDArray[np.bool_] = (np.abs(x + u * seconds) <= x.max()) & (np.abs(y + v * seconds) <= y.max())
        return inside


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
    evident = weight > EVIDENT_WEIGHT
    support, agreed = float(np.mean(near)), int(np.count_nonzero(near & evident))
    if support < UNANIMOUS:
        support = agreed / near.size
    agreement = agreed / max(1, int(np.count_nonzero(evident)))
    return GlobalMotion(right=right, down=down, growth=growth, turn=turn, support=support, agreement=agreement)


def undone(camera: GlobalMotion, later: Plane, seconds: float) -> Plane:
    """A picture moved back by what the camera did in the `seconds` before it; its border is repeated."""
    height, width = later.shape
    scale = seconds * max(height, width) / 100
    growth, turn = camera.growth * seconds, camera.turn * seconds
    cx, cy = (width - 1) / 2, (height - 1) / 2
    to_later = np.array(
        [
            [1 + growth, -turn, camera.right * scale - growth * cx + turn * cy],
            [turn, 1 + growth, camera.down * scale - growth * cy - turn * cx],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(later, to_later, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(back, np.uint8)


def explains(moved_back: Plane, before: Plane, later: Plane) -> bool:
    """Whether `later` moved back is nearer to `before` than `later` itself, by a vote of the pixels."""
    before, later, moved_back = (cv2.blur(plane, (3, 3)) for plane in (before, later, moved_back))
    moved, stood = cv2.absdiff(before, moved_back), cv2.absdiff(before, later)
    for_camera = np.count_nonzero(cv2.subtract(stood, moved) >= VOTE_MARGIN)
    for_still = np.count_nonzero(cv2.subtract(moved, stood) >= VOTE_MARGIN)
    return bool(for_camera > max(VOTE_LEAD * for_still, LEAST_VOTES * before.size))


def still(u: Field, v: Field, weight: Field) -> GlobalMotion:
    """No movement, supported by the share of the textured cells that stand still; 0 where nothing is textured."""
    textured = weight > EVIDENT_WEIGHT
    standing = textured & (u * u + v * v < STATIC_SPEED**2)
    return replace(STILL, support=float(standing.sum() / max(1, textured.sum())))


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
    known = [step for step in steps if step.support >= CLEAR_SUPPORT]
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
