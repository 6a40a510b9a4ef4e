"""Whether `dedup` finds copies and nothing else, and what it takes for a million clips.

    python -m benchmarks.dedup FOLDER [--out DIR] [--hashes N]

Spans of the takes in FOLDER (any videos; reels with truth files are taken apart) are written as films of their own, and
once more for each of the ways in `benchmarks.repeats.copies`: other sizes and bitrates, crops, light, bars, other cuts.
Spans of one take show the same place at other moments. They are curated, `dedup` runs, and its groups are compared with
what is known. Then hashes are drawn, spread as those of the films, and the command groups them in a process of its own.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pandas as pd

from benchmarks.repeats.copies import COPIES
from benchmarks.repeats.crowd import hash_config, write_crowd
from benchmarks.repeats.films import MIRROR, ORIGINAL, Film, write_films
from benchmarks.truth.material import SUFFIXES
from filters.prints.film_print import FilmPrint
from filters.prints.squares import squares_of
from pipelines.curate import curate
from pipelines.dedup.likeness import ByPhash
from pipelines.dedup.run import dedup
from preprocess.frames import ANALYSIS_LONG_SIDE, SAMPLES_PER_SECOND, Plane
from preprocess.manifest import Manifest
from preprocess.planes import resized

ROOT = Path(__file__).resolve().parents[1]
CLIP_SAMPLES = 12
"""Of a clip of six seconds."""


def main(folder: Path, work: Path, hashes: int) -> None:
    """Measure and print."""
    cv2.setNumThreads(1)  # as in a worker
    films_in, out = work / "films", work / "out"
    films_in.mkdir(parents=True, exist_ok=True)
    films = write_films(folder, films_in)
    curate(os.fspath(films_in), os.fspath(out), hash_config(), assignments=["clips.min_seconds=2"], engine="local")
    figures: dict[str, Any] = {"films": len(films), "spans": len({film.span for film in films.values()})}
    for name, likeness in (("plain", ByPhash()), ("mirrored", ByPhash(mirrored=True))):
        dedup(os.fspath(out), likeness)
        figures[name] = accuracy(_clips(out), films)
    figures["hash_per_decode"] = round(cost(folder), 4)
    if hashes:
        figures["crowd"] = crowd(work / "crowd", hashes, out)
    for name in ("plain", "mirrored"):
        for kind, share in figures[name]["recall_of"].items():
            print(f"{name:10} {kind:30} {share:.3f}")
    print(json.dumps(figures))


def accuracy(clips: pd.DataFrame, films: Mapping[str, Film]) -> dict[str, Any]:
    """Recall: of the copies, those in one group with the span that they are made of. Precision: of all pairs of clips
    in one group, those of one span. Of each film its longest clip counts."""
    clips = clips.sort_values("duration_seconds").drop_duplicates("name", keep="last").set_index("name")
    group_of: dict[str, str | None] = dict(zip(clips.index, clips["duplicate_group"], strict=True))
    originals = {films[name].span: group_of[name] for name in group_of if films[name].kind == ORIGINAL}
    found: dict[str, list[bool]] = defaultdict(list)
    groups: dict[str, list[Film]] = defaultdict(list)
    for name, group in group_of.items():
        film = films[name]
        if film.kind in (*COPIES, MIRROR):
            found[film.kind].append(isinstance(group, str) and group == originals.get(film.span))
        if isinstance(group, str):
            groups[group].append(film)
    pairs = [(one, other) for group in groups.values() for place, one in enumerate(group) for other in group[:place]]
    right = sum(one.span == other.span for one, other in pairs)
    recall_of = {kind: sum(some) / len(some) for kind, some in found.items()}
    counted = [each for kind, some in found.items() if kind != MIRROR for each in some]
    return {
        "clips": len(clips),
        "recall": round(sum(counted) / len(counted), 4),
        "precision": round(right / max(1, len(pairs)), 4),
        "pairs": len(pairs),
        "recall_of": {kind: round(share, 3) for kind, share in recall_of.items()},
    }


def cost(folder: Path) -> float:
    """CPU time of the hashes of all videos, in parts of that of decoding them."""
    decoding = hashing = 0.0
    for path in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        lumas: list[Plane] = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            began = time.process_time()
            for frame in container.decode(stream):
                decoding += time.process_time() - began
                if int((frame.time or 0) * SAMPLES_PER_SECOND) == len(lumas):
                    luma = frame.to_ndarray(format="gray").astype(np.uint8)
                    scale = ANALYSIS_LONG_SIDE / max(luma.shape)
                    lumas.append(resized(luma, *(round(side * scale) for side in luma.shape[::-1])))
                began = time.process_time()
        began = time.process_time()
        for start in range(0, len(lumas), CLIP_SAMPLES):
            film = FilmPrint.of(squares_of(lumas[start : start + CLIP_SAMPLES]))
            assert film is None or film.to_bytes()
        hashing += time.process_time() - began
    return hashing / decoding


def crowd(work: Path, hashes: int, out: Path) -> dict[str, Any]:
    """Time and memory of the command, and what it finds of the copies."""
    # not here: the kernel counts what a process held when it started another one as memory of that one, too
    maker = multiprocessing.get_context("spawn").Process(target=_make, args=(work, hashes, out))
    maker.start()
    maker.join()
    began = time.monotonic()
    command = [sys.executable, "-m", "pipelines", "dedup", os.fspath(work)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"dedup ended with status {status}")
    figures = {
        "clips": hashes,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": usage.ru_maxrss // 1024,
    }
    return figures | _crowd_accuracy(work)


def _make(work: Path, hashes: int, out: Path) -> None:
    column = Manifest(os.fspath(out)).parted_clips().read_all(["phash"])["phash"].to_pylist()
    films = [film for film in map(FilmPrint.from_bytes, filter(None, column)) if film is not None]
    write_crowd(os.fspath(work), hashes, films)


def _crowd_accuracy(work: Path) -> dict[str, float]:
    found: dict[str, list[bool]] = {"copy": [], "cropped copy": []}
    wrong = grouped = 0
    for batch in Manifest(os.fspath(work)).parted_clips().batches(["source_uri", "duplicate_group"]):
        uris, groups = batch["source_uri"].to_pylist(), batch["duplicate_group"].to_pylist()
        grouped += sum(group is not None for group in groups)
        named = set()
        for uri, group in zip(uris, groups, strict=True):
            kind, _, original = uri[1:].partition(" of ")
            if original:
                found[kind].append(group is not None and group == groups[int(original)])
                named.add(int(original))
        wrong += sum(
            group is not None and uri == "/new" and row not in named
            for row, (uri, group) in enumerate(zip(uris, groups, strict=True))
        )
    shares = {name: round(sum(some) / max(1, len(some)), 4) for name, some in found.items()}
    return {
        "recall": shares["copy"],
        "recall_cropped": shares["cropped copy"],
        "wrong_share": round(wrong / max(1, grouped), 4),
    }


def _clips(out: Path) -> pd.DataFrame:
    clips = pd.read_parquet(out / "clips")
    return clips.assign(name=[uri.rpartition("/")[2] for uri in clips["source_uri"]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="where films and manifests stay (default: a temporary folder)")
    parser.add_argument("--hashes", type=int, default=1_000_000, help="clips of the large manifest; 0 for none")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(arguments.folder, arguments.out or Path(temporary), arguments.hashes)
