"""How much moves in a clip and what the camera does, from dense optical flow between the sampled frames.

Flow (DIS) runs twice from a sample, over small pictures in which contrast is made equal: to the next sample, half a
second later, and to the frame a twelfth of a second later. The half second shows slow movement, averages shake out and
sees film on twos and threes move; the short pair sees what is fast. The movement that most of what is evident follows
is the camera's; what moves over and above it counts where the picture changes by more than noise and the flow explains
that change, whatever its contrast: so light, grain and focus have next to no say.

The truth is synthetic motion over real textures (`benchmarks/truth/motion.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np

from filters.base import ColumnType, Score, Scorer
from filters.flow.camera import STILL, GlobalMotion, fit_camera, smoothed
from filters.flow.own import FAST, Floors, Own, Stretch, floors, joined, own_motion
from filters.flow.planes import Field, Seen, Small, seen, stretched
from filters.flow.words import camera_word
from preprocess.flow import displacements
from preprocess.frames import FrameSignals, FrameView, Sample

CELL = 4
"""The camera is fitted to flow read once in 4x4 pixels, in some 400 of them."""
FINEST_SCALE = 1
"""Halvings of the picture at which DIS stops. 0 takes four times as long and errs more on what is faint."""
EDGE_CELLS = 2
"""Cells at the edge that say nothing of the camera: their flow was found further in, so that zooms and rolls measure 5
to 7 % too slow with them."""
TOLERANCE_PIXELS = 0.075
"""Precision of DIS on clean texture, per step."""
CAMERA_SUPPORT = (0.4, 0.6)
"""Share of what is evident that follows a movement from which on it is the camera's in part, and altogether: what is
too flat to tell moves with the camera, and half a sky should not come and go with noise."""
LOST_SUPPORT = 0.2
"""Where less of what is evident follows one movement over a short pair, it is looked for once more, further away."""
HINT_PIXELS = 2.0
"""From this displacement in half a second on, flow starts from the movement seen in the short pair, not from zero."""
LOST_PERCENT = 30.0
"""A picture that shifts further than this in a step is measured over the short pair: the samples share too little."""
ALL_STEPS = 6
"""Clips of more steps have what moves by itself measured at every second one: it ranks clips alike (0.98)."""
SAME_PAIR = 0.05
"""Grey levels: a short pair that differs by less on average shows one frame twice, as film on threes does."""
BREAK_CHANGE = 15.0
"""Frame difference (see `FrameSignals.change`) that may be a cut or a flash when it also stands out in the clip."""


@dataclass(frozen=True, slots=True)
class MotionScorer(Scorer):
    """`motion`: mean speed over the picture, in percent of the frame's longer side per second; `camera`: a word.

    Independent of resolution, frame rate, light, noise and focus. EasyAnimate's score (arXiv 2405.18991, section 3:
    mean Farneback magnitude in pixels a half second at full size) has the unit `motion * long_side / 200`; Farneback's
    method reads low on what is faint, soft or fast. What changes without moving (light, a shadow on a wall, what is
    lost in noise) does not count. Shake cancels out, and steps over a cut or a flash are left out. Both are None for a
    clip of which only one frame was sampled.
    """

    name: ClassVar[str] = "motion"
    columns: ClassVar[Mapping[str, ColumnType]] = {"motion": float, "camera": str}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "motion": (
            "% of the longer side per s",
            "mean speed over the picture, whatever its light, contrast, noise and focus; shake cancels out, jumps"
            " are left out. EasyAnimate's pixels per half second at full size are `motion * long_side / 200`, "
            "where its flow sees all that moves",
        ),
        "camera": (
            "",
            "`static`, `pan_left`, `pan_right`, `tilt_up`, `tilt_down`, `zoom_in`, `zoom_out`, `roll_left`, "
            "`roll_right` (the camera leans to that side), `tracking` (a subject stays where it is, the "
            "background moves), `handheld`, `shaky`, or null where unclear",
        ),
    }
    timed: ClassVar[tuple[str, ...]] = ("motion", "camera")

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Flow over each half second of the clip, about 2 ms a step."""
        clip = _Clip(view)
        if not clip.steps:
            return {"motion": None, "camera": None}
        moves = [clip.camera(step) for step in clip.steps]
        steps = [clip.rescued(step, move) for step, move in zip(clip.steps, moves, strict=True)]
        chosen = range(0, len(steps), 1 if len(steps) <= ALL_STEPS else 2)
        lasting = smoothed([_believed(move).steady(step.seconds) for step, move in steps])
        speeds = [clip.speed(*steps[n], lasting[n]) for n in chosen]
        steady = [move.steady(step.seconds) for step, move in zip(clip.steps, moves, strict=True)]
        return {"motion": float(np.mean(speeds)), "camera": camera_word(steady, clip.shorts)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """Two pictures of the clip: sample `number` and, `seconds` later, the next one or, `over_pair`, its short pair."""

    number: int
    seconds: float
    before: Small
    after: Small
    over_pair: bool = False


class _Clip:
    """The pictures of one clip, and the flow between them."""

    def __init__(self, view: FrameView) -> None:
        self._samples = view.samples
        self._seen: Seen = seen([s.luma for s in view.samples], [s.pair_luma for s in view.samples])
        self._floors: Floors = floors(self._seen.noise, self._seen.contrast)
        shape = self._seen.samples[0].luma.shape
        self._cells, self._places = _positions(*shape), _positions(*shape, 1)
        # One that always gets a start and one that never does: DIS crashes when a single object sees both.
        self._started, self._unstarted = _dis(), _dis()
        self._flows: dict[int, Field] = {}
        shorts = [self._short(number) for number in range(len(view.samples))]
        self._short_flows = [flow for flow, _ in shorts]
        self.shorts = [camera for _, camera in shorts]
        """The camera over each sample's short pair; `STILL` without support where there is none."""
        self._hints = self._found_hints()
        self.steps = self._found_steps(view.signals)

    def camera(self, step: _Step) -> GlobalMotion:
        """What the camera does in a step."""
        if step.over_pair:
            return self.shorts[step.number]
        shape = step.before.luma.shape
        start = np.zeros((*shape, 2), np.float32)
        pixels = step.seconds * max(shape) / 100
        hint = self._hints[step.number]
        if hint is not STILL:
            start[..., 0], start[..., 1] = (part * np.float32(pixels) for part in hint.field(*self._places))
        flow = displacements(self._started, step.before.even, step.after.even, start)
        self._flows[step.number] = flow
        return self._fitted(flow, step.before, step.seconds)

    def rescued(self, step: _Step, camera: GlobalMotion) -> tuple[_Step, GlobalMotion]:
        """The step, or where a fast camera was lost in it, its short pair. What shakes comes to nothing there, too."""
        short = self.shorts[step.number]
        lost = camera.support < CAMERA_SUPPORT[0] and short.support >= CAMERA_SUPPORT[1] and short.speed > FAST
        if step.over_pair or not lost:
            return step, camera
        return self._over_pair(step), self._hints[step.number]

    def speed(self, step: _Step, camera: GlobalMotion, lasting: GlobalMotion) -> float:
        """Mean speed over the picture: the camera's lasting movement and, on top of it, what moves by itself."""
        short = self._own_over_pair(step.number)
        shaken = camera.speed > FAST and self.shorts[step.number].support < CAMERA_SUPPORT[0] <= camera.support
        u, v = lasting.field(*self._places)
        if step.over_pair:
            own = None if short is None else short[1]
            own_u, own_v = (0, 0) if own is None else (own.u * own.credit, own.v * own.credit)
        else:
            stretch = Stretch(
                before=step.before.luma,
                after=step.after.luma,
                flow=self._flows[step.number],
                camera=_believed(camera),
                seconds=step.seconds,
                places=self._places,
            )
            own = own_motion(stretch, self._floors)
            if short is None or shaken:
                own_u, own_v = own.u * own.credit, own.v * own.credit
            else:
                own_u, own_v = joined(own, short[1], short[0], self._floors)
        return float(np.mean(cv2.magnitude(u + own_u, v + own_v)))

    def _own_over_pair(self, number: int) -> tuple[Stretch, Own] | None:
        """What moves by itself in a short pair; None where it shows one frame twice or there is none."""
        flow, pair, first = self._short_flows[number], self._seen.pairs[number], self._seen.samples[number]
        if flow is None or pair is None or cv2.norm(first.luma, pair.luma, cv2.NORM_L1) < SAME_PAIR * pair.luma.size:
            return None
        stretch = Stretch(
            before=first.luma,
            after=pair.luma,
            flow=flow,
            camera=_believed(self.shorts[number]),
            seconds=self._samples[number].pair_seconds,
            places=self._places,
        )
        return stretch, own_motion(stretch, self._floors, brief=True)

    def _short(self, number: int) -> tuple[Field | None, GlobalMotion]:
        """Flow and camera over a short pair; where nothing follows one movement, the camera may have gone too far."""
        pair, first = self._seen.pairs[number], self._seen.samples[number]
        if pair is None:
            return None, STILL
        seconds = self._samples[number].pair_seconds
        flow = displacements(self._unstarted, first.even, pair.even)
        camera = self._fitted(flow, first, seconds)
        if camera.support < LOST_SUPPORT:
            far_flow = displacements(self._unstarted, *stretched(first, pair))
            far = self._fitted(far_flow, first, seconds)
            if far.support >= CAMERA_SUPPORT[1]:
                return far_flow, far
        return flow, camera

    def _fitted(self, flow: Field, small: Small, seconds: float) -> GlobalMotion:
        shape = small.luma.shape
        unit = np.float32(100 / max(shape) / seconds)
        first = min(CELL, *shape) // 2
        u, v = cv2.split(flow[first::CELL, first::CELL] * unit)
        evidence = self._seen.evidence(small)[first::CELL, first::CELL]
        inner = (slice(EDGE_CELLS, -EDGE_CELLS),) * 2 if min(u.shape) > 4 * EDGE_CELLS else (slice(None),) * 2
        x, y = self._cells
        return fit_camera(u[inner], v[inner], evidence[inner], x[inner], y[inner], TOLERANCE_PIXELS * float(unit))

    def _found_hints(self) -> list[GlobalMotion]:
        """The movement over each short pair where it goes far and adds up: shake comes to nothing over half a second,
        and is a wrong start for it."""
        pixels = 0.5 * max(self._seen.samples[0].luma.shape) / 100
        hints = [short if short.speed * pixels > HINT_PIXELS else STILL for short in self.shorts]
        moves = np.array([(hint.right, hint.down) for hint in hints])
        adds_up = np.hypot(*moves.mean(axis=0)) >= np.hypot(*moves.T).mean() / 2
        return hints if adds_up else [STILL] * len(hints)

    def _found_steps(self, signals: FrameSignals) -> list[_Step]:
        """From sample to sample; over the short pair where that is all there is, or where the picture flies."""
        numbers = list(pairwise(range(len(self._samples))))
        sudden = _sudden_change(signals)
        whole = [pair for pair in numbers if not _is_broken(signals, [self._samples[n] for n in pair], sudden)]
        lasting = smoothed(self._hints)
        steps = []
        for number, after in whole or numbers:
            seconds = self._samples[after].seconds - self._samples[number].seconds
            step = _Step(
                number=number, seconds=seconds, before=self._seen.samples[number], after=self._seen.samples[after]
            )
            flies = math.hypot(lasting[number].right, lasting[number].down) * seconds > LOST_PERCENT
            steps.append(self._over_pair(step) if flies else step)
        if not numbers and self._seen.pairs[0] is not None:
            first = self._seen.samples[0]
            steps.append(self._over_pair(_Step(number=0, seconds=0.5, before=first, after=first)))
        return steps

    def _over_pair(self, step: _Step) -> _Step:
        pair = self._seen.pairs[step.number]
        if pair is None:
            return step
        return replace(step, seconds=self._samples[step.number].pair_seconds, after=pair, over_pair=True)


def _believed(camera: GlobalMotion) -> GlobalMotion:
    """As much of a movement as there is support for."""
    low, full = CAMERA_SUPPORT
    part = min(1.0, max(0.0, (camera.support - low) / (full - low)))
    return replace(
        camera, right=part * camera.right, down=part * camera.down, growth=part * camera.growth, turn=part * camera.turn
    )


def _dis() -> cv2.DISOpticalFlow:
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow.setFinestScale(FINEST_SCALE)
    return flow


def _sudden_change(signals: FrameSignals) -> float:
    """Frame difference above which a frame differs from the one before it as no ordinary frame of this clip does."""
    if len(signals.change) < 2:
        return math.inf
    return max(BREAK_CHANGE, 3 * float(np.nanquantile(signals.change, 0.9)))


def _is_broken(signals: FrameSignals, pair: Sequence[Sample], sudden: float) -> bool:
    """Whether a frame between two samples differs from the one before it by more than `sudden`."""
    before, after = pair
    within = (signals.seconds > before.seconds) & (signals.seconds <= after.seconds)
    return bool(within.any() and np.nanmax(signals.change[within]) > sudden)


@lru_cache(maxsize=8)
def _positions(height: int, width: int, cell: int = CELL) -> tuple[Field, Field]:
    """Where the cells lie: x and y in percent of the longer side from the picture's centre."""
    unit, first = 100 / max(height, width), min(cell, height, width) // 2
    x, y = np.meshgrid(
        ((np.arange(first, width, cell) - (width - 1) / 2) * unit).astype(np.float32),
        ((np.arange(first, height, cell) - (height - 1) / 2) * unit).astype(np.float32),
    )
    return x, y
