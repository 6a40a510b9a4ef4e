"""Rules give reasons, and never let through what nobody measured."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from filters.rules import Range, reasons


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, None),
        (20.0, None),
        (0.999, "motion:below_1.0"),
        (20.5, "motion:above_20.0"),
        (None, "motion:not_measured"),
        (math.nan, "motion:not_measured"),
        ("5", "motion:not_measured"),
    ],
)
def test_range_is_closed_and_says_why(value: object, reason: str | None) -> None:
    table = pa.table({"motion": [value]})
    said = reasons([Range(column="motion", min=1.0, max=20)], table)
    assert said.to_pylist() == [[] if reason is None else [reason]]


def test_every_broken_rule_is_told_in_order() -> None:
    rules = [Range(column="b", min=1), Range(column="a", max=0), Range(column="c"), Range(column="d", min=0)]
    table = pa.table({"a": [2.0, 0.0, None], "b": [0, 1, None], "d": [0.0, math.nan, 1.0]})
    assert reasons(rules, table).to_pylist() == [
        ["b:below_1.0", "a:above_0.0"],
        ["d:not_measured"],
        ["b:not_measured", "a:not_measured"],
    ]


def test_a_column_that_is_not_there_was_not_measured() -> None:
    assert reasons([Range(column="b", min=1)], pa.table({"a": [1, 2]})).to_pylist() == [["b:not_measured"]] * 2
    assert reasons([], pa.table({"a": [1, 2]})).to_pylist() == [[], []]


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_()])
def test_numbers_of_any_type_count(kind: pa.DataType) -> None:
    table = pa.table({"a": pa.array([0, None, 1], pa.int8()).cast(kind) if kind != pa.float16() else half()})
    rules = [Range(column="a", min=0.5)]
    assert reasons(rules, table).to_pylist() == [["a:below_0.5"], ["a:not_measured"], []]


def half() -> pa.Array:
    return pa.array([np.float16(0), None, np.float16(1)], pa.float16())


def test_rows_are_judged_alike_alone_and_together() -> None:
    draw = np.random.default_rng(0)
    rules = [Range(column="a", min=0.2), Range(column="b", min=0.1, max=0.7), Range(column="a", max=0.8)]
    columns = {name: np.where(draw.random(500) < 0.1, np.nan, draw.random(500)) for name in ("a", "b")}
    table = pa.table(columns)
    alone = [reasons(rules, table.slice(row, 1)).to_pylist()[0] for row in range(500)]
    assert reasons(rules, table).to_pylist() == alone
    assert reasons(rules, pa.concat_tables([table.slice(0, 7), table.slice(7)])).to_pylist() == alone


def test_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"min 3 is above max 2"):
        Range(column="motion", min=3, max=2)
