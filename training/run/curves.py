"""Figures over steps as drawings that a page holds."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, MARGIN = 360, 200, 36
"""Of a curve's drawing, in pixels; the margin holds the ends of its axes."""


def points(rows: Sequence[Mapping[str, float | None]], name: str) -> list[tuple[float, float]]:
    """(step, value) where the figure was written and is a number."""
    found = ((row["step"], row.get(name)) for row in rows)
    return [(step, value) for step, value in found if step is not None and value is not None]


def curve(points: Sequence[tuple[float, float]], caption: str) -> str:
    """An SVG drawing of values over steps, with the ends of both axes written on it."""
    if not points:
        return ""
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    step_span, value_span = max(steps) - min(steps) or 1, high - low or 1
    drawn = " ".join(
        f"{MARGIN + (step - min(steps)) / step_span * (WIDTH - MARGIN - 8):.1f},"
        f"{HEIGHT - 20 - (value - low) / value_span * (HEIGHT - 32):.1f}"
        for step, value in points
    )
    labels = (
        f'<text x="2" y="14">{high:.3g}</text><text x="2" y="{HEIGHT - 20}">{low:.3g}</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - 4}">{min(steps):g}</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 4}" text-anchor="end">step {max(steps):g}: {values[-1]:.3g}</text>'
    )
    picture = f'<svg width="{WIDTH}" height="{HEIGHT}"><polyline points="{drawn}"/>{labels}</svg>'
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"
