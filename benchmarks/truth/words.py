"""Whether colours are called what people call them. Needs no material."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.colour import write_coded
from benchmarks.truth.material import Material
from benchmarks.truth.measured import measured
from filters.dominant_colors import DominantColorsScorer

SIZE = (96, 54)
NOISE = 3.0
"""Grey levels."""
SHADES: Mapping[str, str] = {
    "black": "0a0a0a 100c08",
    "grey": "36454f c0c0c0 b2beb5 848482",
    "white": "fffff0 fffafa",
    "brown": "7b3f00 6f4e37 954535 635147 80461b a07e56 825c43 604134 8d5524 7f4f33",
    "beige": "c2b280 fffdd0 c3b091 f7e7ce eadaba d7bd96 ffdbac e8c4a0 d9b38c",
    "red": "ff2400 d2042d 800020 9b111e",
    "orange": "f28500 ff7518 ed9121 ffa812",
    "yellow": "ffdb58 fff44f ffe135 fada5e",
    "green": "50c878 228b22 32cd32 8a9a5b 4f7942 014421",
    "cyan": "30d5c8 00ffef 088f8f",
    "blue": "0047ab 87ceeb 007fff 1560bd 1c2951 6ca0dc",
    "purple": "8e4585 8f00ff 4b0082 614051 9966cc b57edc 5b3256",
    "pink": "ff007f ff69b4 de5d83 ffb7c5 f4c2c2",
}
"""RGB of things and pigments that go by a name (silver, coffee, sand, scarlet, pumpkin, mustard, moss, denim, plum),
and shades of skin; none is an anchor of the measure."""
BOUNDS: Bounds = {"right": Bound(least=30 / 36), "right *": Bound(least=0.5)}


def rows(material: Material, seed: int) -> dict[str, float]:
    """`right`: of all shades, those that are called by their name alone; `right NAME`: of the shades of a name."""
    rng = np.random.default_rng(seed)
    right: dict[str, list[bool]] = {}
    with TemporaryDirectory(prefix="truth-") as folder:
        for name, shades in SHADES.items():
            for shade in shades.split():
                bgr = [int(shade[at : at + 2], 16) for at in (4, 2, 0)]
                grainy = np.array(bgr) + rng.normal(0, NOISE, (SIZE[1], SIZE[0], 1))
                picture = np.clip(np.rint(grainy), 0, 255).astype(np.uint8)
                path = write_coded(Path(folder) / "shade.mkv", [picture] * 2)
                said = measured(path, [DominantColorsScorer()])["dominant_colors"]
                right.setdefault(name, []).append(said == (name,))
    figures = {f"right {name}": float(np.mean(all_)) for name, all_ in right.items()}
    return {"right": float(np.mean([one for all_ in right.values() for one in all_])), **figures}
