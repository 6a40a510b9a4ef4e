"""Finds filters and captioners by name: the name is that of a file in `filters/` or `captioners/`.

One from anywhere else is `module:Class`, or `path/to/file.py:Class`, which the command line alone may name.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, TypeVar

from captioners.base import Captioner
from filters.base import Measurement
from filters.towers.tower import DEFAULTS
from pipelines.recipe.config import CurateConfig
from preprocess.io.names import imported

PlugIn = TypeVar("PlugIn")


def scorer_named(name: str) -> type[Measurement]:
    """The filter of a file in `filters/`, or at `module:Class`.

    Raises:
        ValueError: there is none, or it cannot be imported; the message lists those there are.
    """
    return _plug_in("filters", Measurement, name)  # type: ignore[type-abstract]


def captioner_named(name: str) -> type[Captioner]:
    """The captioner of a file in `captioners/`, or at `module:Class`.

    Raises:
        ValueError: there is none, or it cannot be imported; the message lists those there are.
    """
    return _plug_in("captioners", Captioner, name)  # type: ignore[type-abstract]


def with_scorer(config: CurateConfig, kind: type[Measurement]) -> CurateConfig:
    """The recipe with such a filter, and the tower that it reads, in it: the recipe's own, or one with defaults.

    It takes the place of a filter that fills the same columns.

    Raises:
        ValueError: it reads a tower of which there are no defaults, and which the recipe has not.
    """
    if any(type(scorer) is kind for scorer in config.scorers):
        return config
    scorer = kind()
    towers = config.towers
    if scorer.tower in DEFAULTS and scorer.tower not in [tower.name for tower in towers]:
        towers = (*towers, DEFAULTS[scorer.tower])
    others = tuple(other for other in config.scorers if not other.columns.keys() & scorer.columns.keys())
    return replace(config, scorers=(*others, scorer), towers=towers)


def with_captioner(config: CurateConfig, kind: type[Captioner]) -> CurateConfig:
    """The recipe with such a captioner: the recipe's own, or one with defaults."""
    return config if type(config.captioner) is kind else replace(config, captioner=kind())


def plug_ins(package: str, base: type[PlugIn]) -> tuple[dict[str, type[PlugIn]], dict[str, str]]:
    """All classes of a package that fill a contract, by name, and why other files of it cannot be imported, by name."""
    kinds: dict[str, type[PlugIn]] = {}
    broken: dict[str, str] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        try:
            for kind in _kinds(f"{package}.{module.name}", base):
                kinds[module.name] = kind
        except ValueError as error:
            broken[module.name] = str(error)
    return kinds, broken


def _plug_in(package: str, base: type[PlugIn], name: str) -> type[PlugIn]:
    module, colon, wanted = name.rpartition(":")
    if colon:
        for kind in _kinds(module, base):
            if kind.__qualname__ == wanted:
                return kind
        raise ValueError(f"{module} has no class {wanted!r} that is a {base.__name__}")
    known = name.isidentifier() and find_spec(f"{package}.{name}") is not None
    kinds = _kinds(f"{package}.{name}", base) if known else []
    if len(kinds) != 1:
        raise ValueError(f"no {package[:-1]} {name!r}; there are {_listing(package, base)}")
    return kinds[0]


def _kinds(module: str, base: type[Any]) -> list[type[Any]]:
    """The classes that a module itself defines and that fill the contract."""
    try:
        loaded = imported(module)
    except Exception as error:  # a plug-in's file may raise anything
        raise ValueError(f"{module} cannot be imported: {type(error).__name__}: {error}") from error
    classes = [kind for _, kind in inspect.getmembers(loaded, inspect.isclass) if kind.__module__ == loaded.__name__]
    return [kind for kind in classes if issubclass(kind, base) and kind is not base and not inspect.isabstract(kind)]


def _listing(package: str, base: type[Any]) -> str:
    kinds, broken = plug_ins(package, base)
    return "; ".join([", ".join(sorted(kinds)), *broken.values()])
