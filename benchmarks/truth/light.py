"""Whether one picture reads the same however its light is coded: HDR, range, matrix, tags."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.colour import write_coded
from benchmarks.truth.material import Material
from benchmarks.truth.measured import measured
from filters.brightness import BrightnessScorer
from filters.colorfulness import ColorfulnessScorer
from filters.contrast import ContrastScorer

TAKES = 4
SIZE = (1280, 720)
"""Untagged film of this size is BT.709."""
PLAIN: Mapping[str, Any] = {}
CODED: Mapping[str, Mapping[str, Any]] = {
    "untagged": {"tagged": False},
    "bt601": {"matrix": "bt601"},
    "full range": {"full": True},
    "10 bit": {"bits": 10},
    "pq": {"transfer": "pq", "matrix": "bt2020", "bits": 10},
    "hlg": {"transfer": "hlg", "matrix": "bt2020", "bits": 10},
}
"""Ways to code what is BT.709 at 8 bits, limited and tagged."""
SCORERS = (BrightnessScorer(), ContrastScorer(), ColorfulnessScorer())


BOUNDS: Bounds = {"* error, *": Bound(most=0.03)}


def rows(material: Material, seed: int) -> dict[str, float]:
    """`COLUMN error, HOW`: the median over pictures of the relative distance from the same picture coded plainly."""
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        path = Path(folder) / "film.mkv"
        for take in material.chosen(rng, TAKES):
            pictures = list(take.frames(SIZE, start=take.num_frames // 2, count=2))
            plain = measured(write_coded(path, pictures, **PLAIN), SCORERS)
            for how, coding in CODED.items():
                said = measured(write_coded(path, pictures, **coding), SCORERS)
                for column, value in said.items():
                    true = plain[column]
                    if isinstance(value, float) and isinstance(true, float) and true > 0:
                        errors.setdefault(f"{column} error, {how}", []).append(abs(value - true) / true)
    return {name: float(np.median(all_)) for name, all_ in errors.items()}
