"""What moves by itself, over and above the camera, and how far that is believed.

A movement counts where the picture changes by more than noise, the flow explains that change, and what arrives changes
the picture, too: then it counts fully, whatever the contrast. So the plain wall around a subject does not move with it,
but the plain places within it do (`flat`).
Half a second shows slow movement best, the short pair fast movement, which a half second loses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from filters.flow.camera import GlobalMotion
from filters.flow.flat import filled
from filters.flow.planes import Field
from filters.flow.small import found_again
from preprocess.median import median

WINDOW = 5
"""Pixels each way over which differences are averaged."""
FILLED = 9
"""Pixels: what does not change, narrower than this, between what does is part of it: a subject has flat places, too."""
NOISE_MARGIN = 1.6
"""Differences under so many times that of noise are noise."""
FAINT_SHARE = 0.05
"""Share of the clip's contrast that counts like noise: shadows on a wall, and what grain would hide."""
EXPLAINED = (0.2, 0.6)
"""Share of the change that the flow explains from which on it counts, and with which it counts fully."""
FAST = 4.0
"""Percent a second, at which the short pair and the half second count alike: it is half a pixel a short step."""
WHOLE_PIXEL = 1.0
"""Pixels of a short step: what goes less far is denied in proportion to its square, as parts of a pixel change fine
texture by as much as a wrong shift does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Floors:
    """Mean squared differences of two pictures, in squared grey levels."""

    noise: float
    """What noise makes."""
    change: float
    """What is no change yet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Two pictures, float32 (h, w), the flow from one to the other (h, w, 2) in pixels, and what the camera did."""

    before: Field
    after: Field
    flow: Field
    camera: GlobalMotion
    seconds: float
    places: tuple[Field, Field]
    """x and y of each pixel in percent of the longer side, from the centre."""

    @property
    def unit(self) -> float:
        """Percent a second that a pixel is."""
        return 100 / float(max(self.before.shape)) / self.seconds

    def camera_pixels(self) -> tuple[Field, Field]:
        """How far the camera moves each pixel, along x and y."""
        if self.camera.speed == 0:
            still = np.zeros_like(self.before)
            return still, still
        u, v = self.camera.field(*self.places)
        return u * np.float32(1 / self.unit), v * np.float32(1 / self.unit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Own:
    """Velocities over and above the camera's in percent a second, and how far they are believed, 0 to 1."""

    u: Field
    v: Field
    credit: Field
    unmoved: Field
    """Mean squared difference that the camera leaves."""
    after: Field
    """The later picture, in the light of the earlier one."""


def floors(noise: float, contrast: float) -> Floors:
    """For noise of this standard deviation, and pictures of this contrast."""
    faint = (FAINT_SHARE * contrast) ** 2
    return Floors(noise=2 * noise**2 + 0.1, change=NOISE_MARGIN * (2 * (noise**2 + faint) + 0.1))


def own_motion(stretch: Stretch, least: Floors, *, brief: bool = False) -> Own:
    """Where the camera leaves a change, and the flow explains it. `brief`: so short that small things stay near."""
    lighter = median(stretch.before[::4, ::4] - stretch.after[::4, ::4])
    after = stretch.after + np.float32(lighter)
    camera_u, camera_v = stretch.camera_pixels()
    back = after if stretch.camera.speed == 0 else _moved_back(after, camera_u, camera_v)
    unmoved = _around(stretch.before, back)
    changed = _changed(stretch.before - back, least)
    u, v = stretch.flow[..., 0] - camera_u, stretch.flow[..., 1] - camera_v
    if changed.any():
        gone = _moved_back(after, *cv2.split(stretch.flow))
        if brief:
            flow = cv2.merge((u, v))
            found = found_again(stretch.before, back, flow, changed > 0.5, (stretch.before - gone) ** 2)
            if found is not flow:
                u, v = cv2.split(found)
                gone = _moved_back(after, camera_u + u, camera_v + v)
        low, full = EXPLAINED
        moved = _around(stretch.before, gone)
        explained = (unmoved - moved) / np.maximum(unmoved - least.noise, 0.1)
        both = np.minimum(changed, _arrives(changed, u, v))
        credit = both * np.clip((explained - low) / (full - low), 0, 1)
        u, v, credit = filled(u, v, credit, (moved - unmoved) / np.float32(least.change))
    else:
        credit = changed
    return Own(u=u * stretch.unit, v=v * stretch.unit, credit=credit, unmoved=unmoved, after=after)


def joined(long: Own, short: Own, over_short: Stretch, least: Floors) -> tuple[Field, Field]:
    """Velocities that count: slow ones from the long stretch, fast ones from the short one.

    What the long one claims and the short one would show, but does not, was matched by chance: at a place that
    something uncovers or comes to.
    """
    camera_u, camera_v = over_short.camera_pixels()
    pixels = np.float32(1 / over_short.unit)
    claimed = (camera_u + long.u * pixels, camera_v + long.v * pixels)
    long_speed = cv2.magnitude(long.u, long.v)
    told = np.minimum(long_speed * (pixels / np.float32(WHOLE_PIXEL)), 1) ** 2
    denied = told * (_difference(over_short.before, short.after, *claimed) - short.unmoved)
    believed = long.credit * np.clip(1 - denied / least.change, 0, 1)
    speed = np.maximum(long_speed * believed, cv2.magnitude(short.u, short.v) * short.credit)
    fast = speed**2 / (speed**2 + FAST**2)
    slow_part, fast_part = (1 - fast) * believed, fast * short.credit
    scale = np.maximum(believed, short.credit) / np.maximum(slow_part + fast_part, 1e-6)
    slow_part, fast_part = slow_part * scale, fast_part * scale
    u: Field = slow_part * long.u + fast_part * short.u
    v: Field = slow_part * long.v + fast_part * short.v
    return u, v


def _difference(before: Field, after: Field, u: Field, v: Field) -> Field:
    """Mean squared difference around each pixel once `after` is moved back by u, v pixels."""
    return _around(before, _moved_back(after, u, v))


def _moved_back(after: Field, u: Field, v: Field) -> Field:
    x, y = _indices(after.shape)
    back: Field = cv2.remap(after, x + u, y + v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return back


def _around(before: Field, back: Field) -> Field:
    """Mean squared difference around each pixel."""
    difference = before - back
    averaged: Field = cv2.blur(difference * difference, (WINDOW, WINDOW))
    return averaged


def _changed(difference: Field, least: Floors) -> Field:
    """How far each pixel changes, 0 to 1."""
    smooth = cv2.GaussianBlur(difference, (3, 3), 0)
    changed = np.clip((smooth * smooth - least.change) / least.change, 0, 1)
    filled: Field = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, _FILLED)
    return filled


def _arrives(changed: Field, u: Field, v: Field) -> Field:
    """How far the place changes that a pixel comes to; 0 outside of the picture."""
    x, y = _indices(u.shape)
    there: Field = cv2.remap(changed, x + u, y + v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return there


@lru_cache(maxsize=4)
def _indices(shape: tuple[int, ...]) -> tuple[Field, Field]:
    """x and y of each pixel, to be read only."""
    y, x = np.indices(shape[:2], np.float32)
    return x, y


_FILLED = np.ones((FILLED, FILLED), np.uint8)
