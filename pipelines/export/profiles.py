"""Finds models and trainers by walking their packages: a new one is a file with a record in it, named nowhere else."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pipelines.export.model import Model
from pipelines.export.trainer import Trainer

_HOME = __package__


@cache
def models() -> Mapping[str, Model]:
    """The models, by name."""
    return {record.name: record for record in _records("models", "MODEL")}


@cache
def trainers() -> Mapping[str, Trainer]:
    """Trainers and plain formats, by name."""
    found = [*_records("trainers", "TRAINER"), *_records("formats", "FORMAT")]
    return {record.name: record for record in found}


def trainer_named(name: str) -> Trainer:
    """The trainer or format of that name, `_` and `.` being as good as `-`.

    Raises:
        ValueError: there is none; the message says which there are.
    """
    return trainers()[_named(name, trainers(), "trainer or format")]


def model_for(trainer: Trainer, name: str | None) -> Model | None:
    """The model of that name, or the one that the trainer is mostly used for; None for a format and no name.

    Raises:
        ValueError: there is no such model, or the trainer does not train it.
    """
    if name is None:
        return models()[trainer.models[0]] if trainer.models else None
    known = _named(name, models(), "model")
    if trainer.models and known not in trainer.models:
        raise ValueError(f"{trainer.name} does not train {known}; it trains {', '.join(trainer.models)}")
    return models()[known]


def _named(name: str, known: Mapping[str, Any], kind: str) -> str:
    folded = {_folded(each): each for each in known}
    if _folded(name) in folded:
        return folded[_folded(name)]
    near = difflib.get_close_matches(_folded(name), folded, n=1)
    hint = f"; did you mean {folded[near[0]]}?" if near else ""
    raise ValueError(f"no {kind} {name!r}, there are {', '.join(known)}{hint}")


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def _records(package: str, constant: str) -> Iterator[Any]:
    home = f"{_HOME}.{package}"
    for module in pkgutil.iter_modules(importlib.import_module(home).__path__):
        yield getattr(importlib.import_module(f"{home}.{module.name}"), constant)
