"""Finds filters and captioners by name, by looking through their packages: a new one needs no registration."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import captioners
import filters
from captioners.base import Captioner
from filters.base import EmbeddingScorer, Measurement
from filters.towers.tower import DEFAULTS
from pipelines.recipe.config import CurateConfig


def classes(package: ModuleType, base: type[Any]) -> Iterator[type[Any]]:
    """Every class in `package` that fills in the contract `base`. Models are imported only when used."""
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            own = kind.__module__ == loaded.__name__
            if own and issubclass(kind, base) and not inspect.isabstract(kind) and hasattr(kind, "name"):
                yield kind


def with_scorer(config: CurateConfig, name: str) -> CurateConfig:
    """The recipe with the filter of that name, and the tower that it reads, in it.

    It takes the place of a filter that fills the same columns.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if any(scorer.name == name for scorer in config.scorers):
        return config
    scorer: Measurement = _named(filters, Measurement, name, "filter")
    towers = config.towers
    if isinstance(scorer, EmbeddingScorer) and scorer.tower not in [tower.name for tower in towers]:
        towers = (*towers, DEFAULTS[scorer.tower])
    others = tuple(other for other in config.scorers if not other.columns.keys() & scorer.columns.keys())
    return replace(config, scorers=(*others, scorer), towers=towers)


def with_captioner(config: CurateConfig, name: str) -> CurateConfig:
    """The recipe with the captioner of that name, with its defaults if the recipe has another one.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if config.captioner.name == name:
        return config
    captioner: Captioner = _named(captioners, Captioner, name, "captioner")
    return replace(config, captioner=captioner)


def _named(package: ModuleType, base: type[Any], name: str, what: str) -> Any:
    known = {kind.name: kind for kind in classes(package, base)}
    if name not in known:
        raise ValueError(f"no {what} {name!r}; there are {', '.join(sorted(known))}")
    return known[name]()
