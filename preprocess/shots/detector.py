"""Cut one stream of small frames into shots, while it is decoded, so that no frame of two shots ends up in one clip.

PySceneDetect proposes hard cuts; each is checked for flashes and fast motion, which fool it. `fades` and
`dissolves` find fades and dissolves, which it does not see. Answers come seconds late; memory stays bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from preprocess.io.bounds import above, at_least, check, one_of
from preprocess.shots import fades
from preprocess.shots.dissolves import blend_seeds, find_dissolve
from preprocess.shots.flashes import FLASH_FRAMES, is_change_of_light, is_flash, shines_over
from preprocess.shots.gradual_joins import GradualJoins
from preprocess.shots.hard_cuts import between_cuts, is_suspect
from preprocess.shots.pending import Pending
from preprocess.shots.proposals import DETECTORS, CutProposer
from preprocess.shots.shot import Shot, Transition
from preprocess.shots.track import Track
from preprocess.shots.wipes import is_swept, whole_extent

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotConfig:
    """How shots are told apart; part of a recipe, so plain values only."""

    detector: str = field(default="adaptive", metadata=one_of(*DETECTORS))
    """PySceneDetect's `adaptive` (AdaptiveDetector) or `content` (ContentDetector)."""
    adaptive_threshold: float = field(default=3.0, metadata=above(0))
    """`adaptive`: a cut's content score over the mean of its two neighbours on each side (PySceneDetect's default)."""
    min_content: float = field(default=15.0, metadata=above(0))
    """`adaptive`: lowest content score of a cut, mean HSV difference in levels (PySceneDetect's default)."""
    content_threshold: float = field(default=27.0, metadata=above(0))
    """`content`: lowest content score of a cut (PySceneDetect's default)."""
    verify_cuts: bool = True
    """Look at each proposed cut again and drop flashes and fast motion."""
    fades: bool = True
    dissolves: bool = True
    wipes: bool = True
    """Wipes of any shape, slides, pushes and covers."""
    margin_frames: int = field(default=1, metadata=at_least(0))
    """Frames, at up to 30 a second, dropped on each side of every transition, for cuts that are one frame off or fall
    into a blended frame."""

    def __post_init__(self) -> None:
        check(self)


