"""How many lines `text_area` finds that are harder than those of the table of text: huge, faint, blurred, upright, cut.

    python -m benchmarks.planted_text FOLDER [--count 240] [--seed 811]

FOLDER has videos, of one take each or with truth files. Each line stands alone on a frame on which nothing was found.
What is lost is printed; the last line is JSON: lines and found ones by how they lie, how high they are and the script.
What is to make reading cheaper must find as many of the same seed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.truth.lettering import STYLES, Font, lettered, readable_here
from benchmarks.truth.material import Material
from benchmarks.truth.text import FRAMES, SIZE, told_area
from examples.demo_films.landscapes import Image
from filters.text_area import TextAreaScorer

HIGH = (0.02, 0.4)
"""Of the height, of a line's ink; uniform in its logarithm."""
LONGEST = 40
"""Characters of a line."""
STEPS = (0.03, 0.06, 0.12, 0.24, 0.4)
"""Upper ends of the heights that are counted together."""
BEYOND = 0.3
"""Of each side: what is added around a picture, drawn over, and cut off again."""
KINDS = {"level": 0.5, "slanted": 0.12, "upright": 0.14, "stacked": 0.08, "cut": 0.16}
"""How a line lies, and how often."""
OPAQUE = (0.3, 1.0)
BLURRED, LONGEST_BLUR = 0.2, 13
"""Share of pictures that moved while they were taken, and by how many pixels at most."""
QUALITY = (35, 95)
"""Of the JPEG that each picture goes through."""

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A picture with a line."""

    image: Image
    kind: str
    script: str
    high: float


def main(folder: Path, count: int, seed: int) -> None:
    """Plant, measure, print."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    scorer = TextAreaScorer()
    takes = Material.of(folder).chosen(rng, FRAMES)
    seen = (frame for take in takes for frame in take.frames(SIZE, start=take.num_frames // 2, count=1))
    frames = [frame for frame in seen if told_area(scorer, frame) == 0]
    lines, found = Counter[str](), Counter[str]()
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        made = planted(frames[int(rng.integers(len(frames)))], rng)
        if made is None:
            continue
        step = next(step for step in STEPS if made.high <= step)
        groups = ("all", made.kind, f"up to {step:.0%} high", made.script)
        lines.update(groups)
        if told_area(scorer, filmed(made.image, rng)) > 0:
            found.update(groups)
        else:
            print(f"{number} lost: {made.kind}, {made.script}, {made.high:.1%} high")
    print(json.dumps({group: [found[group], lines[group]] for group in lines}))


def planted(image: Image, rng: np.random.Generator) -> Planted | None:
    """A copy of the picture with one line; None where none fits that was tried."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    scripts = readable_here()
    script = str(rng.choice(sorted(scripts)))
    lines, fonts = scripts[script]
    line, font = str(rng.choice(np.array(lines))), fonts[int(rng.integers(len(fonts)))]
    high = float(np.exp(rng.uniform(*np.log(HIGH))))
    style = STYLES[int(rng.integers(len(STYLES)))]
    length = int(rng.integers(3, LONGEST))
    while length >= 2:
        start = int(rng.integers(0, max(1, len(line) - length)))
        part = line[start : start + length].strip()
        made = _drawn(image, part, font, high, kind, style, rng) if len(part) >= 2 else None
        if made is not None:
            opaque = rng.uniform(*OPAQUE)
            faint = cv2.addWeighted(made, opaque, image, 1 - opaque, 0).astype(np.uint8)
            return Planted(image=faint, kind=kind, script=script, high=high)
        length = length * 2 // 3
    return None


def filmed(image: Image, rng: np.random.Generator) -> Image:
    """The picture after a movement of the camera, now and then, and compression."""
    if rng.random() < BLURRED:
        size = 2 * int(rng.integers(1, LONGEST_BLUR // 2 + 1)) + 1
        line = np.zeros((size, size), np.float32)
        line[size // 2] = 1
        turn = cv2.getRotationMatrix2D((size // 2, size // 2), float(rng.uniform(0, 180)), 1)
        line = cv2.warpAffine(line, turn, (size, size)).astype(np.float32)
        image = cv2.filter2D(image, -1, line / line.sum()).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(*QUALITY))]
    stored = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    assert stored is not None
    return np.asarray(stored, np.uint8)


def _drawn(
    image: Image, line: str, font: Font, high: float, kind: str, style: str, rng: np.random.Generator
) -> Image | None:
    height, width = image.shape[:2]
    down, across = (round(BEYOND * side) if kind == "cut" else 0 for side in (height, width))
    page = cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_REPLICATE).astype(np.uint8)
    at = (float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.05, 0.95)))
    degrees = {"slanted": float(rng.uniform(-40, 40)), "upright": float(rng.choice([-90.0, 90.0]))}.get(kind, 0.0)
    where = np.zeros(page.shape[:2], np.uint8)
    parts = list(line.replace(" ", "")[:8]) if kind == "stacked" else [line]
    for number, part in enumerate(parts):
        # `high` is that of an upright line's letters, too, which lies along the height
        place = (at[0], at[1] + number * 1.15 * high) if kind == "stacked" else at
        ink = high * height / page.shape[0]
        made = lettered(page, part, font, high=ink, at=place, degrees=degrees, style=style)
        if made is None:
            return None
        page = made.image
        cv2.fillPoly(where, [np.rint(made.corners).astype(np.int32)], 1)
    whole = int(where.sum())
    rows, columns = slice(down, down + height), slice(across, across + width)
    page, where = np.ascontiguousarray(page[rows, columns]), np.ascontiguousarray(where[rows, columns])
    # Of a line that is cut, a part is seen.
    left = where.sum() / max(1, whole)
    return page if left > (0.2 if kind == "cut" else 0.99) and (kind != "cut" or left < 0.9) else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted_text", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=811)
    given = parser.parse_args()
    main(given.folder, given.count, given.seed)
