"""A page of a few runs: their curves, figures and samples, in one HTML file that opens offline."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.run.curves import curve, points
from training.run.metrics import read_rows

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { font-weight: 600; } figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; }
figcaption, td { font-size: 13px; } img { image-rendering: pixelated; max-width: 100%; }
svg { background: #f7f7f5; } polyline { fill: none; stroke: #2563a8; stroke-width: 1.5; } text { font-size: 11px; }
td { padding: 0 1.5rem 0 0; } td + td { text-align: right; font-variant-numeric: tabular-nums; }
"""


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
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    page = f"<!doctype html><html><head>{head}</head><body><h1>{html.escape(title)}</h1>{body}</body></html>\n"
    path.write_text(page, encoding="utf-8")


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>"]
    if section.run is not None:
        rows = read_rows(str(section.run))
        parts += [curve(points(rows, name), name) for name in section.curves]
        parts.append(_figures(section.run / "evaluation.json"))
    for what, sheet in (section.sheets or {}).items():
        data = base64.b64encode(sheet.read_bytes()).decode()
        picture = f'<img src="data:image/png;base64,{data}" alt="{html.escape(what)}">'
        parts.append(f"<figure>{picture}<figcaption>{html.escape(what)}</figcaption></figure>")
    return "".join(parts)


def _figures(path: Path) -> str:
    if not path.exists():
        return ""
    figures = json.loads(path.read_text(encoding="utf-8"))
    rows = (
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>" for name, value in figures.items()
    )
    return f"<table>{''.join(rows)}</table>"
