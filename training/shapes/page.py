"""A page of a few runs: their films, which play, their curves and figures, in one HTML file that opens offline."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.run.curves import curve, points
from training.run.html_page import figure, page
from training.run.metrics import read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What the page shows of one run."""

    title: str
    text: str
    films: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Strips of pictures, PNG or WebP that play, each by what stands below it; strips by what they show."""
    figures: Mapping[str, object] = field(default_factory=dict)
    run: Path | None = None
    """The run's folder, for its curves."""
    curves: Sequence[str] = ()
    """Names of figures in the run's metrics.jsonl."""


def write_page(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page; it holds the bytes of all pictures."""
    body = "".join(_section(section) for section in sections)
    heading = f"<h1>{html.escape(title)}</h1>"
    path.write_text(page(title, heading + body), encoding="utf-8")


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>"]
    for what, strip in section.films.items():
        films = "".join(figure(film, f"{what}: {below}", below) for below, film in strip.items())
        parts.append(f'<h3>{html.escape(what)}</h3><div class="strip">{films}</div>')
    parts.append(_table(section.figures))
    if section.run is not None:
        rows = read_rows(str(section.run))
        parts += [curve(points(rows, name), name) for name in section.curves]
    return "".join(parts)


def _table(figures: Mapping[str, object]) -> str:
    rows = (
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>" for name, value in figures.items()
    )
    return f"<table>{''.join(rows)}</table>" if figures else ""
