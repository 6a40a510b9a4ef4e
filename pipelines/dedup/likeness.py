"""By which column clips are compared, how they are found, and when two are the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.prints.compare import CROPS, are_repeats, stand_still
from filters.prints.cosines import (
    COARSE_ORDER,
    KEY_ORDER,
    Box,
    contrast_of,
    cropping,
    mirrored,
    weights,
)
from filters.prints.film_print import COARSE_TERMS, LEAST_CONTRAST, FilmPrint, prints_of, stacks_of
from pipelines.dedup.candidates import Hashing
from pipelines.dedup.keys import View
from pipelines.dedup.spool import Spool
from preprocess.schema import is_vector

Rows = npt.NDArray[np.int64]


class Likeness(ABC):
    """One way to compare clips."""

    column: ClassVar[str]
    hashing: ClassVar[Hashing]

    @abstractmethod
    def check(self, kind: pa.DataType) -> bool:
        """Whether the column is of a type that can be compared."""
        ...

    @abstractmethod
    def add(self, spool: Spool, values: pa.ChunkedArray, first_row: int) -> None:
        """Put rows into the spool, with entries."""
        ...

    @abstractmethod
    def views(self, number: int) -> Sequence[View]:
        """How entries are looked at in a hash, first as they are."""
        ...

    @abstractmethod
    def same(self, spool: Spool, low: Rows, high: Rows) -> npt.NDArray[np.bool_]:
        """Which of P pairs of rows repeat one another, (P,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPhash(Likeness):
    """By what clips look like from sample to sample."""

    mirrored: bool = False
    """Copies with left for right count as well."""
    column: ClassVar[str] = "phash"
    hashing: ClassVar[Hashing] = Hashing(
        num_terms=COARSE_TERMS,
        moment_terms=COARSE_TERMS,
        hashes=16,
        least_cosine=0.75,
        least_moment=0.4,
        least_still=0.9,
    )
    most_entries: ClassVar[int] = 8
    """Of a clip, about: of a longer one, every second, third, ... sample."""

    def check(self, kind: pa.DataType) -> bool:
        """Bytes."""
        return bool(pa.types.is_binary(kind))

    def add(self, spool: Spool, values: pa.ChunkedArray, first_row: int) -> None:
        """Clips that are all but uniform, and those whose bytes are none of ours, have no entries."""
        films = [value or b"" for value in values.to_pylist()]
        spool.add(films)
        for stack in stacks_of(films):
            stride = -(-stack.changes.shape[1] // self.most_entries)
            still = stand_still(stack.means, stack.changes)
            changes = np.where(still[:, None, None], 0, stack.changes[:, ::stride])
            samples = changes + stack.means[:, None, : changes.shape[2]]
            is_shown = contrast_of(samples) >= LEAST_CONTRAST
            is_shown[still, 1:] = False
            places, shown = np.nonzero(is_shown)
            entries, moments = samples[places, shown], changes[places, shown]
            spool.add_entries(first_row + stack.places[places], entries, moments)

    def views(self, number: int) -> Sequence[View]:
        """As they are, cropped, and left for right where that counts."""
        flat = weights(KEY_ORDER) ** -0.5
        found = [_seen((0.0, 0.0, 0.0, 0.0)) * flat, _seen(CROPS[number % len(CROPS)]) * flat]
        views = [View(terms=each.astype(np.float32)) for each in found]
        if self.mirrored:
            turn = mirrored(np.ones(COARSE_TERMS, np.float32))
            views.append(View(terms=turn[:, None] * views[0].terms, turn=np.concatenate([turn, turn])))
        return views

    def same(self, spool: Spool, low: Rows, high: Rows) -> npt.NDArray[np.bool_]:
        """Most of the shorter one is in the longer one: `filters.prints.compare`."""
        rows = np.unique(np.concatenate([low, high])).tolist()
        read = zip(rows, prints_of([spool.value(row) for row in rows]), strict=True)
        films: dict[int, FilmPrint] = {row: film for row, film in read if film is not None}
        pairs = [(films[one], films[other]) for one, other in zip(low.tolist(), high.tolist(), strict=True)]
        same = are_repeats(pairs)
        if self.mirrored:
            left = np.flatnonzero(~same)
            same[left] = are_repeats([(pairs[place][0], pairs[place][1].mirrored()) for place in left.tolist()])
        return same


@dataclass(frozen=True, slots=True, kw_only=True)
class ByEmbedding(Likeness):
    """By the one vector of a clip that a tower made."""

    least_cosine: float = 0.97
    column: ClassVar[str] = "embedding"
    hashing: ClassVar[Hashing] = Hashing(num_terms=64, moment_terms=0, hashes=64, least_cosine=0.8)

    def __post_init__(self) -> None:
        if not 0 < self.least_cosine <= 1:
            raise ValueError(f"--min-cosine is {self.least_cosine}, must be above 0 and at most 1")

    def check(self, kind: pa.DataType) -> bool:
        """Numbers in lists."""
        return is_vector(kind)

    def add(self, spool: Spool, values: pa.ChunkedArray, first_row: int) -> None:
        """Entries are the vectors on some random axes, which keep angles about as they are (Johnson, Lindenstrauss)."""
        vectors = [_unit(value) for value in values.to_pylist()]
        spool.add([b"" if vector is None else vector.astype("<f2").tobytes() for vector in vectors])
        for size in {len(vector) for vector in vectors if vector is not None}:
            places = [place for place, vector in enumerate(vectors) if vector is not None and len(vector) == size]
            axes = np.random.default_rng(size).standard_normal((size, self.hashing.num_terms)).astype(np.float32)
            stacked = np.stack([vectors[place] for place in places])  # type: ignore[misc]
            spool.add_entries(first_row + np.array(places), stacked @ axes)

    def views(self, number: int) -> Sequence[View]:
        """As they are."""
        return [View(terms=np.eye(self.hashing.num_terms, dtype=np.float32))]

    def same(self, spool: Spool, low: Rows, high: Rows) -> npt.NDArray[np.bool_]:
        """Their cosine is high; vectors of unlike length are of two towers."""
        return np.array(
            [self._alike(spool.value(one), spool.value(other)) for one, other in zip(low, high, strict=True)], np.bool_
        )

    def _alike(self, ours: bytes, theirs: bytes) -> bool:
        if len(ours) != len(theirs):
            return False
        one, other = (np.frombuffer(data, "<f2").astype(np.float32) for data in (ours, theirs))
        return float(one @ other) >= self.least_cosine


def _seen(box: Box) -> npt.NDArray[np.float32]:
    """What makes of the terms of a sample those that are hashed, of what is left inside a box."""
    return cropping(box, COARSE_ORDER, KEY_ORDER).T


def _unit(value: Sequence[float] | None) -> npt.NDArray[np.float32] | None:
    """The vector at length 1; None where it is none."""
    vector = np.array([np.nan] if not value else [np.nan if one is None else one for one in value], np.float32)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if np.isfinite(length) and length > 0 else None
