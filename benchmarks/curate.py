"""What the whole CPU pass costs, as a ratio to decoding the same files once with one thread.

    python -m benchmarks.curate SOURCE [--rounds 3] [--codec ROW]

Both are measured in turn in one process, in CPU seconds of all its threads, so a noisy machine disturbs both alike.
`cpu_ratio_to_decode` is everything but OCR: content id, probe, shots, all other default scorers, rules, captions and
previews. `ocr_cpu_ratio` is what OCR adds on the clips that reach it. `stages` breaks the whole down by part, in the
same unit (`breakdown.py`); what is in none is `rest`. `--codec` encodes the videos anew first, by a row of `rows.py`.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2

from benchmarks.breakdown import Breakdown
from benchmarks.rows import ROWS, encode
from cluster.stage import Chain
from pipelines.clips.attempts import Attempts
from pipelines.clips.decisions import rules_of
from pipelines.clips.faults import Faults
from pipelines.clips.model_stages import model_stages
from pipelines.clips.stages import MeasureStage
from pipelines.clips.task import whole
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from preprocess.clip import Source
from preprocess.errors import MediaError
from preprocess.measurement import Step
from preprocess.sources import list_sources
from preprocess.units import SourceSpan, WorkUnit


def main(source: str, rounds: int) -> None:
    """Measure and print.

    Raises:
        ValueError: there is no readable video.
    """
    cv2.setNumThreads(1)
    recipe = recipes.default()
    without_ocr, everything = stages(cheap(recipe)), stages(recipe)
    units = readable_units(source)
    ratios, ocr_ratios, speeds = [], [], []
    parts: dict[str, list[float]] = {}
    for number in range(rounds):
        bare = cpu_seconds(lambda: [bare_decode(unit.spans[0].source) for unit in units])
        without = cpu_seconds(lambda: [without_ocr.process([unit]) for unit in units])
        began = time.monotonic()
        breakdown = Breakdown()
        with breakdown.watching(recipe.scorers):
            whole = cpu_seconds(lambda: [everything.process([unit]) for unit in units])
        wall = time.monotonic() - began
        ratios.append(without / bare)
        ocr_ratios.append((whole - without) / bare)
        breakdown.seconds["rest"] = whole - sum(breakdown.seconds.values())
        for part, seconds in breakdown.seconds.items():
            parts.setdefault(part, []).append(seconds / bare)
        speeds.append(_video_seconds(units) / wall)
        print(f"round {number + 1}: decode {bare:.2f} s CPU, pass {without:.2f} s, with OCR {whole:.2f} s")
    figures = {
        "cpu_ratio_to_decode": round(statistics.median(ratios), 3),
        "ocr_cpu_ratio": round(statistics.median(ocr_ratios), 3),
        "stages": {part: round(statistics.median(ratios), 3) for part, ratios in sorted(parts.items())},
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "x_realtime": round(statistics.median(speeds), 2),
        "videos": len(units),
        "video_seconds": round(_video_seconds(units), 1),
    }
    print(json.dumps(figures))


def cheap(full: CurateConfig) -> CurateConfig:
    """A recipe without OCR."""
    scorers = tuple(scorer for scorer in full.scorers if scorer.step == Step.FRAMES)
    return dataclasses.replace(full, scorers=scorers, rules=rules_of(full, Step.KNOWN) + rules_of(full, Step.FRAMES))


def stages(config: CurateConfig) -> Chain:
    """Decoding and measuring, set up, in this process; nothing is stored."""
    task, uncounted, strict = whole(config, {}), Attempts(None), Faults(out=None, strict=True)
    chain = Chain([MeasureStage(task, uncounted, strict), *model_stages(task, uncounted, strict)])
    chain.setup()
    return chain


def whole_unit(source: Source) -> WorkUnit:
    """All of one file."""
    return WorkUnit(spans=(SourceSpan(source=source),))


def readable_units(source: str) -> list[WorkUnit]:
    """The videos of a folder, those that can be decoded.

    Raises:
        ValueError: there is none.
    """
    units = [whole_unit(one) for one in list_sources(source).sources if _is_video(one)]
    if not units:
        raise ValueError(f"{source!r}: no readable video")
    return units


def _is_video(source: Source) -> bool:
    try:
        bare_decode(source, limit=1)
    except (MediaError, av.error.FFmpegError):
        return False
    return True


def bare_decode(source: Source, limit: int | None = None) -> int:
    """Bare decoding with one thread; the number of frames."""
    frames = 0
    with av.open(source.uri) as container:
        stream = container.streams.best("video")
        if stream is None:
            raise MediaError("no_video_stream")
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            frames += 1
            if frames == limit:
                break
    return frames


def _video_seconds(units: list[WorkUnit]) -> float:
    total = 0.0
    for unit in units:
        with av.open(unit.spans[0].source.uri) as container:
            total += (container.duration or 0) / av.time_base
    return total


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curate")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codec", choices=ROWS)
    options = parser.parse_args()
    if options.codec is None:
        main(options.source, options.rounds)
    else:
        with tempfile.TemporaryDirectory() as encoded:
            encode(options.source, options.codec, Path(encoded))
            main(encoded, options.rounds)