class ShotDetector:
    """Feed it every frame in order; it returns shots as they become certain, about 5 s of film later.

    Frames are full-range YCbCr, uint8 (h, w, 3), long side at most about 160. It knows frame indices only.
    """

    def __init__(self, config: ShotConfig, fps: Fraction) -> None:
        if fps <= 0:
            raise ValueError(f"fps is {fps}, must be positive")
        self._config = config
        self._stride = max(1, round(fps / 30))  # a fade of 1 s has twice the frames at 60 fps
        self._margin = config.margin_frames * self._stride
        self._reach = fades.REACH_FRAMES * self._stride
        self._proposer = CutProposer(
            detector=config.detector,
            adaptive_threshold=config.adaptive_threshold,
            min_content=config.min_content,
            content_threshold=config.content_threshold,
        )
        self._track = Track()
        self._count = 0
        self._judged = 0  # every frame before it has been looked at as the middle of a fade or dissolve
        self._pending = Pending(
            self._track,
            verify_cuts=config.verify_cuts,
            stride=self._stride,
            margin=self._margin,
            reach=self._reach,
        )
        self._seeds: dict[int, int] = {}
        self._gradual = GradualJoins(self._stride, fps)
        self._no_dissolves: deque[tuple[int, int]] = deque(maxlen=8)
        self._solid_start: int | None = None
        self._solid_from = 0

    @property
    def transitions(self) -> list[Transition]:
        """Every final transition so far, in order."""
        return self._pending.transitions

    @property
    def open_start(self) -> int:
        """First clean frame of the open shot: no earlier frame will be asked for again."""
        return self._pending.open_start

    @property
    def settled(self) -> int:
        """Frames [open_start, settled) belong to the open shot whatever follows."""
        return max(self.open_start, self._pending.first(self._horizon()) - self._margin)

    def push(self, frame_ycbcr: Frame) -> list[Shot]:
        """Take the next frame; the shots that are complete and final now."""
        self._track.append(frame_ycbcr)
        self._pending.hard_cuts.extend(
            self._proposer.push(frame_ycbcr, suspect=is_suspect(self._track, self._count, self._stride))
        )
        self._count += 1
        if self._config.dissolves:
            self._seeds.update(blend_seeds(self._track, self._stride))
        if self._config.wipes:
            self._gradual.look(self._track)
        while self._judged < self._count - self._reach:
            self._judge(self._judged)
            self._judged += 1
        shots = self._pending.settle(self._horizon())
        self._track.forget_before(self._judged - 2 * self._reach)
        return shots

    def finish(self) -> list[Shot]:
        """After the last frame: the remaining shots, the open one included."""
        self._pending.hard_cuts.extend(self._proposer.finish())
        while self._judged < self._count:
            self._judge(self._judged)
            self._judged += 1
        if self._solid_start is not None:
            self._close_solid(self._count, self._count)
        shots = self._pending.settle(self._count + 1 + FLASH_FRAMES * self._stride)
        if self.open_start < self._count:
            shots.append(Shot(start=self.open_start, end=self._count))
            self._pending.open_start = self._count
        return shots

    def _horizon(self) -> int:
        """No transition that is still to be found begins before this frame."""
        horizon = max(0, self._judged - self._reach)
        return horizon if self._solid_start is None else min(horizon, self._solid_start)

    def _judge(self, at: int) -> None:
        """Look at one frame as the middle of a fade or dissolve; `reach` frames on either side are at hand."""
        half, seeds = self._seeds.pop(at, None), self._gradual.take(at)
        if self._config.fades and self._judge_fade(at):
            return
        if self._pending.blends and at < self._pending.blends[-1].end:
            return
        span = None if half is None else find_dissolve(self._track, at, half, self._reach, self._no_dissolves)
        if span is not None and not shines_over(self._track, *span, self._reach):
            if self._config.wipes and is_swept(self._track, max(self._track.first, span[0] - 1), span[1] - 1):
                whole = whole_extent(self._track, max(self._track.first, span[0] - 1), span[1] - 1)
                span = min(span[0], whole[0]), max(span[1], whole[1])
            self._pending.add(Transition(start=span[0], end=span[1], kind="dissolve"))
            return
        known = self._pending.blends[-1].end if self._pending.blends else 0
        span = self._gradual.find(self._track, at, seeds, self._reach, known) if self._config.wipes else None
        if span is not None:
            start, end = between_cuts(self._track, span, at, self._stride)
            if start < end:
                self._pending.add(Transition(start=start, end=end, kind="wipe"))

    def _judge_fade(self, at: int) -> bool:
        if self._track.is_solid(at):
            if self._solid_start is None:
                self._solid_start = fades.fade_start(self._track, at, self._reach)
                self._solid_from = at
            elif at - self._solid_from > self._reach:  # handed over in pieces: solid frames may go on for an hour
                self._pending.add(Transition(start=self._solid_start, end=at, kind="fade"))
                self._solid_start = self._solid_from = at
            return True
        if self._solid_start is not None:
            self._close_solid(fades.fade_end(self._track, at - 1, self._reach), at)
        elif fades.is_valley(self._track, at, self._reach):
            start, end = (walk(self._track, at, self._reach) for walk in (fades.fade_start, fades.fade_end))
            if not is_change_of_light(self._track, start, at, end):
                self._pending.add(Transition(start=start, end=end, kind="fade"))
        return False

    def _close_solid(self, end: int, solid_end: int) -> None:
        assert self._solid_start is not None
        start, self._solid_start = self._solid_start, None
        if not is_flash(self._track, start, end, (self._solid_from, solid_end), self._stride):
            self._pending.add(Transition(start=start, end=end, kind="fade"))
