"""Which of several clips that repeat one another is the best, by their rows and whatever the order of those."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

RANKED = (
    *("clip_id", "short_side", "resolution", "visual_quality", "duration_seconds"),
    *("crop_left", "crop_top", "crop_right", "crop_bottom"),
)
"""The columns that tell, where they are there."""
STEPS_AN_OCTAVE = 4
"""Of resolution: the measure of one that is less than a fifth better is within what a codec does to it."""
QUALITY_STEP = 0.05

RANK = np.dtype([("resolution", "<i2"), ("quality", "<i2"), ("seconds", "<f4"), ("id", "<u8")])
"""More is better, the first one that differs decides."""
Ranks = npt.NDArray[np.void]


def ranks_of(table: pa.Table) -> Ranks:
    """Of N rows, (N,) of `RANK`.

    Resolution is that of the picture inside its bars, as far as `resolution` says that it is real; then the quality,
    the length, and at last the id, by its hash.
    """
    ranks = np.zeros(table.num_rows, RANK)
    inside = np.fmin(
        _numbers(table, "crop_right") - _numbers(table, "crop_left"),
        _numbers(table, "crop_bottom") - _numbers(table, "crop_top"),
    )
    real = np.fmin(np.fmin(_numbers(table, "short_side"), inside), _numbers(table, "resolution"))
    octaves = np.log2(np.clip(np.nan_to_num(real), 1, 1e9))
    ranks["resolution"] = np.floor(octaves * STEPS_AN_OCTAVE)
    ranks["quality"] = np.floor(np.clip(np.nan_to_num(_numbers(table, "visual_quality")), 0, 1) / QUALITY_STEP)
    ranks["seconds"] = np.clip(np.nan_to_num(_numbers(table, "duration_seconds")), 0, 1e9)
    ids = table["clip_id"].to_pylist()
    ranks["id"] = [int.from_bytes(blake2b(str(each).encode(), digest_size=8).digest(), "little") for each in ids]
    return ranks


def best_first(ranks: Ranks) -> npt.NDArray[np.int64]:
    """The order of N ranks, (N,)."""
    return np.lexsort([ranks[name] for name in reversed(RANK.names or ())])[::-1]


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column as float64 (N,), NaN where it is null, no number or not there."""
    kind = table.schema.field(name).type if name in table.column_names else pa.null()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.full(table.num_rows, np.nan)
    values: npt.NDArray[np.float64] = pc.cast(table[name], pa.float64()).to_numpy()
    return values
