"""Transitions that are found but not yet final: in order, joined where they touch, and then made the ends of shots."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from preprocess.shots.fades import passes_solid
from preprocess.shots.flashes import FLASH_FRAMES, returns
from preprocess.shots.hard_cuts import find_cut
from preprocess.shots.shot import Shot, Transition
from preprocess.shots.track import Track


class Pending:
    """What was found among the frames of a track, and how far shots are closed."""

    def __init__(self, track: Track, *, verify_cuts: bool, stride: int, margin: int, reach: int) -> None:
        """`margin`: frames left out on each side of a transition; `reach`: how far one is looked for."""
        self.transitions: list[Transition] = []
        """Every final transition so far, in order."""
        self.open_start = 0
        """First clean frame of the open shot."""
        self.blends: deque[Transition] = deque()
        """In order and apart."""
        self.hard_cuts: deque[int] = deque()
        """Proposed, in order."""
        self._track = track
        self._verify = verify_cuts
        self._stride = stride
        self._margin = margin
        self._reach = reach

    def first(self, horizon: int) -> int:
        """Where the first of all begins, or the horizon where that is earlier."""
        if self.blends:
            horizon = min(horizon, self.blends[0].start)
        return min(horizon, self.hard_cuts[0]) if self.hard_cuts else horizon

    def add(self, blend: Transition) -> None:
        """Queue a fade or dissolve; what it touches or overlaps becomes one transition with it."""
        while self.blends and self.blends[-1].end + 2 >= blend.start:
            last = self.blends.pop()
            kind = next(kind for kind in ("fade", "dissolve", "wipe") if kind in (last.kind, blend.kind))
            blend = Transition(start=min(last.start, blend.start), end=max(last.end, blend.end), kind=kind)
        if self.transitions and self.transitions[-1].kind != "cut" and self.transitions[-1].end >= blend.start:
            last = self.transitions.pop()
            blend = Transition(start=last.start, end=blend.end, kind=last.kind)
        if passes_solid(self._track, blend.start, blend.end):
            blend = replace(blend, kind="fade")
        self.blends.append(blend)

    def settle(self, horizon: int) -> list[Shot]:
        """Make final, in order, the transitions that end before `horizon`: nothing found later can reach them.

        So is one that has gone on for very long (a black hour), lest the shot before it waits; `add` prolongs it.
        """
        shots: list[Shot] = []
        while self.blends or self.hard_cuts:
            blend = self.blends[0] if self.blends else None
            cut = self.hard_cuts[0] if self.hard_cuts else None
            if cut is not None and (blend is None or cut < blend.start - 1):
                if cut + FLASH_FRAMES * self._stride >= horizon:
                    break
                self.hard_cuts.popleft()
                if not self._verify:
                    self._close(Transition(start=cut, end=cut, kind="cut"), shots)
                    continue
                flash_end = returns(self._track, cut, self._stride)
                if flash_end is not None:
                    self._pass_over(flash_end)
                    continue
                span = find_cut(self._track, cut, self._stride)
                if span is not None:
                    self._close(self._swallowed(*span), shots)
            else:
                assert blend is not None
                if blend.end >= horizon and blend.start >= horizon - 2 * self._reach:
                    break
                self._close(self._with_cuts(self.blends.popleft()), shots)
        return shots

    def _swallowed(self, start: int, end: int) -> Transition:
        """A cut, or one that takes some frames, with all that was found within or beside those."""
        if start == end:
            return Transition(start=start, end=end, kind="cut")
        while self.blends and self.blends[0].start <= end + 1:
            end = max(end, self.blends.popleft().end)
        self._pass_over(end)
        return Transition(start=start, end=end, kind="fade")

    def _with_cuts(self, blend: Transition) -> Transition:
        """A blend with the cuts in it, and those at its end, which may be of more frames."""
        end = blend.end
        for cut in [cut for cut in self.hard_cuts if blend.end <= cut <= blend.end + 1]:
            span = find_cut(self._track, cut, self._stride)
            end = end if span is None else max(end, span[1])
        self._pass_over(max(blend.end + 1, end))
        return replace(blend, end=min(end, self._track.end))

    def _pass_over(self, last: int) -> None:
        """Forget the cuts proposed up to frame `last`."""
        while self.hard_cuts and self.hard_cuts[0] <= last:
            self.hard_cuts.popleft()

    def _close(self, transition: Transition, shots: list[Shot]) -> None:
        """End the open shot with a transition and open the next one after it."""
        self.transitions.append(transition)
        end = transition.start - self._margin
        if end > self.open_start:
            shots.append(Shot(start=self.open_start, end=end))
        self.open_start = min(self._track.end, transition.end + self._margin)
