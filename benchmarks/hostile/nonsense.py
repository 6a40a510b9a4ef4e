"""What no row of a manifest may say, whatever the file was: see docs/manifest.md."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from preprocess.clip import Row
from preprocess.detail import TILE
from preprocess.observe import ClipLengths
from preprocess.probe import LONGEST_SECONDS

RANGES = {
    "fps": (1e-9, 480.0),
    "width": (1, 2**20),
    "height": (1, 2**20),
    "short_side": (1, 2**20),
    "num_frames": (1, math.inf),
    "duration_seconds": (1e-9, math.inf),
    "motion": (0, math.inf),
    "sharpness": (0, 1),
    "resolution": (0, 2**20),
    "blockiness": (0, 1),
    "noise": (0, 255),
    "brightness": (0, 255),
    "contrast": (0, 255),
    "colorfulness": (0, math.inf),
    "visual_quality": (0, 1),
    "black_fraction": (0, 1),
    "freeze_fraction": (0, 1),
    "text_area": (0, 1),
}
"""Least and greatest value that a column of a clip can have, where it is not null."""
BY_TILES = {"resolution", "blockiness", "noise"}
"""Null for a frame with a side shorter than `TILE`."""
SIDES = ("left", "top", "right", "bottom")
STATUSES = {"ok", "damaged", "failed", "duplicate"}
MOST_FRAMES_A_SECOND = 10_000


def nonsense(clips: Sequence[Row], sources: Sequence[Row], lengths: ClipLengths) -> list[str]:
    """A line for each statement that cannot be true: whose row it is, and what it says."""
    lines = [f"{row['uri']!r}: {what}" for row in sources for what in _of_source(row)]
    lines += [f"{row['source_uri']!r}: {what}" for row in clips for what in _of_clip(row, lengths)]
    for column, rows in (("clip_id", clips), ("uri", sources)):
        lines += [f"{value!r} comes {n} times" for value, n in Counter(row[column] for row in rows).items() if n > 1]
    ordered = sorted(clips, key=lambda row: (row["source_uri"], row["start_pts"]))
    for uri, of_source in groupby(ordered, key=lambda row: row["source_uri"]):
        if any(before["end_pts"] > after["start_pts"] for before, after in pairwise(of_source)):
            lines.append(f"{uri!r}: clips overlap")
    counts = Counter(row["source_uri"] for row in clips)
    for row in sources:
        if row["status"] in ("ok", "damaged") and row["num_clips"] != counts[row["uri"]]:
            lines.append(f"{row['uri']!r}: {row['num_clips']} clips are said, {counts[row['uri']]} are there")
    return lines


def _of_source(row: Row) -> Iterator[str]:
    if row["status"] not in STATUSES:
        yield f"status {row['status']}"
    if row["status"] in ("failed", "damaged") and not row["reason"]:
        yield f"{row['status']} without a reason"
    if row["status"] in ("ok", "damaged"):
        for column in ("fps", "width", "height"):
            if row[column] is None or not _in_range(row[column], RANGES[column]):
                yield f"{column} {row[column]}"
    if row["duration_seconds"] is not None and not _in_range(row["duration_seconds"], (0, LONGEST_SECONDS)):
        yield f"duration_seconds {row['duration_seconds']}"


def _of_clip(row: Row, lengths: ClipLengths) -> Iterator[str]:
    for column, value in row.items():
        infinite = isinstance(value, float) and not math.isfinite(value)
        if infinite or (column in RANGES and value is not None and not _in_range(value, RANGES[column])):
            yield f"{column} {value}"
    seconds, frames = row["duration_seconds"], row["num_frames"]
    if row["start_pts"] >= row["end_pts"]:
        yield f"span [{row['start_pts']}, {row['end_pts']})"
    tick = row["time_base_num"] / row["time_base_den"]
    for end in ("start", "end"):
        if not math.isclose(row[f"{end}_seconds"], row[f"{end}_pts"] * tick, rel_tol=1e-9, abs_tol=1e-9):
            yield f"{end} {row[f'{end}_pts']} ticks of {tick} s, or {row[f'{end}_seconds']} s"
    if seconds > lengths.max_seconds + 1e-6:
        yield f"{frames} frames in a clip of {seconds} s"
    # shorter ones are a few ticks of a clock that was spoilt: raw AV1 has four frames in 8 ticks of 0.8 us
    if seconds >= 0.001 and frames > MOST_FRAMES_A_SECOND * seconds + 2:
        yield f"{frames} frames in {seconds} s"
    left, top, right, bottom = box = [row[f"crop_{side}"] for side in SIDES]
    if None not in box and not (0 <= left < right <= row["width"] and 0 <= top < bottom <= row["height"]):
        yield f"crop {box} of {row['width']}x{row['height']}"
    yield from _of_decision(row, lengths)


def _of_decision(row: Row, lengths: ClipLengths) -> Iterator[str]:
    if row["status"] not in ("kept", "rejected") or (row["status"] == "rejected") != bool(row["reasons"]):
        yield f"{row['status']}, reasons {row['reasons']}"
    if row["status"] == "kept":
        if not lengths.min_seconds <= row["duration_seconds"] <= lengths.max_seconds:
            yield f"kept at {row['duration_seconds']} s"
        without = BY_TILES if min(row["width"], row["height"]) < TILE else set()
        if missing := [column for column in RANGES if row[column] is None and column not in without]:
            yield f"kept without {missing}"


def _in_range(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
