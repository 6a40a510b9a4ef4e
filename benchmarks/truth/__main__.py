"""`python -m benchmarks.truth FOLDER`: make sets with truth of the clips in a folder, measure on them, and print."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import cv2

from benchmarks.truth import shots
from benchmarks.truth.bounds import bound_of
from benchmarks.truth.formats import FORMATS
from benchmarks.truth.material import Material
from benchmarks.truth.tables import tables


def main(options: argparse.Namespace) -> None:
    """Each figure has a line, with what it is held to; the last line is JSON.

    Raises:
        ValueError: FOLDER has too few takes, or no table is called so.
    """
    cv2.setNumThreads(1)
    known = tables()
    if unknown := set(options.tables or ()) - set(known):
        raise ValueError(f"no tables {sorted(unknown)}, there are {sorted(known)}")
    material = Material.of(options.folder)
    formats = [one for one in FORMATS if options.formats is None or one.name in options.formats]
    if options.out is not None:
        shots.write_films(material, options.seed, options.out, count=options.films, formats=formats)
        known["shots"] = replace(known["shots"], rows=lambda _material, _seed: shots.figures(options.out))
    said = {}
    for name in options.tables if options.tables is not None else known:
        figures = known[name].rows(material, options.seed)
        said[name] = {row: _rounded(value) for row, value in figures.items()}
        for row, value in figures.items():
            bound = bound_of(known[name].bounds, row)
            held = "" if bound is None else f" ({bound.says(value)})"
            print(f"{name}: {row} {said[name][row]}{held}", flush=True)
    print(json.dumps(said))


def _rounded(value: float) -> float:
    """Four digits, as a reader compares them."""
    return round(value, 4) if abs(value) >= 1 or value == 0 else round(value, 3 - math.floor(math.log10(abs(value))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="single-shot clips, or reels with truth files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the films there")
    parser.add_argument("--tables", nargs="*", metavar="NAME", help="only these; none makes the films alone")
    parser.add_argument("--films", type=int, metavar="N", help="how many; one of each format, if not said")
    parser.add_argument("--formats", nargs="+", metavar="NAME", choices=[one.name for one in FORMATS])
    try:
        main(parser.parse_args())
    except ValueError as error:
        sys.exit(f"benchmarks.truth: {error}")
