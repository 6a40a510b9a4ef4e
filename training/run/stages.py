"""A recipe's stages as the runs that they are: each has a folder of its own, and starts from the one before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from training.run.checkpoint import latest, read_state
from training.run.config import Objective, TrainConfig

_NAME = re.compile(r"\w[\w-]*", re.ASCII)


def in_order(config: TrainConfig) -> Iterator[TrainConfig]:
    """The runs of a recipe, of which the last has the recipe's own folder and each other one `stages/NAME` in it.

    Raises:
        ValueError: a name is no name of a folder, or the objective cannot start from weights.
    """
    for each in [stage.objective or config.objective for stage in config.stages.values()]:
        if not hasattr(each, "start"):
            raise ValueError(f"stages start from one another, and {type(each).__name__} has no setting `start`")
    before = ""
    for name, stage in config.stages.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"a stage's name is {name!r}: letters, digits, _ and - make one")
        out = str(Path(config.out) / "stages" / name)
        run = replace(config, data=stage.data, trainer=stage.trainer, optimizer=stage.optimizer)
        yield replace(run, out=out, objective=_started(stage.objective or config.objective, before), stages={})
        before = out
    yield replace(config, objective=_started(config.objective, before), stages={})


def _started(objective: Objective, before: str) -> Objective:
    """With the weights of the stage before, if there is one."""
    return replace(objective, start=before) if before else objective  # type: ignore[type-var]


def is_finished(config: TrainConfig) -> bool:
    """Whether a run has taken all of its steps."""
    checkpoint = latest(config.out)
    return checkpoint is not None and int(read_state(checkpoint)["step"]) >= config.trainer.steps
