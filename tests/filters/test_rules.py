"""Rules give reasons, and never let through what nobody measured."""

from __future__ import annotations

import math

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
    assert Range(column="motion", min=1.0, max=20).reason(value) == reason


def test_every_broken_rule_is_told_in_order() -> None:
    rules = [Range(column="b", min=1), Range(column="a", max=0), Range(column="c")]
    assert reasons(rules, {"a": 2.0, "b": 0}) == ["b:below_1.0", "a:above_0.0"]


def test_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"min 3 is above max 2"):
        Range(column="motion", min=3, max=2)
