"""Every scorer in the package, found by walking it, holds to the contract on ordinary and on meagre clips."""

import math

import numpy as np
import pytest

import filters
from filters.base import Embedded, EmbeddingScorer, Measurement, Scorer
from pipelines.recipe.plugins import classes
from preprocess.io.weights import MissingWeightsError
from tests.filters.views import moving, texture, view_of

ALTERNATIVES = {"text_area", "text_area_easyocr"}
"""Fill the same columns; a recipe names one of them."""


@pytest.fixture(scope="module")
def views():
    ordinary = moving(texture(200, 300), (120, 200), lambda t: (5 * t, 0, 1), seconds=2.0)
    return {
        "ordinary": view_of(ordinary),
        "one frame": view_of([texture(120, 200)]),
        "black": view_of([np.zeros((120, 200, 3), np.uint8)] * 30),
        "tiny": view_of([texture(8, 6)] * 14),
    }


@pytest.mark.parametrize("scorer_class", list(classes(filters, Scorer)), ids=lambda c: c.__name__)
def test_scorer_fills_its_columns(scorer_class, views):
    scorer = scorer_class()
    scorer.setup()
    try:
        for name, view in views.items():
            assert_fills(scorer, scorer.score(view), name)
    finally:
        scorer.close()


@pytest.mark.parametrize("scorer_class", list(classes(filters, EmbeddingScorer)), ids=lambda c: c.__name__)
def test_embedding_scorer_fills_its_columns(scorer_class, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    scorer = scorer_class()
    try:
        scorer.setup()
    except MissingWeightsError as error:
        pytest.skip(f"needs what no test can have: {error}")
    vectors = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for name, embedded in {
        "ordinary": Embedded(frames=vectors, uniform=(1, 2, 3, 4), caption=vectors[0]),
        "one frame": Embedded(frames=vectors[:1], uniform=(0,), caption=vectors[0]),
        "no caption": Embedded(frames=vectors, uniform=(1, 2, 3, 4)),
    }.items():
        assert_fills(scorer, scorer.score(embedded), name)


def assert_fills(scorer, scores, name):
    assert set(scores) == set(scorer.columns), name
    for column, value in scores.items():
        assert value is None or type(value) is scorer.columns[column], f"{name}: {column} is {value!r}"
        assert not isinstance(value, float) or math.isfinite(value), f"{name}: {column} is {value!r}"


def test_names_and_columns_are_not_shared():
    kinds = list(classes(filters, Measurement))
    assert len({kind.name for kind in kinds}) == len(kinds) >= 15
    columns = [column for kind in kinds for column in kind.columns if kind.name not in ALTERNATIVES]
    assert len(columns) == len(set(columns))
