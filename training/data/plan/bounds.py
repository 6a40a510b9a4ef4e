"""Which of a manifest's kept clips a stage is trained on, by bounds on its columns: `motion>=0.5, text_area<=0.02`."""

from __future__ import annotations

import difflib
import math
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SHORT_SIDE = "short_side"
"""Pixels of a clip's shorter side, as if it were a column."""
_BOUND = re.compile(r"\s*(?P<column>\w+)\s*(?P<sign>>=|<=)\s*(?P<value>\S+)\s*", re.ASCII)

Bound = tuple[str, str, float]
"""Column, `>=` or `<=`, and value."""


def bounds_of(text: str) -> list[Bound]:
    """What a text such as `motion>=0.5, text_area<=0.02` asks.

    Raises:
        ValueError: a part of it is no bound.
    """
    bounds = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _BOUND.fullmatch(part)
        try:
            value = float(match["value"]) if match else math.nan
        except ValueError:
            value = math.nan
        if match is None or not math.isfinite(value):
            raise ValueError(f"bounds has {part!r}, expected such as motion>=0.5 or text_area<=0.02")
        bounds.append((match["column"], match["sign"], value))
    return bounds


def within_bounds(clips: pa.Table, bounds: list[Bound]) -> npt.NDArray[np.bool_]:
    """(N,) which rows of a manifest's `clips/` hold to them all. What was not measured does not, but in pictures: those
    have no motion.

    Raises:
        ValueError: the manifest has no such column of numbers.
    """
    fits = np.ones(clips.num_rows, np.bool_)
    for name, sign, bound in bounds:
        values = _numbers(clips, name)
        with np.errstate(invalid="ignore"):
            holds = values >= bound if sign == ">=" else values <= bound
        fits &= holds | (np.isnan(values) & _pictures(clips))
    return fits


def _numbers(clips: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """(N,), NaN where there is none."""
    if name == SHORT_SIDE:
        return np.minimum(_numbers(clips, "width"), _numbers(clips, "height"))
    known = [
        each.name for each in clips.schema if pa.types.is_floating(each.type) or pa.types.is_integer(each.type)
    ] + [SHORT_SIDE]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise ValueError(f"bounds asks for {name}, which is no column of numbers of the manifest: {', '.join(near)}")
    values = pc.fill_null(pc.cast(clips[name], pa.float64()), math.nan).to_numpy()
    return np.asarray(values, np.float64)


def _pictures(clips: pa.Table) -> npt.NDArray[np.bool_]:
    if "kind" not in clips.column_names:
        return np.zeros(clips.num_rows, np.bool_)
    return np.asarray(pc.fill_null(pc.equal(clips["kind"], "picture"), False).to_numpy(), np.bool_)
