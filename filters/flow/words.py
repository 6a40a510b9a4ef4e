"""A word for what the camera does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from filters.flow.camera import LEVER, MOVING_RIM, STATIC_SPEED, GlobalMotion, smoothed

CLEAR_STANDS = 0.4
"""Share of what is evident towards the sides and the top that stands still in a clear step: what stands in the middle
may be a subject that is followed."""
CLEAR_SUPPORT = 0.6
"""Share that must follow a camera that moves."""
KNOWN_SHARE = 0.6
"""Share of the steps in which the camera must be clear for the clip to get a word."""
MOVING_SPEED = 1.2
"""Percent a second from which a movement gets its name."""
SLOW_SPEED = 0.6
"""Percent a second from which one gets its name that goes on all the time and outweighs all else."""
SHAKY_SPEED = 2.0
"""Percent a second, root mean square, of translation that does not last."""
HAND_TREMOR = 0.5
"""Percent a second, median, over short pairs: a hand holds the camera. On a tripod it is up to 0.4."""
CLEAR_TREMOR = 1.0
"""The same where half a second shows no camera."""
SHAKY_TREMOR = 4.0
"""Percent a second, median, over short pairs, where half a second shows no camera: steps of a walk, a run."""
RIM_SPEED = 1.5
"""Percent a second, over a short pair, up to which `rim_stands` takes things to stand."""
TREMOR_SUPPORT = 0.4
"""Share of what is evident that must follow the camera over a short pair: large subjects have no time to go far."""
SUBJECT_SHARE = 0.4
"""Share of the middle of the picture that stands still before a moving background in a tracking shot."""


def camera_word(steps: Sequence[GlobalMotion], shorts: Sequence[GlobalMotion]) -> str | None:
    """What the camera does over these steps in time order: `static`, `pan_left`, `zoom_in`, `shaky` and the like.

    The direction is the camera's: content that moves left is `pan_right`. `shorts` are its movements over the short
    pairs, which show a hand that trembles. None where too few steps are clear, or where no word is certain.
    """
    tremor = _tremor(shorts)
    known = [step for step in steps if _is_clear(step)]
    if not known or len(known) < KNOWN_SHARE * len(steps):
        rim_stands = float(np.median([short.rim_stands for short in shorts])) if shorts else 1.0
        if tremor is None or tremor < CLEAR_TREMOR or rim_stands > MOVING_RIM:
            return None
        return "shaky" if tremor >= SHAKY_TREMOR else "handheld"
    moves = np.array([(k.right, k.down, LEVER * k.growth, LEVER * k.turn) for k in known])
    shake = _rms(moves[:, :2] - np.array([(s.right, s.down) for s in smoothed(known)]))
    mean = moves.mean(axis=0)
    axis = int(np.argmax(np.abs(mean)))
    speed, wander = abs(float(mean[axis])), _rms(moves - mean)
    if shake >= max(SHAKY_SPEED, speed):
        return "shaky"
    if speed >= MOVING_SPEED or (speed >= SLOW_SPEED and wander < speed / 2):
        follows = axis < 2 and float(np.median([k.subject for k in known])) >= SUBJECT_SHARE
        return "tracking" if follows else WORDS[axis][int(mean[axis] > 0)]
    if speed < STATIC_SPEED and wander < STATIC_SPEED and (tremor is None or tremor < HAND_TREMOR):
        return "static"
    return "handheld" if tremor is not None and tremor >= HAND_TREMOR else None


def _tremor(shorts: Sequence[GlobalMotion]) -> float | None:
    """Median velocity over the short pairs, less what lasts; None where most of them are unclear."""
    clear = [short for short in shorts if _shows_hand(short)]
    if len(clear) < max(3, KNOWN_SHARE * len(shorts)):
        return None
    moves = np.array([(short.right, short.down) for short in clear])
    left = moves - np.array([(s.right, s.down) for s in smoothed(clear)])
    return float(np.median(np.hypot(left[:, 0], left[:, 1])))


WORDS = (
    ("pan_right", "pan_left"),
    ("tilt_down", "tilt_up"),
    ("zoom_out", "zoom_in"),
    ("roll_right", "roll_left"),
)
"""By axis: what the camera does where content moves left, up, shrinks, turns against the clock; and the opposite."""


def _shows_hand(short: GlobalMotion) -> bool:
    """Not where the rim stands, and what moves is a subject."""
    if short.rim_stands >= CLEAR_STANDS and short.speed > RIM_SPEED:
        return False
    return short.support >= TREMOR_SUPPORT or _is_clear(short)


def _is_clear(step: GlobalMotion) -> bool:
    if step.rim_stands >= CLEAR_STANDS and step.speed < STATIC_SPEED:
        return True
    follows = step.subject >= SUBJECT_SHARE and step.support >= 0.4
    return step.support + (step.stands if follows else 0.0) >= CLEAR_SUPPORT


def _rms(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))
