"""A run's page, RUN/page.html: its curves, and its samples over time, playing. One file that asks for nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from preprocess.io.config_files import as_toml
from training.run.config import TrainConfig
from training.run.curves import curve, points
from training.run.html_page import figure, page
from training.run.metrics import read_rows
from training.run.samples import Sample, read_samples

PAGE = "page.html"
MOST_STEPS = 12
"""Of which samples are shown, evenly spaced, the first and the last among them: each is a few 10 kB in the page."""
_SPEED = ("learning_rate/", "gradient_norm/", "tokens_per_second", "mfu")


def write_run_page(config: TrainConfig) -> Path:
    """Write the page of a run from what lies in its folder; its path. It appears whole or not at all."""
    rows, samples = read_rows(config.out), read_samples(config.out)
    title = f"{config.name} · {Path(config.out).name}"
    done = max((int(row["step"]) for row in rows), default=0)
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="lede">{done:,} of {config.trainer.steps:,} steps</p>',
        _samples(samples),
        _curves(rows),
        f"<h2>Settings</h2><details><summary>All of them</summary><pre>{html.escape(as_toml(config))}</pre></details>",
    ]
    path = Path(config.out) / PAGE
    beside = path.with_suffix(".unfinished")
    beside.write_text(page(title, "".join(parts)), encoding="utf-8", errors="replace")
    beside.replace(path)
    return path


def _curves(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    # loss/NAME, and neither its shapes nor its noise levels
    losses = [name for name in names if name.startswith("loss/") and name.count("/") == 1 and "/t_" not in name]
    groups = {
        "Loss": losses,
        "Held out": [name for name in names if name.startswith("held_out/")],
        "Steps": [name for name in names if name.startswith(_SPEED)],
    }
    drawn = {title: "".join(curve(points(rows, name), name) for name in those) for title, those in groups.items()}
    return "".join(f"<h2>{title}</h2>{curves}" for title, curves in drawn.items() if curves)


def _samples(samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    steps = sorted({sample.step for sample in samples})
    shown = {steps[place] for place in np.linspace(0, len(steps) - 1, min(len(steps), MOST_STEPS)).round().astype(int)}
    strips = []
    ordered = sorted(samples, key=lambda sample: (sample.index, sample.step))
    for index, those in groupby(ordered, key=lambda sample: sample.index):
        of_prompt = list(those)
        films = "".join(_film(sample) for sample in of_prompt if sample.step in shown and sample.preview.exists())
        begins = f", begins with {of_prompt[-1].image}" if of_prompt[-1].image else ""
        prompt = html.escape(of_prompt[-1].prompt or "(no text)")
        note = html.escape(f"prompt {index}, seed {of_prompt[-1].seed}{begins}")
        strips.append(f'<h3>{prompt}</h3><p class="note">{note}</p><div class="strip">{films}</div>')
    return f"<h2>Samples</h2>{''.join(strips)}"


def _film(sample: Sample) -> str:
    return figure(sample.preview, f"{sample.prompt}, step {sample.step}", f"step {sample.step:,}")
