"""Whether one clip repeats another: most of the shorter one is found in the longer one, at some shift in time.

Three numbers tell, at the best of all shifts. How alike the samples are says whether it is the same place. How alike
their changes are says whether it is the same moment there: two takes of a scene, or two minutes of a camera on a
street, share the first and not the second. Where nothing changes, the mean pictures have to agree finely: two titles
differ in their words. What does not agree as it is may do so once one of the two is cropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np
import numpy.typing as npt

from filters.prints.cosines import COARSE_ORDER, Box, Terms, square_of, weights
from filters.prints.film_print import FilmPrint

Values = npt.NDArray[np.float32]
Pair = tuple[FilmPrint, FilmPrint]

LEAST_SHARE = 0.65
"""Of the samples of the shorter clip, that lie in the longer one."""
LEAST_SAMPLES = 3
"""So many in common, where the shorter one has them."""
SAME_PLACE = 0.77
"""Cosine of the samples. Of real clips and copies, each cropped as fits best, it was 0.78 at least but for a few
of seven thousand pairs: flowers that fly past."""
SAME_MOMENT = 0.5
"""Cosine of the changes. Of other spans of a shot it was 0.47 at most where the place was the same, of copies cut 0.2 s
later 0.52 at least."""
SAME_SUM = 1.33
"""Of both."""
STEADY, PLACE_OF_STEADY = 0.2, 0.91
"""Where the share of the changes is less, the place can be told, and has to agree better: two scenes of one horizon had
0.90 and even their pans alike; of three thousand pairs of copies, all but one had 0.92."""
BACKGROUND, MOMENT_BEFORE_IT = 0.03, 0.75
"""Where it is less still, most of the picture stands still, and all that tells two minutes of a street apart is what
moves: it has to agree better."""
CROPS: Sequence[Box] = (
    *((0.025, 0.025, 0.025, 0.025), (0.05, 0.05, 0.05, 0.05)),
    *((0.05, 0.05, 0.0, 0.0), (0.0, 0.05, 0.05, 0.0), (0.05, 0.0, 0.0, 0.05), (0.0, 0.0, 0.05, 0.05)),
)
"""Tried on either of two clips, each: none that takes up to 5 % of an edge is further than half of that from one."""
WORTH_CROPPING, MOMENT_OF_CROPPED, PLACE_OF_UNCROPPED = 0.88, 0.25, 0.98
"""Place and half of the moment as the clips are, and the moment: with less they are two scenes. And the place from
which on a crop would make it worse."""
STILL = 2e-4
"""Share of the changes in the energy of the samples. Where a clip has less there is nothing but noise to compare."""
SAME_PICTURE, SAME_PART = 0.998, 0.13
"""Correlation of mean pictures, and the most by which they may differ over `PART` pixels, in standard deviations of the
picture. Copies of a title in a third of the size have 0.999 and 0.11, titles with other words at most 0.999 and at
least 0.15; "1957" and "1975" in one layout are taken for one another, and a cropped title is not found."""
PART = 5
PAIRS_AT_A_TIME = 256

_FLAT = weights(COARSE_ORDER) ** -0.5
"""Takes back half of what evens out the frequencies: low ones survive more of what is done to a picture."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlaps:
    """Of N pairs at their best shifts, (N,) each."""

    place: Values
    """Cosine of the samples; -1 where no shift has enough of them in common."""
    moment: Values
    """Cosine of their changes; 0 where there are none."""
    change: Values
    """Share of the changes in the energy of the samples, of the clip that changes more."""

    shift: npt.NDArray[np.int64]
    """Samples of the second clip that come before the first one begins; less than 0 where it is the other way."""

    @property
    def score(self) -> Values:
        """By which the best shift and the best crop are chosen."""
        score: Values = self.place + self.moment * np.float32(0.5)
        return score

    def worth_cropping(self) -> npt.NDArray[np.bool_]:
        """Whether a crop may make two clips the same that are not so as they are."""
        near = (self.score >= WORTH_CROPPING) & (self.moment >= MOMENT_OF_CROPPED)
        return near & (self.place < PLACE_OF_UNCROPPED)

    def same(self) -> npt.NDArray[np.bool_]:
        """Whether place and moment are, where there is one."""
        place = np.where(self.change < STEADY, PLACE_OF_STEADY, SAME_PLACE)
        moment = np.where(self.change < BACKGROUND, MOMENT_BEFORE_IT, SAME_MOMENT)
        return (self.place >= place) & (self.moment >= moment) & (self.place + self.moment >= SAME_SUM)

    def or_better(self, other: Overlaps) -> Overlaps:
        """Of each pair the one of higher score."""
        better = other.score > self.score
        return Overlaps(
            place=np.where(better, other.place, self.place),
            moment=np.where(better, other.moment, self.moment),
            change=np.where(better, other.change, self.change),
            shift=np.where(better, other.shift, self.shift),
        )


