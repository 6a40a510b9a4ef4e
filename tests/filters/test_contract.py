"""Every scorer in the package, found by walking it, holds to the contract on ordinary and on meagre clips."""

import importlib
import inspect
import math
import pkgutil

import numpy as np
import pytest

import filters
from filters.base import Scorer
from tests.filters.views import moving, texture, view_of


def _scorer_classes():
    found = []
    for module_info in pkgutil.iter_modules(filters.__path__):
        try:
            module = importlib.import_module(f"filters.{module_info.name}")
        except ImportError:
            continue  # an optional dependency is not installed
        for _, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, Scorer) and not inspect.isabstract(value) and value.__module__ == module.__name__:
                found.append(value)
    return found


@pytest.fixture(scope="module")
def views():
    ordinary = moving(texture(200, 300), (120, 200), lambda t: (5 * t, 0, 1), seconds=2.0)
    return {
        "ordinary": view_of(ordinary),
        "one frame": view_of([texture(120, 200)]),
        "black": view_of([np.zeros((120, 200, 3), np.uint8)] * 30),
        "tiny": view_of([texture(8, 6)] * 14),
    }


@pytest.mark.parametrize("scorer_class", _scorer_classes(), ids=lambda c: c.__name__)
def test_scorer_fills_its_columns(scorer_class, views):
    try:
        scorer = scorer_class()
        scorer.setup()
    except (ImportError, OSError, TypeError) as error:
        pytest.skip(f"{scorer_class.__name__} needs what is not here: {error}")
    try:
        for name, view in views.items():
            scores = scorer.score(view)
            assert set(scores) == set(scorer.columns), name
            for column, value in scores.items():
                assert value is None or type(value) is scorer.columns[column], f"{name}: {column} is {value!r}"
                assert not isinstance(value, float) or math.isfinite(value), f"{name}: {column} is {value!r}"
    finally:
        scorer.close()


def test_column_names_are_not_shared():
    columns = [column for scorer_class in _scorer_classes() for column in scorer_class.columns]
    assert len(columns) == len(set(columns))
