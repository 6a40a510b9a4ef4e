"""Draws films: which take follows which, how, and what happens in it. Every kind of join and event comes up in turn.

Drawn again from the same material and seed, they are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.truth.camera import CAMERA
from benchmarks.truth.deck import Deck
from benchmarks.truth.events import LIGHT_AND_TIME
from benchmarks.truth.film import Film, PlacedEvent, PlacedJoin, Shot
from benchmarks.truth.formats import FORMATS, Format
from benchmarks.truth.joins import BRIEF, CUTS, DISSOLVES, FADES, WITHIN_A_TAKE, Join
from benchmarks.truth.material import Material, Take
from benchmarks.truth.overlays import OVERLAYS
from benchmarks.truth.wipes import WIPES

FILM_JOINS = 9
CLEAR_SECONDS = 0.5
"""At least so much lies between two joins, and between a join and an event: one thing is seen at a time."""
JUMP_SECONDS = 0.6
"""A jump cut leaves out at least so much."""
SHORT_SHARE = 0.3
"""Of shots, those that are too short for a clip."""
EVENT_SHARE = 0.5
"""Of shots that have room for it, those in which something happens."""
KINDS: Sequence[Sequence[Join]] = (CUTS, CUTS, DISSOLVES, FADES, BRIEF, WIPES, WIPES)
"""A film's joins are of these in turn."""
PLAIN = CUTS[0]


def films(
    material: Material, seed: int, count: int, formats: Sequence[Format] = FORMATS, *, joins: int = FILM_JOINS
) -> Iterator[Film]:
    """So many films with so many joins each, of one format after the other.

    Raises:
        ValueError: no take is long enough for two joins at that rate.
    """
    draws = _Draws(material, np.random.default_rng(seed))
    for number in range(count):
        chosen = formats[number % len(formats)]
        yield draws.film(f"film-{number:02d}-{chosen.name}", chosen, joins, (seed, number))


