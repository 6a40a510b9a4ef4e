"""Whether the measures of quality follow damage, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.codecs import CODECS, SOUND_LEVEL, Codec
from benchmarks.truth.damage import HARMFUL, HARMLESS, blacks, noise
from benchmarks.truth.material import Material, Take
from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image, Size
from filters.base import Scorer
from filters.black_fraction import BlackFractionScorer
from filters.blockiness import BlockinessScorer
from filters.noise import NoiseScorer
from filters.resolution import ResolutionScorer
from filters.sharpness import SharpnessScorer
from filters.visual_quality import VisualQualityScorer
from pipelines.recipe import recipes
from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.remembered import Remembered

TAKES = 5
FRAMES = 25
"""Of a take that are coded: a second, of which three frames are measured."""
FPS = Fraction(24)
MAX_SIDE = 1280
QUALITY = "visual_quality"
NAMED = {
    "noise_then_x264": ("noise", 1),
    "jpeg": ("blockiness", 1),
    "x264": ("blockiness", 1),
    "mpeg2": ("blockiness", 1),
    "mpeg4": ("blockiness", 1),
    "noise": ("noise", 1),
    "enlarged_linear": ("resolution", -1),
    "enlarged_cubic": ("resolution", -1),
    "enlarged_lanczos": ("resolution", -1),
    "enlarged_sharpened": ("resolution", -1),
    "blur": ("sharpness", -1),
    "motion_blur": ("sharpness", -1),
}
"""The column that is to follow a damage, and whether it rises or falls with it."""
SCORERS: Sequence[Scorer] = (
    VisualQualityScorer(),
    SharpnessScorer(),
    ResolutionScorer(),
    BlockinessScorer(),
    NoiseScorer(),
    BlackFractionScorer(),
)


BOUNDS: Bounds = {
    "dropped enlarged_*": Bound(least=0.8),
    "dropped *": Bound(least=0.9),
    "kept *": Bound(least=0.9),
    "rank *": Bound(least=0.8),
    "spread": Bound(least=0.2),
    "noise error": Bound(most=0.25),
    "flat *": Bound(most=0.15),
    "black right": Bound(least=1.0),
}


@dataclass
class Measured:
    """Columns of one take, undamaged and at each level of each series."""

    clean: dict[str, float]
    series: dict[str, list[dict[str, float]]] = field(default_factory=dict)


def rows(material: Material, seed: int) -> dict[str, float]:
    """`rank SERIES`: Spearman of `visual_quality` with the damage, 1 for falling at each step; `rank SERIES COLUMN` of
    the column that names it. `dropped SERIES`: takes that the default rule drops at the last level. `kept SERIES`: over
    all levels of what is no damage, takes that it keeps, of those that it keeps undamaged. `spread`: distance of the
    10th and 90th percentile of `visual_quality` undamaged. `noise error` and `flat COLUMN SERIES` are median relative
    errors against the truth and against the undamaged take.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        takes = [measured(take, Path(folder), rng) for take in material.chosen(rng, TAKES, float(FRAMES / FPS))]
        figures = _figures(takes)
        dark = [
            (float(truth), of_frames([picture] * 2, Path(folder))["black_fraction"])
            for _, truth, picture in blacks((1280, 720), rng)
        ]
    return figures | {"black right": float(np.mean([truth == said for truth, said in dark]))}


def measured(take: Take, folder: Path, rng: np.random.Generator) -> Measured:
    """Everything of one take."""
    step = max(1.0, take.fps / float(FPS))
    middle = max(0, take.num_frames - 1 - int((FRAMES - 1) * step)) // 2
    frames = list(take.frames(_size(take), start=middle, count=FRAMES, step=step))
    found = Measured(of_frames(frames[:2], folder))
    for name, one in {**HARMFUL, **HARMLESS}.items():
        found.series[name] = [
            of_frames([one.spoil(frame, level, rng) for frame in frames[:2]], folder) for level in one.levels
        ]
    for name, codec in CODECS.items():
        found.series[name] = [coded(frames, codec, level, folder) for level in codec.levels]
    grainy = [[noise(frame, sigma, rng) for frame in frames] for sigma in HARMFUL["noise"].levels]
    found.series["noise_then_x264"] = [coded(noisy, CODECS["x264"], 23, folder) for noisy in grainy]
    return found


