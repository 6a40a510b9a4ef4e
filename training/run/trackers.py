"""The seam of programs that show how a run gets on: figures and samples go in, whatever they make of them.

TensorBoard's files are always written. wandb and trackio are imported where a recipe names them, and only there.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from training.film import Picture, read_preview
from training.run.config import TrackerName
from training.run.samples import Sample

SHEET_FRAMES = 9
"""Most frames of a sample that TensorBoard, which plays no films, shows beside one another."""


class Tracker(Protocol):
    """One such program; only the first rank has it."""

    def figures(self, step: int, figures: Mapping[str, float]) -> None:
        """Those of the steps up to `step`."""
        ...

    def sample(self, sample: Sample) -> None:
        """A film, or a picture."""
        ...

    def close(self) -> None:
        """Hand over what is left."""
        ...


class TensorBoard:
    """Event files in OUT/tensorboard."""

    def __init__(self, out: str, *, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._board = SummaryWriter(str(Path(out) / "tensorboard"), purge_step=step + 1)

    def figures(self, step: int, figures: Mapping[str, float]) -> None:
        """As scalars."""
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)

    def sample(self, sample: Sample) -> None:
        """As a picture of its frames, with the prompt as a text."""
        name = f"samples/{sample.index}"
        self._board.add_image(name, _sheet(sample.preview), sample.step, dataformats="HWC")
        self._board.add_text(name, sample.prompt, sample.step)
        self._board.flush()

    def close(self) -> None:
        """Write what is left."""
        self._board.close()


class Wandb:
    """A run of wandb, which goes on where the run does."""

    def __init__(self, out: str, *, project: str, name: str, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to its makers
        self._wandb = _imported("wandb")
        key = _own_key(out)
        self._run = self._wandb.init(
            project=project, name=f"{name}-{key[:6]}", id=key, resume="allow", dir=out, config=dict(config)
        )
        # wandb's own count only grows; a run that goes on from a checkpoint may take a step again
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def figures(self, step: int, figures: Mapping[str, float]) -> None:
        """By the run's own steps."""
        self._run.log({"step": step, **figures})

    def sample(self, sample: Sample) -> None:
        """The film itself, with its prompt below."""
        kind = self._wandb.Video if sample.plays else self._wandb.Image
        self._run.log({"step": sample.step, f"samples/{sample.index}": kind(str(sample.film), caption=sample.prompt)})

    def close(self) -> None:
        """Wait until all is handed over."""
        self._run.finish()


class Trackio:
    """A run of trackio, which keeps its own files on this machine unless told otherwise."""

    def __init__(self, out: str, *, project: str, name: str, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        self._trackio = _imported("trackio")
        self._trackio.init(project=project, name=f"{name}-{_own_key(out)[:6]}", resume="allow", config=dict(config))

    def figures(self, step: int, figures: Mapping[str, float]) -> None:
        """By the run's own steps."""
        self._trackio.log(dict(figures), step=step)

    def sample(self, sample: Sample) -> None:
        """The film itself, with its prompt below."""
        kind = self._trackio.Video if sample.plays else self._trackio.Image
        made = kind(str(sample.film), caption=sample.prompt)
        self._trackio.log({f"samples/{sample.index}": made}, step=sample.step)

    def close(self) -> None:
        """Wait until all is handed over."""
        self._trackio.finish()


def opened(
    tracker: TrackerName | None, out: str, *, step: int, project: str, name: str, config: Mapping[str, Any]
) -> list[Tracker]:
    """TensorBoard, and the one that is named, if one is.

    Args:
        tracker: the other one.
        out: the run's folder, in which is written what tells its run from others there.
        step: which the run goes on from.
        project: under which the other one files the run.
        name: the recipe's.
        config: its settings, by flat keys.

    Raises:
        ValueError: its library is not installed.
    """
    trackers: list[Tracker] = [TensorBoard(out, step=step)]
    if tracker is not None:
        kind = Wandb if tracker == "wandb" else Trackio
        trackers.append(kind(out, project=project, name=name, config=config))
    return trackers


def _imported(name: str) -> Any:
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ValueError(
            f"trainer.tracker={name}: it is not installed; pip install -e '.[track]' installs it"
        ) from None


def _own_key(out: str) -> str:
    """Letters that tell the run in this folder from all others, also from one that was in it before."""
    path = Path(out) / "tracker_key"
    if not path.exists():
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _sheet(preview: Path) -> Picture:
    frames = read_preview(preview)
    shown = np.linspace(0, len(frames) - 1, min(len(frames), SHEET_FRAMES)).round().astype(int)
    return np.concatenate(list(frames[shown]), axis=1)