def are_repeats(pairs: Sequence[Pair]) -> npt.NDArray[np.bool_]:
    """For each of N pairs, (N,). Neither their order nor that within a pair matters."""
    found = np.zeros(len(pairs), np.bool_)
    order = sorted(range(len(pairs)), key=lambda number: max(len(film.changes) for film in pairs[number]))
    for start in range(0, len(order), PAIRS_AT_A_TIME):
        chosen = order[start : start + PAIRS_AT_A_TIME]
        some = [pairs[number] for number in chosen]
        overlaps = overlaps_of(some)
        still = (overlaps.change < STILL) & (overlaps.place >= SAME_PLACE)
        same = ~still & overlaps.same()
        for number in np.flatnonzero(still):
            same[number] = are_one_picture(*some[number])
        apart = np.flatnonzero(~same & ~still & overlaps.worth_cropping())
        if len(apart):
            same[apart] = _cropped_overlaps([some[number] for number in apart], overlaps.shift[apart]).same()
        found[chosen] = same
    return found


def _cropped_overlaps(pairs: Sequence[Pair], shifts: npt.NDArray[np.int64]) -> Overlaps:
    """At these shifts, with that crop of one of the two that fits best."""
    overlaps: list[Overlaps] = []
    for side in (0, 1):
        for box in CROPS:
            cropped = [pair[side].cropped(box).samples for pair in pairs]
            whole = [pair[1 - side].samples for pair in pairs]
            ours, theirs = (cropped, whole) if side == 0 else (whole, cropped)
            overlaps.append(_overlaps(ours, theirs, shifts))
    return reduce(Overlaps.or_better, overlaps)


def stand_still(means: Terms, changes: Terms) -> npt.NDArray[np.bool_]:
    """Of N clips, (N, D) and (N, T, D), those that may have nothing but noise to compare in each of their parts."""
    flat = weights(COARSE_ORDER) ** -0.5
    energy = (((means[:, None, : len(flat)] + changes) * flat) ** 2).sum(axis=(1, 2))
    still: npt.NDArray[np.bool_] = ((changes * flat) ** 2).sum(axis=(1, 2)) < STILL * energy
    return still


def overlaps_of(pairs: Sequence[Pair]) -> Overlaps:
    """The best shift of each pair: the one at which place and moment together are most alike."""
    return _overlaps([one.samples for one, _ in pairs], [other.samples for _, other in pairs])


def _overlaps(ours: Sequence[Terms], theirs: Sequence[Terms], shifts: npt.NDArray[np.int64] | None = None) -> Overlaps:
    """Of samples (T, COARSE_TERMS) of N clips each, at the shifts (N,), or at the best ones."""
    if shifts is not None:
        cut = [_common(*each) for each in zip(ours, theirs, shifts.tolist(), strict=True)]
        ours, theirs = [one for one, _ in cut], [other for _, other in cut]
    (one, one_lengths), (other, other_lengths) = _padded(ours), _padded(theirs)
    shorter = np.minimum(one_lengths, other_lengths)
    needed = np.maximum(np.minimum(shorter, LEAST_SAMPLES), np.ceil(LEAST_SHARE * shorter))
    needed[(one_lengths == 1) != (other_lengths == 1)] = np.inf  # a picture is no clip
    best = np.full((4, len(ours)), -1, np.float32)
    best[2:] = 0
    at = np.zeros(len(ours), np.int64)
    tried = range(1 - one.shape[1], other.shape[1]) if shifts is None else range(1)
    for shift, (num, place, moment, change) in zip(
        tried, _at_shifts(one, one_lengths, other, other_lengths, tried), strict=True
    ):
        score = np.where(num >= needed, place + moment / 2, -1)
        better = score > best[0]
        best[:, better] = np.stack([score, place, moment, change])[:, better]
        at[better] = shift
    return Overlaps(place=best[1], moment=best[2], change=best[3], shift=at)