class _Draws:
    """The decks, and the films from them."""

    def __init__(self, material: Material, rng: np.random.Generator) -> None:
        self._material, self._rng = material, rng
        self._kinds = Deck(range(len(KINDS)), rng)
        self._joins = [Deck(kind, rng) for kind in KINDS]
        self._joins[1], self._joins[6] = self._joins[0], self._joins[5]
        self._events = Deck((*LIGHT_AND_TIME, *CAMERA, *OVERLAYS), rng)

    def film(self, name: str, chosen: Format, num_joins: int, seed: tuple[int, ...]) -> Film:
        """The next one."""
        joins = self._film_joins(num_joins)
        shots: list[Shot] = []
        placed: list[PlacedJoin] = []
        for number in range(len(joins) + 1):
            shot = self._shot(shots, placed, joins[number : number + 2], chosen)
            if shot is None:  # No take is long enough for it; one is, as there was one for the join before.
                joins[number] = PLAIN
                shot = self._shot(shots, placed, joins[number : number + 2], chosen)
            if shot is None:
                raise ValueError(f"no take is long enough for {chosen.fps} frames a second")
            following = joins[number] if number < len(joins) else None
            shot = replace(shot, event=self._event(shot, placed, following, chosen))
            shots.append(shot)
            if following is not None:
                length = _length(following, chosen)
                start = shot.last - length
                boundary = start + round(following.boundary * length / chosen.snap) * chosen.snap
                placed.append(PlacedJoin(join=following, start=start, end=shot.last, boundary=boundary))
        return Film(name=name, format=chosen, shots=shots, joins=placed, seed=seed)

    def _film_joins(self, num_joins: int) -> list[Join]:
        """No two in a row are within a take: few takes are long enough for three shots."""
        joins: list[Join] = []
        while len(joins) < num_joins:
            within_a_take = bool(joins) and joins[-1].sub in WITHIN_A_TAKE
            kind = self._kinds.draw()
            assert kind is not None
            deck = self._joins[kind]
            join = deck.draw(lambda one: one.sub not in WITHIN_A_TAKE) if within_a_take else deck.draw()
            assert join is not None
            joins.append(join)
        return joins

    def _shot(self, shots: list[Shot], placed: list[PlacedJoin], coming: list[Join], chosen: Format) -> Shot | None:
        """The next one, after which come the joins `coming`, or as many of them as the film has left."""
        before = placed[-1] if placed else None
        first = before.start if before else 0
        lead = before.end - before.start if before else 0
        trail, after = [*(_length(join, chosen) for join in coming), 0, 0][:2]
        clear = _snapped(CLEAR_SECONDS * chosen.fps, chosen)
        least = lead + 2 * clear + trail
        rest = 0  # What the shot after this one needs of the same take.
        if coming and coming[0].sub in WITHIN_A_TAKE:
            rest = round(JUMP_SECONDS * chosen.fps) + 2 * clear + after
        low, high = (2 * CLEAR_SECONDS, 2.6) if self._rng.random() < SHORT_SHARE else (3.2, 7.5)
        wanted = lead + _snapped(self._rng.uniform(low, high) * chosen.fps, chosen) + trail
        if before is not None and before.join.sub in WITHIN_A_TAKE:
            return self._continued(shots[-1], before, first, least, wanted, chosen)
        take = self._take(shots, least + rest, max(least, wanted) + rest, chosen)
        if take is None:
            return None
        step = _step(take, chosen)
        there = take.num_frames // step
        share = self._rng.uniform(0.4, 0.6) if rest else 1.0
        count = min(wanted, max(least, _floored((there - rest) * share, chosen)))
        offset = int(self._rng.integers(0, (there - rest - count) * step + 1))
        return Shot(take=take, step=step, offset=offset, first=first, last=first + count)

    def _take(self, shots: list[Shot], least: int, wanted: int, chosen: Format) -> Take | None:
        """Of another scene than the last two shots and of the wanted length, if there is such a one."""
        recent = [shot.take.scene for shot in shots[-2:]]
        for avoided, frames in ((recent, wanted), (recent, least), (recent[-1:], least), ([], least)):
            takes = [
                take
                for take in self._material.chosen(self._rng, len(self._material.takes))
                if take.scene not in avoided and take.num_frames // _step(take, chosen) >= frames
            ]
            if takes:
                return takes[0]
        return None

    def _continued(self, shot: Shot, before: PlacedJoin, first: int, least: int, wanted: int, chosen: Format) -> Shot:
        """The same take goes on, seen in another way or later."""
        sub, step = before.join.sub, shot.step
        offset = shot.offset + (first - shot.first) * step
        there = (shot.take.num_frames - offset) // step
        if sub in ("jump", "mirror"):
            earliest = offset + round(JUMP_SECONDS * chosen.fps) * step
            latest = shot.take.num_frames - least * step
            offset = _farthest(shot.take, offset, earliest, max(earliest, latest))
            there = (shot.take.num_frames - offset) // step
        part = {"punch_in": self._rng.uniform(0.58, 0.8), "reframe": 0.77}.get(sub)
        corner = self._rng.choice((0.0, 1.0), 2) if sub == "reframe" else self._rng.uniform(0.3, 0.7, 2)
        return Shot(
            take=shot.take,
            step=step,
            offset=offset,
            first=first,
            last=first + _floored(min(wanted, there), chosen),
            view=None if part is None else (float(corner[0]), float(corner[1]), float(part)),
            mirrored=sub == "mirror",
        )

    def _event(
        self, shot: Shot, placed: list[PlacedJoin], following: Join | None, chosen: Format
    ) -> PlacedEvent | None:
        clear = round(CLEAR_SECONDS * chosen.fps)
        begin = (placed[-1].end if placed else shot.first) + clear
        end = shot.last - (_length(following, chosen) if following else 0) - clear
        if self._rng.random() >= EVENT_SHARE:
            return None
        event = self._events.draw(
            lambda one: one.length(chosen.fps) < end - begin and one.extra(chosen.fps) <= shot.spare
        )
        if event is None:
            return None
        length = _snapped(event.length(chosen.fps), chosen)
        start = _floored(int(self._rng.integers(begin, end - length + 1)), chosen)
        return PlacedEvent(event=event, start=start, end=start + length)


def _step(take: Take, chosen: Format) -> int:
    """Frames of the take for one of the film: a take of fewer frames a second than the film is shown faster."""
    return max(1, round(take.fps / chosen.fps))


def _length(join: Join, chosen: Format) -> int:
    """Frames of the film."""
    return join.frames * chosen.snap if join.exact else _snapped(join.length(chosen.fps), chosen)


def _snapped(frames: float, chosen: Format) -> int:
    return -(-round(frames) // chosen.snap) * chosen.snap


def _floored(frames: float, chosen: Format) -> int:
    return int(frames) // chosen.snap * chosen.snap


def _farthest(take: Take, now: int, earliest: int, latest: int) -> int:
    """Of the moments in between, the one that looks least like `now`."""
    thumbnails = take.thumbnails
    known = np.array(sorted(thumbnails))
    near = thumbnails[int(known[abs(known - now).argmin()])].astype(np.float32)
    inside = [int(one) for one in known if earliest <= one <= latest]
    return max(inside, key=lambda one: float(abs(thumbnails[one] - near).mean()), default=earliest)
