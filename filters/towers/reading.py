"""A tower with the scorers that read it, as one measurement: one forward pass serves them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from filters.base import Embedded, Look, Measurement, Rows, Score, Step
from filters.towers.tower import LoadedTower, Tower
from preprocess.frames import FrameView


class TowerReading(Measurement):
    """The frames of clips as vectors, and what scorers make of them."""

    does = "embed"

    def __init__(self, tower: Tower, scorers: Sequence[Measurement]) -> None:
        self.name = f"{self.does} {tower.name}"  # type: ignore[misc]
        self.columns = reduce(or_, (dict(scorer.columns) for scorer in scorers), {})  # type: ignore[misc]
        self.timed = tuple(column for scorer in scorers for column in scorer.timed)  # type: ignore[misc]
        self.gpus = tower.gpus
        self._tower = tower
        self._scorers = tuple(scorers)
        self._loaded: LoadedTower | None = None

    @property
    def step(self) -> Step:
        """Before the caption."""
        return Step.EMBEDDED

    @property
    def sees(self) -> str:
        """The tower's frames, then their vectors."""
        return f"tower {self._tower.name}"

    @property
    def loaded(self) -> LoadedTower:
        """The model, between `setup` and `close`."""
        assert self._loaded is not None
        return self._loaded

    def setup(self) -> None:
        """Load the tower and the scorers' heads."""
        self._loaded = self._tower.load()
        for scorer in self._scorers:
            scorer.setup()

    def look(self, view: FrameView) -> Look:
        """The frames as squares, and which of them are the uniformly spaced ones."""
        return self._tower.frames(view)

    def see(self, looks: Sequence[Look], rows: Rows) -> Sequence[Embedded]:
        """One pass over the frames of all clips."""
        ends = np.cumsum([len(pixels) for pixels, _ in looks])
        vectors = np.split(self.loaded.embed_images(np.concatenate([pixels for pixels, _ in looks])), ends[:-1])
        return [Embedded(frames=frames, uniform=uniform) for frames, (_, uniform) in zip(vectors, looks, strict=True)]

    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Mapping[str, Score]]:
        """Of all scorers."""
        filled: list[dict[str, Any]] = [{} for _ in looks]
        for scorer in self._scorers:
            for columns, scores in zip(filled, scorer.scores(looks, rows), strict=True):
                columns |= scorer.filled(scores)
        return filled

    def close(self) -> None:
        """Release the tower and the heads."""
        self._loaded = None
        for scorer in self._scorers:
            scorer.close()


class CaptionReading(TowerReading):
    """The captions as vectors beside those that the same tower made of the frames."""

    does = "align"

    @property
    def step(self) -> Step:
        """After it."""
        return Step.CAPTIONED

    def see(self, looks: Sequence[Embedded], rows: Rows) -> Sequence[Embedded]:
        """One pass over all captions."""
        captions = [row["caption"] for row in rows]
        texts = iter(self.loaded.embed_texts([caption for caption in captions if caption is not None]))
        return [
            seen if caption is None else replace(seen, caption=next(texts))
            for seen, caption in zip(looks, captions, strict=True)
        ]


def readings(towers: Sequence[Tower], scorers: Sequence[Measurement]) -> list[TowerReading]:
    """Those of each tower that a scorer reads: of its frames, then of the captions where one asks for that."""
    found: list[TowerReading] = []
    for tower in towers:
        readers = [scorer for scorer in scorers if scorer.tower == tower.name]
        late = [scorer for scorer in readers if scorer.step == Step.CAPTIONED]
        if readers:
            found.append(TowerReading(tower, [scorer for scorer in readers if scorer not in late]))
        if late:
            found.append(CaptionReading(tower, late))
    return found
