"""Cut one stream of small frames into shots, while it is decoded, so that no frame of two shots ends up in one clip.

PySceneDetect proposes hard cuts; each is checked for flashes and fast motion, which fool it. `transitions` and
`dissolves` find fades and dissolves, which it does not see. Answers come seconds late; memory stays bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from preprocess.io.bounds import above, at_least, check, one_of
from preprocess.shots import transitions as fades
from preprocess.shots.dissolves import blend_seeds, find_dissolve
from preprocess.shots.hard_cuts import DETECTORS, CutProposer, is_cut, is_flash

Frame = npt.NDArray[np.uint8]

REACH_FRAMES = 60
"""How far a fade or half a dissolve is followed from its middle, in frames at up to 30 a second: 2.5 s of film."""


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
    margin_frames: int = field(default=1, metadata=at_least(0))
    """Frames dropped on each side of every transition, for cuts that are one frame off or fall into a blended frame."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What lies between two shots. Frames [start, end) are clean frames of neither; a cut has start == end."""

    start: int
    end: int
    kind: str
    """`cut` (start is the later shot's first frame), `fade` or `dissolve`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """Clean frames [start, end) of one shot, indices in decoding order."""

    start: int
    end: int


class ShotDetector:
    """Feed it every frame in order; it returns shots as they become certain, about 5 s of film later.

    Frames are full-range YCbCr, uint8 (h, w, 3), long side at most about 160. It knows frame indices only.
    """

    def __init__(self, config: ShotConfig, fps: Fraction) -> None:
        if fps <= 0:
            raise ValueError(f"fps is {fps}, must be positive")
        self.transitions: list[Transition] = []
        """Every final transition so far, in order."""
        self.open_start = 0
        """First clean frame of the open shot: no earlier frame will be asked for again."""
        self._config = config
        self._stride = max(1, round(fps / 30))  # a fade of 1 s has twice the frames at 60 fps
        self._reach = REACH_FRAMES * self._stride
        self._proposer = CutProposer(
            detector=config.detector,
            adaptive_threshold=config.adaptive_threshold,
            min_content=config.min_content,
            content_threshold=config.content_threshold,
        )
        self._track = fades.Track()
        self._count = 0
        self._judged = 0  # every frame before it has been looked at as the middle of a fade or dissolve
        self._blends: deque[Transition] = deque()  # found, in order and apart, but not yet final
        self._hard_cuts: deque[int] = deque()  # proposed, in order
        self._seeds: dict[int, int] = {}
        self._solid_start: int | None = None
        self._solid_from = 0

    @property
    def settled(self) -> int:
        """Frames [open_start, settled) belong to the open shot whatever follows."""
        horizon = self._horizon()
        if self._blends:
            horizon = min(horizon, self._blends[0].start)
        if self._hard_cuts:
            horizon = min(horizon, self._hard_cuts[0])
        return max(self.open_start, horizon - self._config.margin_frames)

    def push(self, frame_ycbcr: Frame) -> list[Shot]:
        """Take the next frame; the shots that are complete and final now."""
        self._track.append(frame_ycbcr)
        self._hard_cuts.extend(self._proposer.push(frame_ycbcr))
        self._count += 1
        if self._config.dissolves:
            self._seeds.update(blend_seeds(self._track, self._stride))
        while self._judged < self._count - self._reach:
            self._judge(self._judged)
            self._judged += 1
        shots = self._settle(self._horizon())
        self._track.forget_before(self._judged - 2 * self._reach)
        return shots

    def finish(self) -> list[Shot]:
        """After the last frame: the remaining shots, the open one included."""
        self._hard_cuts.extend(self._proposer.finish())
        while self._judged < self._count:
            self._judge(self._judged)
            self._judged += 1
        if self._solid_start is not None:
            self._close_solid(self._count)
        shots = self._settle(self._count + 1)
        if self.open_start < self._count:
            shots.append(Shot(start=self.open_start, end=self._count))
            self.open_start = self._count
        return shots

    def _horizon(self) -> int:
        """No transition that is still to be found begins before this frame."""
        horizon = max(0, self._judged - self._reach)
        return horizon if self._solid_start is None else min(horizon, self._solid_start)

    def _judge(self, at: int) -> None:
        """Look at one frame as the middle of a fade or dissolve; `reach` frames on either side are at hand."""
        half = self._seeds.pop(at, None)
        if self._config.fades and self._judge_fade(at):
            return
        # A blend is proposed by many frames around its middle; looking at every second one finds it in half the time.
        if half is None or at % 2 or (self._blends and at < self._blends[-1].end):
            return
        span = find_dissolve(self._track, at, half, self._reach)
        if span is not None:
            self._add(Transition(start=span[0], end=span[1], kind="dissolve"))

    def _judge_fade(self, at: int) -> bool:
        if self._track.is_solid(at):
            if self._solid_start is None:
                self._solid_start = fades.fade_start(self._track, at, self._reach)
                self._solid_from = at
            elif at - self._solid_from > self._reach:  # handed over in pieces: solid frames may go on for an hour
                self._add(Transition(start=self._solid_start, end=at, kind="fade"))
                self._solid_start = self._solid_from = at
            return True
        if self._solid_start is not None:
            self._close_solid(fades.fade_end(self._track, at - 1, self._reach))
        elif fades.is_valley(self._track, at, self._reach):
            start = fades.fade_start(self._track, at, self._reach)
            self._add(Transition(start=start, end=fades.fade_end(self._track, at, self._reach), kind="fade"))
        return False

    def _close_solid(self, end: int) -> None:
        assert self._solid_start is not None
        start, self._solid_start = self._solid_start, None
        if not is_flash(self._track, start, end, self._stride):
            self._add(Transition(start=start, end=end, kind="fade"))

    def _add(self, blend: Transition) -> None:
        """Queue a fade or dissolve; what it touches or overlaps becomes one transition with it."""
        while self._blends and self._blends[-1].end + 2 >= blend.start:
            last = self._blends.pop()
            kind = "fade" if "fade" in (last.kind, blend.kind) else "dissolve"
            blend = Transition(start=min(last.start, blend.start), end=max(last.end, blend.end), kind=kind)
        if self.transitions and self.transitions[-1].kind != "cut" and self.transitions[-1].end >= blend.start:
            last = self.transitions.pop()
            blend = Transition(start=last.start, end=blend.end, kind=last.kind)
        if fades.passes_solid(self._track, blend.start, blend.end):
            blend = replace(blend, kind="fade")
        self._blends.append(blend)

    def _settle(self, horizon: int) -> list[Shot]:
        """Make final, in order, the transitions that end before `horizon`: nothing found later can reach them.

        So is one that has gone on for very long (a black hour), lest the shot before it waits; `_add` prolongs it.
        """
        shots: list[Shot] = []
        while self._blends or self._hard_cuts:
            blend = self._blends[0] if self._blends else None
            cut = self._hard_cuts[0] if self._hard_cuts else None
            if cut is not None and (blend is None or cut < blend.start - 1):
                if cut >= horizon:
                    break
                self._hard_cuts.popleft()
                if not self._config.verify_cuts or is_cut(self._track, cut, self._stride):
                    self._close(Transition(start=cut, end=cut, kind="cut"), shots)
            else:
                assert blend is not None
                if blend.end >= horizon and blend.start >= horizon - 2 * self._reach:
                    break
                while self._hard_cuts and self._hard_cuts[0] <= blend.end + 1:
                    self._hard_cuts.popleft()
                self._close(self._blends.popleft(), shots)
        return shots

    def _close(self, transition: Transition, shots: list[Shot]) -> None:
        """End the open shot with a transition and open the next one after it."""
        self.transitions.append(transition)
        end = transition.start - self._config.margin_frames
        if end > self.open_start:
            shots.append(Shot(start=self.open_start, end=end))
        self.open_start = min(self._count, transition.end + self._config.margin_frames)
