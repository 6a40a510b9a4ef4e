"""Tables of every kind, drawn by chance: the page and the decisions survive them, and what they say of them is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from filters.rules import Range, reasons
from pipelines.decide import decided
from pipelines.recipe import recipes
from pipelines.report.data import report_data
from pipelines.report.page import render_report
from preprocess.clip import CLIP_COLUMNS
from preprocess.schema import CAPTION_COLUMNS, DECISION_COLUMNS, clip_schema
from tests.browser import open_browser

LENGTHS = (0, 1, 2, 3, 10, 99, 100, 101, 199, 201, 1000, 1001, 10_000)
FINITE = (
    *(0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 1 - 1e-16, 1 + 2e-16, 1e-17, 1e-9, 1e9, 1e15, 2.0**53),
    *(5e-324, -5e-324, 2.3e-308, 1e-300, 1e300, -1e300, 1.7976931348623157e308, -1.7976931348623157e308),
)
SPECIAL = (*FINITE, np.inf, -np.inf, np.nan)


class Rows:
    """A table as the manifest gives it, a few rows at a time."""

    def __init__(self, table: pa.Table) -> None:
        self._table, self.schema, self.num_rows = table, table.schema, table.num_rows

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        names = self._table.column_names if columns is None else [one for one in columns if one in self.schema.names]
        for start in range(0, self.num_rows, 3000):
            yield self._table.select(names).slice(start, 3000)


NOTHING = Rows(pa.table({"uri": pa.array([], pa.string())}))


def numbers(draw: np.random.Generator, count: int) -> pa.Array:
    kind = draw.integers(9)
    if kind == 0:
        return pa.array(np.full(count, draw.choice(SPECIAL)))
    if kind == 1:  # all but a few are equal
        rare = draw.random(count) < draw.choice([0.001, 0.007, 0.05])
        return pa.array(np.where(rare, draw.choice(SPECIAL, count), draw.choice(SPECIAL)))
    if kind == 2:
        rare = draw.random(count) < 0.008
        return pa.array(np.where(rare, draw.random(count) * draw.choice([1, 1e-5, 1e5, 1e-310]), draw.choice(FINITE)))
    if kind == 3:
        return pa.array(draw.choice(SPECIAL, count))
    if kind == 4:
        return pa.array(draw.lognormal(0, draw.choice([0.1, 1, 5, 30]), count))
    if kind == 5:
        return pa.array(draw.normal(draw.choice([0, 1e6, 1e15, 1e-15]), draw.choice([1e-12, 1, 1e10]), count))
    if kind == 6:
        return pa.array(draw.integers(-(2**63), 2**63 - 1, count) >> draw.integers(0, 62))
    if kind == 7:
        return pa.array(draw.choice(SPECIAL, count), mask=draw.random(count) < 0.7)
    return pa.array((draw.random(count) * draw.choice([1, 1e-5, 6e4])).astype(draw.choice([np.float16, np.float32])))


def others(draw: np.random.Generator, count: int) -> pa.Array:
    kind = draw.integers(10)
    if kind == 0:
        return pa.nulls(count)
    if kind == 1:
        return pa.array(draw.random(count) < 0.5)
    if kind == 2:
        return pa.array([draw.random(draw.integers(3)) for _ in range(count)], pa.list_(pa.float64()))
    if kind == 3:
        words = ["a", None, "x" * 500, "\x1e", ""]
        return pa.array(
            [words[: draw.integers(6)] if draw.random() < 0.8 else None for _ in range(count)], pa.list_(pa.string())
        )
    if kind == 4:
        return pa.array(draw.choice(["kept", "failed", "unheard of", "", "\x1e", "</script>"], count))
    if kind == 5:
        return pa.array([b"\xff\x00"] * count, pa.binary())
    if kind == 6:
        return pa.array([{"a": 1}] * count, pa.struct([("a", pa.int64())]))
    if kind == 7:
        return pa.array(draw.integers(2**40, size=count)).cast(pa.timestamp("us"))
    if kind == 8:
        return pa.array(["kept"] * count).dictionary_encode()
    return numbers(draw, count)


def bound(draw: np.random.Generator) -> tuple[float | None, float | None]:
    low, high = sorted(float(end) for end in draw.choice(FINITE, 2))
    return (None if draw.random() < 0.4 else low), (None if draw.random() < 0.4 else high)


@pytest.mark.parametrize("seed", range(80))
def test_every_value_is_counted_once_in_bins_that_can_be_drawn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    column = numbers(draw, int(draw.choice(LENGTHS)))
    rule = Range(column="score", **dict(zip(("min", "max"), bound(draw), strict=True)))
    clips = pa.table({"clip_id": [f"{i:05}" for i in range(len(column))], "score": column})
    against = reasons([rule], clips)
    status = pa.array(["rejected" if listed else "kept" for listed in against.to_pylist()], pa.string())
    clips = clips.append_column("reasons", against).append_column("status", status)
    run = {"recipe": {"rules": [{"column": "score", "min": rule.min, "max": rule.max}] * int(draw.integers(2))}}
    data = report_data(Rows(clips), NOTHING, lambda ids: {}, run)
    json.dumps(data, allow_nan=False)
    assert data["totals"]["kept"] == sum(not listed for listed in against.to_pylist())
    for plot in data["histograms"]:
        values = np.array(column.to_numpy(zero_copy_only=False), np.float64)
        kept, known = np.array(status.to_pylist()) == "kept", ~np.isnan(values)
        assert (sum(plot["kept"]), sum(plot["not_kept"])) == ((known & kept).sum(), (known & ~kept).sum())
        assert plot["missing"] == (~known).sum()
        edges = plot["start"] + plot["step"] * np.arange(len(plot["kept"]) + 1)
        assert np.isfinite(edges).all()
        assert (np.diff(edges) > 0).all()
        assert len(edges) <= 81


@pytest.mark.parametrize("seed", range(80))
def test_a_rule_keeps_what_lies_within_it_and_nothing_else(seed: int) -> None:
    draw = np.random.default_rng(seed)
    column = others(draw, int(draw.choice(LENGTHS[:10])))
    low, high = bound(draw)
    for listed, value in zip(
        reasons([Range(column="score", min=low, max=high)], pa.table({"score": column})).to_pylist(),
        column.to_pylist(),
        strict=True,
    ):
        is_number = isinstance(value, bool | int | float | np.floating) and value == value
        within = is_number and (low is None or value >= low) and (high is None or value <= high)
        if low is None and high is None:
            assert listed == []
        elif column.type not in (pa.float16(), pa.float32()):  # there a bound is rounded to the column's numbers
            assert bool(listed) is not within
        assert len(listed) <= 1


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ruled", [True, False])
def test_rows_of_any_values_are_decided_and_described(seed: int, ruled: bool) -> None:
    draw = np.random.default_rng(seed)
    config = recipes.default() if ruled else replace(recipes.default(), rules=())
    count = int(draw.choice([0, 1, 5, 100]))
    schema = clip_schema(config.columns)
    clips = pa.table([typed(draw, kind, count) for kind in schema.types], schema=schema)
    made = decided(config, clips, measured=True)
    assert made.schema.names == schema.names
    kept = [not listed for listed in made["reasons"].to_pylist()]
    assert made["status"].to_pylist() == ["kept" if one else "rejected" for one in kept]
    undescribed = zip(kept, clips["captioner"].to_pylist(), made["caption"].to_pylist(), strict=True)
    assert all(caption for keep, captioner, caption in undescribed if keep and captioner is None)
    assert ruled or all(keep or bad for keep, bad in zip(kept, clips["damaged"].to_pylist(), strict=True))


def typed(draw: np.random.Generator, kind: pa.DataType, count: int) -> pa.Array:
    if pa.types.is_list(kind):
        return pa.array([typed(draw, kind.value_type, int(draw.integers(4))).to_pylist() for _ in range(count)], kind)
    if pa.types.is_floating(kind):
        drawn = [float(one) for one in draw.choice([one for one in SPECIAL if one == one], count)]
    elif pa.types.is_boolean(kind):
        drawn = [bool(one) for one in draw.integers(2, size=count)]
    elif pa.types.is_integer(kind):
        drawn = [int(one) for one in draw.choice([0, 1, -1, 64, 2**30], count)]
    else:
        drawn = [str(one) for one in draw.choice(["", "attributes", "static", "x" * 300], count)]
    return pa.array([None if draw.random() < 0.2 else one for one in drawn], kind)


@pytest.mark.parametrize("seed", range(40))
def test_columns_may_be_of_any_type_or_absent(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.choice([0, 1, 2, 50, 300]))
    names = [column.name for column in (*CLIP_COLUMNS, *CAPTION_COLUMNS, *DECISION_COLUMNS)]
    clips = {name: others(draw, count) for name in (*names, "motion", "anything") if draw.random() < 0.75}
    sources = {
        name: others(draw, count)
        for name in ("uri", "status", "reason", "container", "codec", "size_bytes", "duration_seconds")
        if draw.random() < 0.75
    }
    run = {"recipe": {"rules": [{"column": name, "min": 1, "max": None} for name in ("motion", "status", "absent")]}}
    page = render_report(Rows(pa.table(clips)), Rows(pa.table(sources)), lambda ids: {}, run)
    assert page.count("<script") == 2


@pytest.mark.parametrize("count", [101, 1000])
def test_a_score_that_is_zero_but_for_less_than_a_percent(count: int) -> None:
    values = np.zeros(count)
    values[:: count // 5][: count // 150 + 1] = 0.4
    clips = pa.table({"freeze_fraction": values, "status": ["kept"] * count})
    for low, high in ((None, None), (None, 0.5), (0.0, 0.3), (1e-320, None)):
        run = {"recipe": {"rules": [{"column": "freeze_fraction", "min": low, "max": high}]}}
        (plot,) = report_data(Rows(clips), NOTHING, lambda ids: {}, run)["histograms"]
        assert plot["step"] > 0
        assert plot["kept"][0] == (values == 0).sum()


@pytest.mark.slow
def test_the_page_draws_scores_of_every_kind(tmp_path: Path) -> None:
    count, draw = 150, np.random.default_rng(0)
    columns = {f"score_{number}": numbers(draw, count) for number in range(60)}
    columns |= {"clip_id": [f"{i:05}" for i in range(count)], "status": ["kept", "rejected", "failed"] * (count // 3)}
    rules = [
        {"column": f"score_{number}", "min": low, "max": high}
        for number, (low, high) in enumerate(map(bound, [draw] * 40))
    ]
    path = tmp_path / "report.html"
    path.write_text(render_report(Rows(pa.table(columns)), NOTHING, lambda ids: {}, {"recipe": {"rules": rules}}))
    with open_browser() as browser:
        browser.open(path)
        assert browser.console_errors() == []
        assert len(browser.all("#rules svg")) >= 50
        assert browser.run("document.querySelector('#explore').outerHTML.includes('NaN')") is False
        heights = browser.run("[...document.querySelectorAll('#rules svg rect')].map(one => one.height.baseVal.value)")
        assert len(heights) >= 50
        assert min(heights) >= 0


@pytest.mark.slow
def test_the_page_decides_as_the_rules_do(tmp_path: Path) -> None:
    """Columns of every kind against bounds of every kind, each row the same in both."""
    count, draw = 200, np.random.default_rng(1)
    clips = pa.table({f"score_{number}": others(draw, count) for number in range(80)})
    rules = [{"column": name, "min": -1, "max": None} for name in (*clips.column_names, "absent")]
    path = tmp_path / "report.html"
    path.write_text(render_report(Rows(clips), NOTHING, lambda ids: {}, {"recipe": {"rules": rules}}))
    with open_browser() as browser:
        browser.open(path)
        for name in (*clips.column_names, "absent"):
            bounds = [bound(draw) for _ in range(10)]
            script = "return arguments[1].map(ends => Array.from(brokenBy(arguments[0], ends)))"
            for (low, high), seen in zip(bounds, browser.driver.execute_script(script, name, bounds), strict=True):
                broken = Range(column=name, min=low, max=high).broken(clips)
                expected = np.logical_or.reduce([np.zeros(count, np.bool_), *(mask for _, mask in broken)])
                assert (np.array(seen, np.bool_) == expected).all(), (name, low, high)
