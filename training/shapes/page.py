"""A page of a few runs: their curves, figures and samples, in one HTML file that opens offline."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.run.curves import curve, points
from training.run.html_page import figure, page
from training.run.metrics import read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What the page shows of one run."""

    title: str
    text: str
    run: Path | None = None
    """The run's folder, for its curves and figures."""
    curves: Sequence[str] = ()
    """Names of figures in the run's metrics.jsonl."""
    sheets: Mapping[str, Path] | None = None
    """PNG files by what they show."""


def write_page(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page; a run's evaluation.json is shown where there is one."""
    body = "".join(_section(section) for section in sections)
    heading = f"<h1>{html.escape(title)}</h1>"
    path.write_text(page(title, heading + body), encoding="utf-8")


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>"]
    if section.run is not None:
        rows = read_rows(str(section.run))
        parts += [curve(points(rows, name), name) for name in section.curves]
        parts.append(_figures(section.run / "evaluation.json"))
    for what, sheet in (section.sheets or {}).items():
        parts.append(figure(sheet, what, what))
    return "".join(parts)


def _figures(path: Path) -> str:
    if not path.exists():
        return ""
    figures = json.loads(path.read_text(encoding="utf-8"))
    rows = (
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>" for name, value in figures.items()
    )
    return f"<table>{''.join(rows)}</table>"
