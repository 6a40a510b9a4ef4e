"""Every scorer in the package, found by walking it, holds to the contract on ordinary and on meagre clips."""

import math
from pathlib import Path

import numpy as np
import pytest

from filters.base import BatchScorer, Embedded, EmbeddingScorer, Heard, Measurement, Scorer, SoundScorer
from pipelines.recipe.plugins import plug_ins
from preprocess.io.weights import MissingWeightsError
from tests.filters.views import moving, texture, view_of

ALTERNATIVES = {"text_area", "text_area_easyocr"}
"""Fill the same columns; a recipe names one of them."""
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "manifest.md"
KINDS, BROKEN = plug_ins("filters", Measurement)


def those_of(kind):
    return pytest.mark.parametrize(
        "scorer_class", [c for c in KINDS.values() if issubclass(c, kind)], ids=lambda c: c.__name__
    )


@pytest.fixture(scope="module")
def views():
    ordinary = moving(texture(200, 300), (120, 200), lambda t: (5 * t, 0, 1), seconds=2.0)
    return {
        "ordinary": view_of(ordinary),
        "one frame": view_of([texture(120, 200)]),
        "black": view_of([np.zeros((120, 200, 3), np.uint8)] * 30),
        "tiny": view_of([texture(8, 6)] * 14),
        "strip": view_of([texture(700, 24)[:, shift : shift + 12] for shift in range(12)]),
        "line": view_of([texture(8, 1000)[row : row + 1] for row in range(8)] * 3),
        "pixel": view_of([texture(8, 8)[row : row + 1, :1] for row in range(8)]),
    }


@those_of(Scorer)
def test_scorer_fills_its_columns(scorer_class, views):
    scorer = scorer_class()
    scorer.setup()
    try:
        for name, view in views.items():
            assert_fills(scorer, scorer.score(view), name)
    finally:
        scorer.close()


@those_of(SoundScorer)
def test_sound_scorer_fills_its_columns(scorer_class, views, monkeypatch):
    scorer = set_up(scorer_class)
    noise = np.random.default_rng(0).uniform(-1.2, 1.2, (6, 96_000)).astype(np.float32)
    try:
        for name, heard in {
            "ordinary": Heard(samples=noise[:2], rate=48_000, layout="stereo"),
            "silent": Heard(samples=0 * noise[:1], rate=48_000, layout="mono"),
            "surround": Heard(samples=noise, rate=44_100, layout="5.1"),
            "telephone": Heard(samples=noise[:1], rate=8_000, layout="mono"),
            "one sample": Heard(samples=noise[:1, :1], rate=48_000, layout="mono"),
        }.items():
            assert_fills(scorer, scorer.score(heard), name)
        assert scorer.filled(scorer.scores([scorer.look(views["ordinary"])], [{}])[0]) == dict.fromkeys(scorer.columns)
    finally:
        scorer.close()


@those_of(EmbeddingScorer)
def test_embedding_scorer_fills_its_columns(scorer_class, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    scorer = set_up(scorer_class)
    vectors = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for name, embedded in {
        "ordinary": Embedded(frames=vectors, uniform=(1, 2, 3, 4), caption=vectors[0]),
        "one frame": Embedded(frames=vectors[:1], uniform=(0,), caption=vectors[0]),
        "no caption": Embedded(frames=vectors, uniform=(1, 2, 3, 4)),
    }.items():
        assert_fills(scorer, scorer.score(embedded), name)


@those_of(BatchScorer)
def test_batch_scorer_fills_its_columns(scorer_class, views, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    looks = [scorer_class().frames(view) for view in views.values()]
    assert all(frame.dtype == np.uint8 and frame.ndim == 3 for look in looks for frame in look)
    scorer = set_up(scorer_class)
    try:
        for name, scores in zip(views, scorer.score(looks), strict=True):
            assert_fills(scorer, scores, name)
    finally:
        scorer.close()


def set_up(scorer_class):
    scorer = scorer_class()
    try:
        scorer.setup()
    except MissingWeightsError as error:
        pytest.skip(f"needs what no test can have: {error}")
    return scorer


def assert_fills(scorer, scores, name):
    scores = scorer.filled(scores)
    assert set(scores) == set(scorer.columns), name
    for column, value in scores.items():
        assert value is None or type(value) is scorer.columns[column], f"{name}: {column} is {value!r}"
        assert not isinstance(value, float) or math.isfinite(value), f"{name}: {column} is {value!r}"


def test_every_file_is_one_filter_of_its_name():
    assert not BROKEN
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert len(KINDS) >= 17


@pytest.mark.parametrize("scorer_class", KINDS.values(), ids=lambda c: c.__name__)
def test_every_column_is_explained_in_the_table_and_in_the_documentation(scorer_class):
    assert list(scorer_class.about) == list(scorer_class.columns)
    lines = DOCUMENTATION.read_text(encoding="utf-8").splitlines()
    for column, (unit, meaning) in scorer_class.about.items():
        assert f"| `{column}` | {unit} | {meaning} |".replace("|  |", "| |") in lines


def test_columns_are_not_shared():
    columns = [column for kind in KINDS.values() for column in kind.columns if kind.name not in ALTERNATIVES]
    assert len(columns) == len(set(columns))