def of_frames(frames: Sequence[Image], folder: Path) -> dict[str, float]:
    """Columns of a film that is stored without loss. NaN where a column is null."""
    return _of_film(frames, folder / "film.mkv", "ffv1", {})


def coded(frames: Sequence[Image], codec: Codec, level: int, folder: Path) -> dict[str, float]:
    """Columns of a film that is stored so."""
    return _of_film(frames, folder / f"film{codec.suffix}", codec.name, codec.options(level))


def _of_film(frames: Sequence[Image], path: Path, codec: str, options: Mapping[str, str]) -> dict[str, float]:
    write_video(path, frames, fps=FPS, codec=codec, options=options)
    with Video(Source(uri=str(path), size_bytes=0, modified_ns=0)) as video:
        memory = Remembered(video)  # without a detector, which leaves out black
        for frame in video.frames():
            memory.push(frame, inside=True)
        memory.settle()
        view = memory.observed(0, memory.end).view
    assert view is not None
    values = {scorer.name: scorer.score(view) for scorer in SCORERS}
    return {name: float(value) if isinstance(value, float | int) else float("nan") for name, value in values.items()}


def _size(take: Take) -> Size:
    scale = min(1.0, MAX_SIDE / max(take.size))
    return int(take.size[0] * scale) // 2 * 2, int(take.size[1] * scale) // 2 * 2


def _figures(takes: Sequence[Measured]) -> dict[str, float]:
    least = next(rule.min for rule in recipes.default().rules if rule.column == QUALITY)
    assert least is not None
    clean = [take.clean[QUALITY] for take in takes]
    figures = {
        "takes": float(len(takes)),
        "kept undamaged": float(np.mean([value >= least for value in clean])),
        "spread": float(np.subtract(*np.percentile(clean, (90, 10)))),
    }
    for name in takes[0].series:
        if name not in HARMLESS:
            figures[f"rank {name}"] = _rank(takes, name, QUALITY, -1)
        if name in HARMFUL:
            figures[f"dropped {name}"] = float(np.mean([take.series[name][-1][QUALITY] < least for take in takes]))
        if name in NAMED:
            column, sign = NAMED[name]
            figures[f"rank {name} {column}"] = _rank(takes, name, column, sign)
        if name in HARMLESS or name in CODECS:
            kept = [take for take in takes if take.clean[QUALITY] >= least]
            levels = SOUND_LEVEL if name in CODECS else len(takes[0].series[name])
            sound = [one[QUALITY] >= least for take in kept for one in take.series[name][:levels]]
            figures[f"kept {name}"] = float(np.mean(sound)) if sound else float("nan")
    figures["dropped x264"] = float(np.mean([take.series["x264"][-1][QUALITY] < least for take in takes]))
    strengths = np.array(HARMFUL["noise"].levels)
    said = np.array([[one["noise"] for one in take.series["noise"]] for take in takes])
    figures["noise error"] = float(np.nanmedian(np.abs(said / strengths - 1)))
    for column in ("sharpness", "resolution"):
        for name in sorted({"light", "fog"} & set(takes[0].series)):
            figures[f"flat {column} {name}"] = float(np.nanmedian(list(_changes(takes, name, column))))
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _rank(takes: Sequence[Measured], series: str, column: str, sign: int) -> float:
    values = [[take.clean[column], *(one[column] for one in take.series[series])] for take in takes]
    return float(np.nanmean([sign * spearman(line) for line in values]))


def spearman(values: Sequence[float]) -> float:
    """Rank correlation with 0, 1, 2 and so on; equal values share their mean rank. NaN where all are equal."""
    array = np.array(values)
    ranks = (array[:, None] > array).sum(axis=1) + 0.5 * (array[:, None] == array).sum(axis=1)
    if np.ptp(ranks) == 0 or not np.isfinite(array).all():
        return float("nan")
    return float(np.corrcoef(ranks, np.arange(len(array)))[0, 1])


def _changes(takes: Sequence[Measured], series: str, column: str) -> Iterator[float]:
    for take in takes:
        yield from (abs(one[column] / take.clean[column] - 1) for one in take.series[series])
