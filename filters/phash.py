"""What a clip looks like in a few hundred bytes, by which `dedup` finds its copies without any video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from filters.base import ColumnType, Scorer
from filters.prints.film_print import MOST_SAMPLES, FilmPrint
from filters.prints.squares import squares_of
from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True)
class PhashScorer(Scorer):
    """`phash`: a perceptual hash of two frames a second, as `filters.prints.film_print` lays it out.

    Empty for a clip that is black or otherwise all but uniform: it is like any other such clip.
    """

    name: ClassVar[str] = "phash"
    columns: ClassVar[Mapping[str, ColumnType]] = {"phash": bytes}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "phash": (
            "",
            "what the clip looks like, two samples a second, for `dedup`; no bytes where it is all but uniform",
        ),
    }

    def score(self, view: FrameView) -> bytes:
        """Of its samples in order of time."""
        film = FilmPrint.of(squares_of([sample.luma for sample in view.samples[:MOST_SAMPLES]]))
        return b"" if film is None else film.to_bytes()
