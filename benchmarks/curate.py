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

from pipelines import recipes
from pipelines.config import CurateConfig
from pipelines.stages import measure_span
from preprocess.clip import Source
from preprocess.errors import MediaError
from preprocess.observe import Window
from preprocess.sources import list_sources
from preprocess.units import SourceSpan


def main(source: str, rounds: int) -> None:
    """Measure and print.

    Raises:
        ValueError: there is no readable video.
    """
    cv2.setNumThreads(1)
    full = recipes.default()
    costly = {column for scorer in full.scorers if scorer.costly for column in scorer.columns}
    cheap = dataclasses.replace(
        full,
        scorers=tuple(scorer for scorer in full.scorers if not scorer.costly),
        rules=tuple(rule for rule in full.rules if rule.column not in costly),
    )
    for scorer in full.scorers:
        scorer.setup()
    full.captioner.setup()
    spans = [_whole(one) for one in list_sources(source).sources if _is_video(one)]
    if not spans:
        raise ValueError(f"{source!r}: no readable video")
    ratios, ocr_ratios, speeds = [], [], []
    for number in range(rounds):
        decode = _cpu_seconds(lambda: [_decode(span.source) for span in spans])
        without = _cpu_seconds(lambda: [measure_span(cheap, span) for span in spans])
        began = time.monotonic()
        whole = _cpu_seconds(lambda: _all_seconds(full, spans))
        wall = time.monotonic() - began
        ratios.append(without / decode)
        ocr_ratios.append((whole - without) / decode)
        speeds.append(_all_video_seconds(spans) / wall)
        print(f"round {number + 1}: decode {decode:.2f} s CPU, pass {without:.2f} s, with OCR {whole:.2f} s")
    figures = {
        "cpu_ratio_to_decode": round(statistics.median(ratios), 3),
        "ocr_cpu_ratio": round(statistics.median(ocr_ratios), 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "x_realtime": round(statistics.median(speeds), 2),
        "videos": len(spans),
        "video_seconds": round(_all_video_seconds(spans), 1),
    }
    print(json.dumps(figures))


def _whole(source: Source) -> SourceSpan:
    return SourceSpan(source=source, index=0, count=1, window=Window())


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


def _all_seconds(config: CurateConfig, spans: list[SourceSpan]) -> None:
    for span in spans:
        measure_span(config, span)


def _all_video_seconds(spans: list[SourceSpan]) -> float:
    total = 0.0
    for span in spans:
        with av.open(span.source.uri) as container:
            total += (container.duration or 0) / av.time_base
    return total


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curate")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    main(options.source, options.rounds)
