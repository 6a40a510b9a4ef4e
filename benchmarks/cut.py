"""What `cut` costs: clips as they are, against encoding all of them anew, and what is lost where something is encoded.

    python -m benchmarks.cut SOURCE [--rounds 3] [--set shots.margin_frames=0] [--workers]

SOURCE is curated by the default recipe without OCR and without rules, so that every clip is cut. Both ways are measured
in turn in one process, in CPU seconds of all its threads. Frames of all files are compared with the source's: those
that differ are the encoded ones. `--workers` measures something else: all clips encoded by two workers under Ray
against one, by the clock, from when each worker has written a file to the last one. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from benchmarks.curate import cheap, cpu_seconds
from pipelines.curate import curate
from pipelines.cut import Work, run_cut
from pipelines.recipe import recipes
from preprocess.clip import Clip
from preprocess.cutting.format import CutFormat
from preprocess.decode import Video
from preprocess.io.settings import override
from preprocess.manifest import Manifest

WORK = Work(engine="in-process")
FORMATS = {"as_they_are": CutFormat(), "encoded": CutFormat(codec="h264")}


def main(source: str, rounds: int, assignments: Sequence[str], *, workers: bool) -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        out = os.fspath(Path(folder) / "out")
        config = override(dataclasses.replace(cheap(recipes.default()), rules=()), list(assignments))
        curate(source, out, config, engine="in-process")
        print(json.dumps(_speedup(out, folder, rounds) if workers else _costs(out, folder, rounds)))


def _costs(out: str, folder: str, rounds: int) -> Mapping[str, object]:
    """What both ways take, and what the files are like."""
    spent: dict[str, list[float]] = {name: [] for name in FORMATS}
    for number in range(rounds):
        for name, form in FORMATS.items():
            place = os.fspath(Path(folder) / f"{name}-{number}")
            spent[name].append(cpu_seconds(partial(run_cut, out, place, form, work=WORK)))
        said = ", ".join(f"{name} {each[-1]:.2f} s CPU" for name, each in spent.items())
        print(f"round {number + 1}: {said}", flush=True)
    run_cut(out, os.fspath(Path(folder) / "as_they_are-0"), work=WORK)  # the table tells of these
    rows = [row for row in _rows(out) if row["file"] is not None]
    kept, ratios = _kept(rows, Path(folder) / "as_they_are-0")
    every = [before / after for before, after in zip(spent["encoded"], spent["as_they_are"], strict=True)]
    return {
        "clips": len(rows),
        "seconds": round(sum(row["duration_seconds"] for row in rows), 1),
        "methods": Counter(row["file_method"] for row in rows),
        "megabytes": {name: round(_size_bytes(Path(folder) / f"{name}-0") / 1e6, 1) for name in FORMATS},
        "cpu_ratio_to_encoding_all": round(statistics.median(every), 2),
        "frames_kept_bit_for_bit": round(kept, 4),
        "psnr_of_others_db": {at: round(float(np.percentile(ratios or [np.inf], at)), 1) for at in (0, 10, 50)},
    }


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.mp4"))


def _speedup(out: str, folder: str, rounds: int) -> Mapping[str, object]:
    """Frames a second of two workers, in those of one."""
    speedups = []
    for number in range(rounds):
        speeds = []
        for count in (1, 2):
            place = Path(folder) / f"{count}-workers-{number}"
            run_cut(out, os.fspath(place), FORMATS["encoded"], work=Work(engine="ray", workers=count))
            speeds.append(_speed(_rows(out), place, skip=count))
        speedups.append(speeds[1] / speeds[0])
        print(f"round {number + 1}: one worker {speeds[0]:.1f} frames/s, two {speeds[1]:.1f}", flush=True)
    return {"rounds": rounds, "two_workers_speedup": round(statistics.median(speedups), 3)}


def _speed(rows: Iterable[Mapping[str, Any]], place: Path, *, skip: int) -> float:
    """Frames a second, from the time when the first `skip` files were there."""
    ended = sorted(((place / row["file"]).stat().st_mtime, row["num_frames"]) for row in rows if row["file"])
    return float(sum(frames for _, frames in ended[skip:]) / (ended[-1][0] - ended[skip - 1][0]))


def _rows(out: str) -> list[Mapping[str, Any]]:
    clips = Manifest(out).clips()
    assert clips is not None
    return list(clips.to_pylist())


def _kept(rows: list[Mapping[str, Any]], folder: Path) -> tuple[float, list[float]]:
    """The share of frames that equal the source's, and the PSNR of luma of the others, in dB."""
    equal, ratios = 0, []
    for row in rows:
        for before, after in zip(_source(Clip.of(row)), _file(folder / row["file"]), strict=True):
            error = float(np.square(before - after).mean()) if before.shape == after.shape else np.inf
            if error == 0:
                equal += 1
            else:
                ratios.append(float(10 * np.log10(255**2 / error)))
    return equal / max(1, equal + len(ratios)), ratios


def _source(clip: Clip) -> Iterator[np.ndarray[Any, Any]]:
    with Video(clip.source, source_id=clip.source_id, clock=clip.clock) as video:
        for frame in video.frames(float((clip.start_pts - Fraction(1, 2)) * clip.time_base)):
            if frame.pts >= clip.end_pts:
                return
            yield _luma(frame.raw)


def _file(path: Path) -> Iterator[np.ndarray[Any, Any]]:
    with av.open(os.fspath(path)) as container:
        yield from map(_luma, container.decode(video=0))


def _luma(frame: av.VideoFrame) -> np.ndarray[Any, Any]:
    return frame.to_ndarray(format="gray").astype(np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", action="store_true")
    arguments = parser.parse_args()
    main(arguments.source, arguments.rounds, arguments.set, workers=arguments.workers)
