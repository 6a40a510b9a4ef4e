"""What others take for parts of what the pass does, on the same files, in the same run and unit as `benchmarks.curate`.

    python -m benchmarks.peers SOURCE [--rounds 3] [--easyanimate CHECKOUT --python PYTHON]

Each figure is CPU seconds of all threads and children, over those of a bare decode with one thread. `adaptive` is
PySceneDetect's AdaptiveDetector alone, as `scenedetect.detect` opens files. With a checkout of EasyAnimate its own
scripts run on the same files, each a process with one worker: `cutscene_detect.py`, then `video_splitting.py` on what
that found, then `compute_motion_score.py` on the clips that were written; what a process takes to start is in theirs.
They want packages of their time (PySceneDetect before 0.7), so they have an interpreter of their own. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
from scenedetect import AdaptiveDetector, detect

from benchmarks.curate import bare_decode, cheap, cpu_seconds, readable_units, stages
from pipelines.recipe import recipes
from preprocess.units import WorkUnit

SCRIPTS = Path("easyanimate", "video_caption")


def main(source: str, rounds: int, easyanimate: Path | None, python: str) -> None:
    """Measure in turn, and print.

    Raises:
        ValueError: there is no readable video.
        subprocess.CalledProcessError: a script of EasyAnimate's failed.
    """
    cv2.setNumThreads(1)
    recipe = recipes.default()
    without_ocr, everything = stages(cheap(recipe)), stages(recipe)
    units = readable_units(source)
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        bare = cpu_seconds(lambda: [bare_decode(unit.spans[0].source) for unit in units])
        one = {
            "clipmill_without_text": cpu_seconds(lambda: [without_ocr.process([unit]) for unit in units]),
            "clipmill": cpu_seconds(lambda: [everything.process([unit]) for unit in units]),
            "adaptive": cpu_seconds(lambda: [detect(unit.spans[0].source.uri, AdaptiveDetector()) for unit in units]),
        }
        if easyanimate is not None:
            one |= _easyanimate(python, easyanimate / SCRIPTS, units)
        print(
            f"round {number + 1}: decode {bare:.2f} s CPU; { ({name: round(value, 2) for name, value in one.items()}) }"
        )
        for name, seconds in one.items():
            found.setdefault(name, []).append(seconds / bare)
    print(json.dumps({name: round(statistics.median(ratios), 3) for name, ratios in found.items()}))


def _easyanimate(python: str, scripts: Path, units: Sequence[WorkUnit]) -> Mapping[str, float]:
    """CPU seconds of each script."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        films, cuts, clips = folder / "films.jsonl", folder / "cuts", folder / "clips"
        _list_files(films, [Path(unit.spans[0].source.uri).resolve() for unit in units])
        cut = _child(
            python,
            scripts,
            "cutscene_detect.py",
            video_metadata_path=films,
            saved_folder=cuts,
            video_folder="/",
            n_jobs=1,
        )
        scenes = folder / "scenes.jsonl"
        lines = [path.read_text().rstrip("\n") for path in sorted(cuts.rglob("*.jsonl"))]
        scenes.write_text("".join(f"{line}\n" for line in lines))
        split = _child(
            python,
            scripts,
            "video_splitting.py",
            video_metadata_path=scenes,
            video_folder="/",
            output_folder=clips,
            n_jobs=1,
        )
        written = sorted(clips.rglob("*.mp4"))
        if not written:
            raise ValueError(f"{scripts / 'video_splitting.py'} wrote no clips of {len(units)} films")
        _list_files(folder / "clips.jsonl", written)
        moved = _child(
            python,
            scripts,
            "compute_motion_score.py",
            video_metadata_path=folder / "clips.jsonl",
            saved_path=folder / "motion.jsonl",
            saved_freq=len(written),
        )
        scored = (folder / "motion.jsonl").read_text().count("\n")
        print(f"EasyAnimate: {len(lines)} films cut, {len(written)} clips written, {scored} scored")
    return {"easyanimate_cut": cut, "easyanimate_split": split, "easyanimate_motion": moved}


def _list_files(path: Path, files: Sequence[Path]) -> None:
    path.write_text("".join(json.dumps({"video_path": os.fspath(file).lstrip("/")}) + "\n" for file in files))


def _child(python: str, scripts: Path, script: str, **options: object) -> float:
    """CPU seconds of a script and its children."""
    command = [python, script]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    if "video_folder" not in options:
        command += ["--video_folder", "/"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=scripts, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--easyanimate", type=Path, metavar="CHECKOUT")
    parser.add_argument("--python", default=sys.executable, metavar="PYTHON", help="that has what EasyAnimate imports")
    options = parser.parse_args()
    main(options.source, options.rounds, options.easyanimate, options.python)
