"""What a clip looks like and how that changes, in some hundred bytes that copies of it have almost in common.

A column of such bytes is enough to compare clips: the mean picture finely, and what each sample differs from it by
coarsely, so that two moments before the same background differ.

    byte 0        FORMAT
    byte 1        T, number of samples
    bytes 2-5     steps of the mean and of the changes, float16, little endian
    then          the mean, int8 for each of its terms
    then          the changes, T times a number of 4 bits for each of their terms, -7 to 7, the higher half first
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from filters.prints.cosines import (
    COARSE_ORDER,
    FINE_ORDER,
    Box,
    Terms,
    contrast_of,
    cropping,
    mirrored,
    num_terms,
    terms_of,
)
from filters.prints.squares import Squares

FORMAT = 1
MOST_SAMPLES = 240
"""Of a longer clip, the first so many: two minutes."""
LEAST_CONTRAST = 3.0
"""Levels of standard deviation. What has less in every sample (black, white, fog) is like any other such clip."""
FINE_TERMS, COARSE_TERMS = num_terms(FINE_ORDER), num_terms(COARSE_ORDER)
REACH = 3.0
"""Root mean squares of the changes that 4 bits reach: what is beyond is rare, and finer steps tell more."""
_HEAD = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmPrint:
    """A clip of T samples, `SAMPLES_PER_SECOND` of them a second. Terms are those of `filters.prints.cosines`."""

    mean: Terms
    """(FINE_TERMS,)"""
    changes: Terms
    """(T, COARSE_TERMS), which add up to about nothing."""

    @property
    def samples(self) -> Terms:
        """(T, COARSE_TERMS)"""
        samples: Terms = self.changes + self.mean[:COARSE_TERMS]
        return samples

    def mirrored(self) -> FilmPrint:
        """Of the same clip with left for right."""
        return FilmPrint(mean=mirrored(self.mean), changes=mirrored(self.changes))

    def cropped(self, box: Box) -> FilmPrint:
        """Of about the same clip without its edges, as far as coarse terms go; of the mean, the fine ones stay."""
        of_mean, of_changes = _croppings(box)
        mean = np.concatenate([of_mean @ self.mean, self.mean[COARSE_TERMS:]])
        return replace(self, mean=mean, changes=self.changes @ of_changes.T)

    @staticmethod
    def of(squares: Squares) -> FilmPrint | None:
        """Of pictures in order of time; None of those that are all but uniform."""
        squares = squares[:MOST_SAMPLES]
        mean = terms_of(squares.mean(axis=0, keepdims=True), FINE_ORDER)[0]
        samples = terms_of(squares, COARSE_ORDER)
        if contrast_of(samples).max() < LEAST_CONTRAST:
            return None
        return FilmPrint(mean=mean, changes=samples - mean[:COARSE_TERMS])

    def to_bytes(self) -> bytes:
        """`_HEAD + FINE_TERMS + ceil(T * COARSE_TERMS / 2)` of them."""
        mean_step, mean = _quantised(self.mean, 127, reach=np.inf)
        change_step, changes = _quantised(self.changes.ravel(), 7, reach=REACH)
        halves = np.append(changes, np.zeros(changes.size % 2, np.int8)).reshape(-1, 2) + 8
        packed = (halves[:, 0] << 4 | halves[:, 1]).astype(np.uint8)
        steps = np.array([mean_step, change_step], "<f2").tobytes()
        return bytes([FORMAT, len(self.changes)]) + steps + mean.tobytes() + packed.tobytes()

    @staticmethod
    def from_bytes(data: bytes) -> FilmPrint | None:
        """What `to_bytes` gave; None where it is something else."""
        return prints_of([data])[0]


@cache
def _croppings(box: Box) -> tuple[Terms, Terms]:
    return cropping(box, FINE_ORDER, COARSE_ORDER), cropping(box, COARSE_ORDER, COARSE_ORDER)


def prints_of(values: Sequence[bytes]) -> list[FilmPrint | None]:
    """What `to_bytes` gave, N times; None where it is something else."""
    prints: list[FilmPrint | None] = [None] * len(values)
    for stack in stacks_of(values):
        for place, mean, changes in zip(stack.places.tolist(), stack.means, stack.changes, strict=True):
            prints[place] = FilmPrint(mean=mean, changes=changes)
    return prints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """Prints of N clips with as many samples."""

    places: npt.NDArray[np.int64]
    """(N,), which of the values they are."""
    means: Terms
    """(N, FINE_TERMS)"""
    changes: Terms
    """(N, T, COARSE_TERMS)"""


def stacks_of(values: Sequence[bytes]) -> Iterator[Stack]:
    """The same by number of samples; what is no print is left out."""
    by_samples: dict[int, list[int]] = {}
    for place, data in enumerate(values):
        if len(data) > _HEAD and data[0] == FORMAT and data[1] and len(data) == size_of(data[1]):
            by_samples.setdefault(data[1], []).append(place)
    for num_samples, chosen in by_samples.items():
        places = np.array(chosen)
        raw = np.frombuffer(b"".join([values[place] for place in chosen]), np.uint8).reshape(len(chosen), -1)
        steps = np.ascontiguousarray(raw[:, 2:_HEAD]).view("<f2").astype(np.float32)
        means = raw[:, _HEAD : _HEAD + FINE_TERMS].view(np.int8) * steps[:, :1]
        packed = raw[:, _HEAD + FINE_TERMS :]
        halves = np.stack([packed >> 4, packed & 15], axis=2).reshape(len(raw), -1)[:, : num_samples * COARSE_TERMS]
        changes = ((halves.astype(np.float32) - 8) * steps[:, 1:]).reshape(len(raw), num_samples, COARSE_TERMS)
        sane = np.isfinite(steps).all(axis=1)
        yield Stack(places=places[sane], means=means[sane], changes=changes[sane])


def size_of(num_samples: int) -> int:
    """Bytes of the print of a clip of so many samples."""
    return _HEAD + FINE_TERMS + (num_samples * COARSE_TERMS + 1) // 2


def _quantised(values: Terms, most: int, *, reach: float) -> tuple[float, npt.NDArray[np.int8]]:
    """The step, as float16 has it, and the values in steps, from -most to most."""
    furthest = min(np.abs(values).max(initial=0.0), reach * np.sqrt(np.mean(values**2)))
    step = float(np.float16(furthest / most))
    if step == 0.0:
        return 0.0, np.zeros(values.shape, np.int8)
    return step, np.clip(np.rint(values / step), -most, most).astype(np.int8)
