"""How well joins of shots are found, and how clean the clips are, on any folder of reels with truth files.

    python -m benchmarks.shots FOLDER [--detector-only] [--frames-cache DIR]

Beside each video lies a JSON file of the same stem, which counts frames at its `fps`: `cuts` (first frame of each later
shot, hard cuts only) and `fades` ([start, end)); or `joins` and `distractors` too, each with `kind`, `start`, `end`, a
join with `sub` as well. Clips are those that the default recipe keeps, or, with `--detector-only`, all of 3 s and more
that the detector leaves; that needs small frames alone, which a cache folder keeps for the next round. `recall` is
given by kind and by `kind:sub`, `false_alarms` by the kind of distractor, `usable_kept_pure` is the share, kept in pure
clips, of the stretches of 3.2 s and more without any event. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.joins.detect import clips_of, detect, small_frames
from benchmarks.joins.tally import Tally, count_clips, count_transitions
from benchmarks.joins.truth import read_truth
from pipelines.curate import curate
from pipelines.recipe import recipes


def main(folder: Path, *, detector_only: bool = False, cache: Path | None = None) -> Tally:
    """Evaluate every reel of a folder and print the figures.

    Raises:
        ValueError: there is no video with a truth file.
    """
    tally = Tally()
    for truth_file, reel in tallies(folder, detector_only=detector_only, cache=cache):
        tally.include(reel)
        print(truth_file.stem, json.dumps(tally.figures()), flush=True)
    print(json.dumps(tally.figures()))
    return tally


def tallies(folder: Path, *, detector_only: bool = False, cache: Path | None = None) -> Iterator[tuple[Path, Tally]]:
    """The truth file and the counts of each reel, whose misses are printed.

    Raises:
        ValueError: there is no video with a truth file.
    """
    reels = [path for path in sorted(folder.glob("*.json")) if path.with_suffix(".mp4").exists()]
    if not reels:
        raise ValueError(f"{os.fspath(folder)!r}: no video.mp4 with a video.json beside it")
    recipe = recipes.default()
    kept = None if detector_only else _kept_clips(folder)
    for truth_file in reels:
        tally, video = Tally(), truth_file.with_suffix(".mp4")
        frames, times = small_frames(video, cache)
        truth = read_truth(truth_file, times)
        transitions, shots = detect(frames, times, recipe.shots)
        clips = clips_of(shots, times, recipe.clips) if kept is None else _clips_in(kept, video, times)
        for line in count_transitions(tally, transitions, truth) + count_clips(tally, clips, truth, times):
            print(f"{truth_file.stem}: {line}")
        yield truth_file, tally


def _kept_clips(folder: Path) -> pa.Table:
    with tempfile.TemporaryDirectory() as out:
        clips = curate(os.fspath(folder), out, recipes.default(), engine="local").clips()
    assert clips is not None
    return clips.filter(pc.equal(clips["status"], "kept"))


def _clips_in(kept: pa.Table, video: Path, times: list[float]) -> list[tuple[int, int]]:
    """The frames [start, end) of the kept clips of one video whose frames begin at `times`."""
    mine = kept.filter(pc.equal(kept["source_uri"], os.fspath(video.resolve())))
    spans = zip(mine["start_seconds"].to_pylist(), mine["end_seconds"].to_pylist(), strict=True)
    return [(bisect_left(times, start - 1e-6), bisect_left(times, end - 1e-6)) for start, end in spans]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detector-only", action="store_true")
    parser.add_argument("--frames-cache", type=Path)
    arguments = parser.parse_args()
    main(arguments.folder, detector_only=arguments.detector_only, cache=arguments.frames_cache)
