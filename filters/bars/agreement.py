"""Bars belong to a film and not to a clip: what the clips of a source say of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from filters.bars.edges import BAR_SHARE, EVEN_ROWS, Lit

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, half-open."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What one clip says of its bars, in pixels of its pictures."""

    shape: tuple[int, int]
    """Height and width of the pictures."""
    displayed: tuple[int, int]
    """Height and width of the source, as displayed."""
    box: Box
    """Its own decision; the whole picture where no bar is sure."""
    lit: npt.NDArray[np.uint8]
    """Which pixels are brighter than black bars, packed to bits."""

    def lit_pixels(self) -> Lit:
        """(H, W)."""
        height, width = self.shape
        return np.unpackbits(self.lit, count=height * width).reshape(height, width).astype(np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """A box that clips of one size agree on, but for a row or two."""

    box: Box
    """The largest of theirs."""
    support: int
    """How many found it."""
    standing: Lit
    """What is lit in all of them: outside of the box a logo."""

    def fits(self, lit: Lit) -> bool:
        """Whether a clip shows nothing outside of the box but noise and what stands there."""
        left, top, right, bottom = self.box
        lit = lit & ~self.standing
        rows, columns = np.r_[lit[:top], lit[bottom:]], np.c_[lit[top:bottom, :left], lit[top:bottom, right:]]
        most = 1 - BAR_SHARE
        return bool((rows.mean(axis=1) <= most).all() and (columns.mean(axis=0) <= most).all())


def agreed_boxes(clips: Sequence[Evidence]) -> list[Box]:
    """A box a clip: the one that most clips of its size found, where nothing of this clip lies outside of it.

    So a night scene gets the bars that the day shows, scenes of a taller format keep their own, and those that differ
    by a row or two become the largest of them.
    """
    sizes = {(clip.shape, clip.displayed) for clip in clips}
    found = {size: _found([clip for clip in clips if (clip.shape, clip.displayed) == size]) for size in sizes}
    return [_agreed(clip, found[clip.shape, clip.displayed]) for clip in clips]


def _found(clips: Sequence[Evidence]) -> list[_Found]:
    """The boxes, those of most clips first."""
    left = [clip for clip in clips if clip.box != _whole(clip)]
    found: list[_Found] = []
    while left:
        counted = Counter(clip.box for clip in left)
        centre = max(counted, key=lambda box: (sum(counted[other] for other in counted if _alike(box, other)), box))
        joined = [clip for clip in left if _alike(centre, clip.box)]
        left = [clip for clip in left if not _alike(centre, clip.box)]
        standing = np.logical_and.reduce([clip.lit_pixels() for clip in joined])
        box = _union([clip.box for clip in joined])
        found.append(_Found(box=box, support=len(joined), standing=standing))
    return sorted(found, key=lambda each: -each.support)


def _agreed(clip: Evidence, found: Sequence[_Found]) -> Box:
    for each in found:
        if _contains(each.box, clip.box) and all(
            abs(a - b) <= 2 * EVEN_ROWS for a, b in zip(each.box, clip.box, strict=True)
        ):
            return each.box
        nested = _contains(clip.box, each.box) or _contains(each.box, clip.box)
        if nested and each.fits(clip.lit_pixels()):
            return each.box
    return clip.box


def _whole(clip: Evidence) -> Box:
    return 0, 0, clip.shape[1], clip.shape[0]


def _alike(box: Box, other: Box) -> bool:
    return all(abs(one - two) <= EVEN_ROWS for one, two in zip(box, other, strict=True))


def _contains(box: Box, other: Box) -> bool:
    return box[0] <= other[0] and box[1] <= other[1] and box[2] >= other[2] and box[3] >= other[3]


def _union(boxes: Sequence[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