def _common(ours: Terms, theirs: Terms, shift: int) -> tuple[Terms, Terms]:
    """The samples of two clips that lie on one another."""
    ours, theirs = ours[max(0, -shift) :], theirs[max(0, shift) :]
    count = min(len(ours), len(theirs))
    return ours[:count], theirs[:count]


def _padded(clips: Sequence[Terms]) -> tuple[Values, npt.NDArray[np.int64]]:
    """(N, T, D) with zeros behind the samples of each, and their numbers (N,)."""
    lengths = np.array([len(clip) for clip in clips])
    padded = np.zeros((len(clips), lengths.max(), clips[0].shape[1]), np.float32)
    for number, clip in enumerate(clips):
        padded[number, : len(clip)] = clip * _FLAT
    return padded, lengths


def _at_shifts(
    ours: Values,
    our_lengths: npt.NDArray[np.int64],
    theirs: Values,
    their_lengths: npt.NDArray[np.int64],
    shifts: range,
) -> Iterator[tuple[npt.NDArray[np.int64], Values, Values, Values]]:
    """For each shift: how many samples lie on one another, place, moment and change, (N,) each."""
    products = ours @ theirs.transpose(0, 2, 1)
    sums = [_summed(clip) for clip in (ours, theirs)]
    squares = [_summed((clip**2).sum(axis=2)) for clip in (ours, theirs)]
    rows = np.arange(len(ours))
    for shift in shifts:
        first = (max(0, -shift), max(0, shift))
        num = np.maximum(np.minimum(our_lengths, their_lengths - shift) - first[0], 0)
        whole = np.maximum(num, 1)
        mean = [total[rows, at + num] - total[rows, at] for total, at in zip(sums, first, strict=True)]
        energy = [total[rows, at + num] - total[rows, at] for total, at in zip(squares, first, strict=True)]
        change = [
            np.maximum(all_of - (one**2).sum(axis=1) / whole, 0) for all_of, one in zip(energy, mean, strict=True)
        ]
        common = np.trace(products, offset=shift, axis1=1, axis2=2)
        place = _cosine(common, energy)
        moment = _cosine(common - (mean[0] * mean[1]).sum(axis=1) / whole, change)
        share = np.maximum(*(part / np.maximum(all_of, 1e-6) for part, all_of in zip(change, energy, strict=True)))
        yield num, place, moment, share


def _summed(values: Values) -> Values:
    """Sums of the first 0, 1, ... along the samples."""
    total: Values = np.cumsum(np.insert(values, 0, 0, axis=1), axis=1, dtype=np.float32)
    return total


def _cosine(common: Values, energy: Sequence[Values]) -> Values:
    cosine: Values = np.clip(common / np.maximum(np.sqrt(energy[0] * energy[1]), 1e-6), -1, 1)
    return cosine


def are_one_picture(one: FilmPrint, other: FilmPrint) -> bool:
    """Whether the mean pictures agree as a whole and in each part, whatever the light."""
    ours, theirs = square_of(one.mean), square_of(other.mean)
    common, energies = float((ours * theirs).sum()), (float((ours**2).sum()), float((theirs**2).sum()))
    if common < SAME_PICTURE * np.sqrt(energies[0] * energies[1]):
        return False
    apart = cv2.blur((ours - theirs * (common / energies[1])) ** 2, (PART, PART)).max()
    return bool(np.sqrt(apart) <= SAME_PART * ours.std())
