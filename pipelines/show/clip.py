"""One clip: where it is, what was measured of it with the bounds on that, and what was decided and said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from pipelines.terminal import shown
from pipelines.verdicts import VERDICT_COLUMNS
from preprocess.clip import CLIP_COLUMNS, Row
from preprocess.cutting.result import FILE_COLUMNS
from preprocess.schema import CAPTION_COLUMNS, DECISION_COLUMNS, ORIGIN_COLUMNS, is_vector

_NOT_SCORES = {
    column.name
    for columns in (CLIP_COLUMNS, FILE_COLUMNS, CAPTION_COLUMNS, ORIGIN_COLUMNS, DECISION_COLUMNS, VERDICT_COLUMNS)
    for column in columns
}
Ends = Mapping[tuple[str, str], float | None]


def clip_lines(row: Row, schema: pa.Schema, bounds: Ends) -> Iterator[str]:
    """All that its row says, in lines that are safe on a terminal."""
    yield f"clip {shown(row['clip_id'])}: {shown(row['status'])}"
    yield f"  of {shown(row['source_uri'])}, source {shown(row['source_id'])}"
    yield f"  {span_text(row)}, {_text(row.get('num_frames'))} frames, {_pictures(row)}"
    for reason in row.get("reasons") or ():
        yield f"  rejected: {shown(reason)}"
    yield from _scores(row, schema, bounds)
    for columns, words in (
        (VERDICT_COLUMNS, "by hand"),
        (CAPTION_COLUMNS, "said of it"),
        (ORIGIN_COLUMNS, "from"),
        (FILE_COLUMNS, "as a file"),
    ):
        told = [(each.name, row.get(each.name)) for each in columns if row.get(each.name) not in (None, [])]
        if told:
            yield words
        yield from (f"  {name}: {_text(value)}" for name, value in told)


def span_text(row: Row) -> str:
    """Such as `4.00 to 8.50 s (4.50 s)`; a picture has no time."""
    if row.get("duration_seconds") is None:
        return "a picture"
    return f"{row['start_seconds']:.2f} to {row['end_seconds']:.2f} s ({row['duration_seconds']:.2f} s)"


def _pictures(row: Row) -> str:
    rate = "" if row.get("fps") is None else f" at {row['fps']:.5g} a second"
    sound = "with sound" if row.get("has_audio") else "without sound"
    damaged = ", damaged" if row.get("damaged") else ""
    return f"{_text(row.get('width'))}x{_text(row.get('height'))}{rate}, {shown(row.get('codec'))}, {sound}{damaged}"


def _scores(row: Row, schema: pa.Schema, bounds: Ends) -> Iterator[str]:
    """A line a column: the value with its unit, and the bounds, where there are some."""
    ruled = {column for column, _ in bounds}
    fields = [field for field in schema if field.name in ruled or field.name not in _NOT_SCORES]
    lines = []
    for field in fields:
        unit = shown((field.metadata or {}).get(b"unit", b"").decode(errors="replace"))
        value = row.get(field.name)
        told = "a vector" if is_vector(field.type) else "none" if value is None else f"{_text(value)} {unit}".strip()
        lines.append((shown(field.name), told, _verdict(value, field.name, bounds)))
    widths = [max((len(line[place]) for line in lines), default=0) for place in range(2)]
    yield "measured"
    for name, value, verdict in lines:
        yield f"  {name:<{widths[0]}}  {value:<{min(widths[1], 40)}}  {verdict}".rstrip()


def _verdict(value: Any, column: str, bounds: Ends) -> str:
    low, high = bounds.get((column, "min")), bounds.get((column, "max"))
    if low is None and high is None:
        return ""
    within = f"{'any' if low is None else low} to {'any' if high is None else high}"
    if not isinstance(value, int | float):
        return f"not in {within}"
    below, above = low is not None and value < low, high is not None and value > high
    return f"{'below' if below else 'above' if above else 'in'} {within}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return ", ".join(map(shown, value)) if isinstance(value, list) else shown(value)
