"""Where a run's figures go: a line of JSON each time, trackers, and the terminal. Only the first rank writes."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rich.progress
import torch
from rich.console import Console

from training.run.samples import Sample, add_samples
from training.run.trackers import Tracker

PEAK_TFLOPS = {
    "B200": {"bf16": 2250.0},
    "H200": {"bf16": 989.0},
    "H100": {"bf16": 989.0},
    "A100": {"bf16": 312.0, "fp32": 19.5},
    "L40S": {"bf16": 362.0},
}
"""Dense, by a part of the device's name; NVIDIA's data sheets."""


class Metrics:
    """A run's `metrics.jsonl`, its trackers such as TensorBoard, and its bar or lines on the terminal.

    Rows after `step` are dropped: a run that was killed after its last checkpoint makes them again.
    """

    def __init__(self, out: str, trackers: Sequence[Tracker], *, step: int, steps: int) -> None:
        self._out = out
        self._path = Path(out) / "metrics.jsonl"
        _drop_after(self._path, step)
        self._file = self._path.open("a")
        self._trackers = trackers
        self._terminal = Terminal(step=step, steps=steps)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Add the figures of the steps up to `step`."""
        # JSON has no NaN: a figure that is none is null
        plain = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        self._file.write(json.dumps({"step": step, **plain}) + "\n")
        self._file.flush()
        for tracker in self._trackers:
            tracker.figures(step, figures)
        self._terminal.show(step, figures)

    def samples(self, made: Sequence[Sample]) -> None:
        """Add the samples that all ranks have made after a step."""
        add_samples(self._out, made)
        for tracker in self._trackers:
            for sample in made:
                tracker.sample(sample)

    def advance(self, step: int) -> None:
        """Say that `step` steps are done."""
        self._terminal.advance(step)

    def say(self, message: str) -> None:
        """A line for the reader, such as why a run stops."""
        self._terminal.say(message)

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
        for tracker in self._trackers:
            tracker.close()
        self._terminal.close()


class Terminal:
    """A bar where someone watches, a line at a time where it goes to a file."""

    def __init__(self, *, step: int, steps: int) -> None:
        self._console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
        self._steps = steps
        columns = (
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[figures]}"),
            rich.progress.TimeRemainingColumn(),
        )
        self._bar = rich.progress.Progress(*columns, console=self._console) if self._console.is_terminal else None
        if self._bar is not None:
            self._task = self._bar.add_task("steps", total=steps, completed=step, figures="")
            self._bar.start()

    def advance(self, step: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def show(self, step: int, figures: Mapping[str, float]) -> None:
        """Losses, and how fast it goes."""
        named = {name: value for name, value in figures.items() if name.count("/") == 1 and "loss" in name}
        text = "  ".join(f"{name} {value:.4g}" for name, value in sorted(named.items()) if "/t_" not in name)
        if "tokens_per_second" in figures:
            text += f"  {figures['tokens_per_second']:,.0f} tokens/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, figures=text)
        else:
            self._console.print(f"step {step}/{self._steps}  {text}", markup=False)

    def say(self, message: str) -> None:
        """Print above the bar."""
        self._console.print(message, markup=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()


def peak_flops(device: torch.device, precision: str, told_tflops: float | None) -> float | None:
    """Operations a second of one device, as told or as its name says; None where neither does."""
    if told_tflops is not None:
        return told_tflops * 1e12
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    known = next((peaks for part, peaks in PEAK_TFLOPS.items() if part in name), {})
    return known[precision] * 1e12 if precision in known else None


def read_rows(out: str) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`; a last line that a crash cut short is left out."""
    path = Path(out) / "metrics.jsonl"
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _drop_after(path: Path, step: int) -> None:
    rows = [row for row in read_rows(str(path.parent)) if row["step"] <= step]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".unfinished")
    beside.write_text("".join(json.dumps(row) + "\n" for row in rows))
    beside.replace(path)
