"""Joins, false alarms, impure clips and footage, on films with truth that are made of the material."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks import shots
from benchmarks.joins.tally import Tally
from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.formats import FORMATS, Format
from benchmarks.truth.material import Material
from benchmarks.truth.plan import films
from benchmarks.truth.writer import write

SCENES = 3
"""It takes for a film."""
HEADLINES = ("joins_f1", "joins_precision", "joins_recall", "impure_share", "usable_kept_pure")
"""Of `Tally.figures`."""


BOUNDS: Bounds = {
    "joins_f1": Bound(least=0.93),
    "impure_share": Bound(most=0.03),
    "usable_kept_pure": Bound(least=0.75),
    "recall cut:plain": Bound(least=1.0),
    "recall dissolve": Bound(least=0.95),
    "recall fade": Bound(least=1.0),
    "recall wipe": Bound(least=0.8),
}
"""What is asked for on films of which nobody knew."""


def rows(material: Material, seed: int) -> dict[str, float]:
    """Figures of the default recipe on one film of each format; none where the takes are too few for films."""
    try:
        material.of_scenes(SCENES)
    except ValueError:
        return {}
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        write_films(material, seed, Path(folder))
        return figures(Path(folder))


def write_films(
    material: Material, seed: int, folder: Path, *, count: int | None = None, formats: Sequence[Format] = FORMATS
) -> None:
    """`count` films, or one of each format, and their truth files.

    Raises:
        ValueError: the material is too short or too few for films.
    """
    material.of_scenes(SCENES)
    folder.mkdir(parents=True, exist_ok=True)
    for film in films(material, seed, count or len(formats), formats):
        print(f"{write(film, folder)}: {len(film.joins)} joins in {film.num_frames} frames", flush=True)


def figures(folder: Path, *, detector_only: bool = False) -> dict[str, float]:
    """What `benchmarks.shots` says of a folder of reels, one figure a name.

    `recall KIND` and `recall KIND:SUB` are shares of all such joins, `recall in FORMAT` of all in films of one format;
    `false alarms KIND` counts finds at such events.
    """
    total = Tally()
    by_format: defaultdict[str, Tally] = defaultdict(Tally)
    for truth_file, tally in shots.tallies(folder, detector_only=detector_only):
        total.include(tally)
        name = json.loads(truth_file.read_text()).get("format", {}).get("name")
        if name is not None:
            by_format[name].include(tally)
    recalls = {f"recall in {name}": tally.figures()["joins_recall"] for name, tally in by_format.items()}
    return _flat(total) | {name: recall for name, recall in recalls.items() if isinstance(recall, float)}


def _flat(tally: Tally) -> dict[str, float]:
    said = tally.figures()
    flat = {name: value for name in HEADLINES if isinstance(value := said[name], float)}
    flat |= {"joins": float(tally.joins.total() // 2), "kept_clips": float(tally.kept_clips)}
    flat |= {f"recall {name}": tally.found[name] / count for name, count in sorted(tally.joins.items())}
    flat |= {f"false alarms {name}": float(count) for name, count in sorted(tally.false_alarms.items())}
    return flat | {f"impure by {name}": float(count) for name, count in sorted(tally.impure.items())}
