"""What the whole CPU pass costs, as a ratio to decoding the same files once with one thread.

    python -m benchmarks.curate SOURCE [--rounds 3]

Both are measured in turn in one process, in CPU seconds of all its threads, so a noisy machine disturbs both alike.
`cpu_ratio_to_decode` is everything but OCR: content id, probe, shots, all other default scorers, rules, captions and
previews. `ocr_cpu_ratio` is what OCR adds on the clips that reach it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import statistics
import time
from collections.abc import Callable

import av
import cv2

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
    without_ocr, everything = stages(cheap()), stages(recipes.default())
    units = [whole_unit(one) for one in list_sources(source).sources if _is_video(one)]
    if not units:
        raise ValueError(f"{source!r}: no readable video")
    ratios, ocr_ratios, speeds = [], [], []
    for number in range(rounds):
        decode = cpu_seconds(lambda: [_decode(unit.spans[0].source) for unit in units])
        without = cpu_seconds(lambda: [without_ocr.process([unit]) for unit in units])
        began = time.monotonic()
        whole = cpu_seconds(lambda: [everything.process([unit]) for unit in units])
        wall = time.monotonic() - began
        ratios.append(without / decode)
        ocr_ratios.append((whole - without) / decode)
        speeds.append(_video_seconds(units) / wall)
        print(f"round {number + 1}: decode {decode:.2f} s CPU, pass {without:.2f} s, with OCR {whole:.2f} s")
    figures = {
        "cpu_ratio_to_decode": round(statistics.median(ratios), 3),
        "ocr_cpu_ratio": round(statistics.median(ocr_ratios), 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "x_realtime": round(statistics.median(speeds), 2),
        "videos": len(units),
        "video_seconds": round(_video_seconds(units), 1),
    }
    print(json.dumps(figures))


def cheap() -> CurateConfig:
    """The default recipe without OCR."""
    full = recipes.default()
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


def _is_video(source: Source) -> bool:
    try:
        _decode(source, limit=1)
    except (MediaError, av.error.FFmpegError):
        return False
    return True


def _decode(source: Source, limit: int | None = None) -> int:
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
    options = parser.parse_args()
    main(options.source, options.rounds)
