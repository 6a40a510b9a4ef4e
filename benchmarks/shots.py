"""How well cuts and fades are found, and how clean the clips are, on any folder of reels with truth files.

    python -m benchmarks.shots FOLDER

Beside each video lies a JSON file of the same stem: `fps`, `cuts` (first frame of each later shot, hard cuts only) and
`fades` ([start, end) frame ranges). Clips are those that the default recipe keeps. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from pipelines.curate import curate
from pipelines.recipe import recipes
from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.shots.detector import ShotDetector, Transition

TOLERANCE_FRAMES = 1


@dataclass(slots=True)
class Tally:
    """Counts over all reels."""

    matched: int = 0
    true_cuts: int = 0
    found_cuts: int = 0
    fades: int = 0
    fades_found: int = 0
    kept_clips: int = 0
    impure_clips: int = 0

    def figures(self) -> dict[str, float]:
        """What the last line says."""
        precision = self.matched / max(1, self.found_cuts)
        recall = self.matched / max(1, self.true_cuts)
        return {
            "cuts_f1": round(2 * precision * recall / max(1e-9, precision + recall), 4),
            "cuts_precision": round(precision, 4),
            "cuts_recall": round(recall, 4),
            "fades": self.fades,
            "fades_found": self.fades_found,
            "kept_clips": self.kept_clips,
            "impure_clips": self.impure_clips,
        }


def main(folder: str) -> None:
    """Evaluate every reel of a folder and print the figures.

    Raises:
        ValueError: there is no video with a truth file.
    """
    reels = [path for path in sorted(Path(folder).glob("*.json")) if path.with_suffix(".mp4").exists()]
    if not reels:
        raise ValueError(f"{folder!r}: no video.mp4 with a video.json beside it")
    tally = Tally()
    with tempfile.TemporaryDirectory() as out:
        manifest = curate(folder, out, recipes.default(), engine="local")
        clips = manifest.clips()
        assert clips is not None
        for truth_file in reels:
            truth = json.loads(truth_file.read_text())
            uri = os.fspath(truth_file.with_suffix(".mp4").resolve())
            kept = clips.filter(pc.and_(pc.equal(clips["source_uri"], uri), pc.equal(clips["status"], "kept")))
            spans = zip(kept["start_seconds"].to_pylist(), kept["end_seconds"].to_pylist(), strict=True)
            frames = [(round(start * truth["fps"]), round(end * truth["fps"])) for start, end in spans]
            count_transitions(tally, transitions(uri), truth["cuts"], truth["fades"])
            count_clips(tally, frames, truth["cuts"], truth["fades"])
            print(truth_file.stem, json.dumps(tally.figures()))
    print(json.dumps(tally.figures()))


def transitions(uri: str) -> list[Transition]:
    """What the default recipe's detector finds in one video."""
    with Video(Source(uri=uri, size_bytes=0, modified_ns=0)) as video:
        detector = ShotDetector(recipes.default().shots, video.info.fps)
        for frame in video.frames():
            detector.push(frame.shrink().shot_frame())
        detector.finish()
    return detector.transitions


def count_transitions(tally: Tally, found: list[Transition], cuts: list[int], fades: list[list[int]]) -> None:
    """Match cuts one to one; a gradual transition where there is none counts as a false cut."""
    gradual = [one for one in found if one.kind != "cut"]
    unmatched = [one.start for one in found if one.kind == "cut"]
    tally.found_cuts += len(unmatched)
    tally.found_cuts += sum(not any(one.start < end and start < one.end for start, end in fades) for one in gradual)
    tally.true_cuts += len(cuts)
    for cut in cuts:
        near = [at for at in unmatched if abs(at - cut) <= TOLERANCE_FRAMES]
        if near:
            unmatched.remove(min(near, key=lambda at: abs(at - cut)))
            tally.matched += 1
    tally.fades += len(fades)
    tally.fades_found += sum(any(one.start < end and start < one.end for one in gradual) for start, end in fades)


def count_clips(tally: Tally, clips: list[tuple[int, int]], cuts: list[int], fades: list[list[int]]) -> None:
    """A clip is impure if it holds frames of two shots, or one frame of a fade."""
    for start, end in clips:
        crosses = any(start < cut < end for cut in cuts)
        fades_into = any(start < fade_end and fade_start < end for fade_start, fade_end in fades)
        tally.kept_clips += 1
        tally.impure_clips += crosses or fades_into


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.shots FOLDER")
    main(sys.argv[1])
