"""Rules decide from columns, with reasons. They touch no video, so moving a threshold takes seconds.

A rule is a few masks over a whole table: there is no other way to ask it, and a clip on its way is a table of one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Keep clips whose `column` lies in [min, max], both ends included; None leaves an end open."""

    column: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"rule on {self.column}: min {self.min} is above max {self.max}")

    def broken(self, table: pa.Table) -> list[tuple[str, Mask]]:
        """Reasons such as `motion:below_1.0`, each with the rows (N,) that it is against; no row is in two of them.

        A value that was not measured is rejected too: what nobody looked at must not slip into a training set. That is
        null, NaN, what is no number, and a column that is not there.
        """
        if self.min is None and self.max is None:
            return []
        values = numbers_of(table, self.column)
        broken = [(f"{self.column}:not_measured", np.isnan(values))]
        with np.errstate(over="ignore"):  # A bound beyond the numbers of the column's type.
            if self.min is not None:
                broken.append((f"{self.column}:below_{float(self.min)}", values < self.min))
            if self.max is not None:
                broken.append((f"{self.column}:above_{float(self.max)}", values > self.max))
        return broken


def reasons(rules: Iterable[Range], table: pa.Table) -> pa.ListArray:
    """For each of N rows every rule that it breaks, in the rules' order; an empty list keeps the clip."""
    return listed([mask for rule in rules for mask in rule.broken(table)], table.num_rows)


def listed(masks: Sequence[tuple[str, Mask]], num_rows: int) -> pa.ListArray:
    """Masks (N,) as lists: for each row the names of those that hold it, in their order."""
    masks = [(name, mask) for name, mask in masks if mask.any()]
    matrix = np.stack([mask for _, mask in masks], axis=1) if masks else np.zeros((num_rows, 0), np.bool_)
    offsets = np.zeros(num_rows + 1, np.int32)
    np.cumsum(matrix.sum(axis=1), out=offsets[1:])
    names = pa.array([name for name, _ in masks], pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(np.nonzero(matrix)[1])))


def numbers_of(table: pa.Table, column: str) -> npt.NDArray[Any]:
    """A column as numbers (N,), NaN where it holds none."""
    index = table.schema.get_field_index(column)
    kind = pa.null() if index < 0 else table.schema.field(index).type
    if pa.types.is_boolean(kind):
        kind, table = pa.int8(), table.set_column(index, column, pc.cast(table.column(index), pa.int8()))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.full(table.num_rows, np.nan)
    values: npt.NDArray[Any] = table.column(index).to_numpy()
    return values
