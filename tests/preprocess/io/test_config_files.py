"""A config that is written to a file and read again is the same config, and mistakes in a file are told with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml

from preprocess.io.config_files import as_toml, read_config
from preprocess.io.trees import kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    width: int = 4
    kernels: tuple[int, ...] = (3, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide(Layer):
    more: Mapping[str, Layer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    title: str = ""
    rate: float = 1e-8
    decay: float | None = 0.9
    causal: bool = True
    side: Literal["left", "right"] = "left"
    weights: Mapping[str, float] = field(default_factory=dict)
    first: Layer | None = Layer()
    layers: tuple[Layer, ...] = ()


MODELS = [
    Model(),
    Model(title='"odd"\n\t\\ \x7f \x01 é 🎬', rate=math.inf, decay=None, causal=False, side="right", first=None),
    Model(weights={"plain": 1.0, "not so.plain": 2.0}, layers=(Layer(width=1), Wide(more={"a b": Wide(kernels=())}))),
]


@pytest.mark.parametrize("model", MODELS)
def test_toml_gives_the_config_back(model: Model, tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(as_toml(model), encoding="utf-8")
    assert read_config(tmp_path / "model.toml", Model) == model


@pytest.mark.parametrize("model", MODELS)
def test_yaml_gives_the_config_back(model: Model, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(kept(model)), encoding="utf-8")
    assert read_config(tmp_path / "model.yaml", Model) == model


def test_a_person_may_leave_out_what_is_clear(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("rate = 1\n[first]\nwidth = 2\n[[layers]]\nwidth = 3\n")
    assert read_config(tmp_path / "model.toml", Model) == Model(rate=1, first=Layer(width=2), layers=(Layer(width=3),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rate = ", "model.toml: Invalid value"),
        ("rat = 1.0", "rat: Model has no such setting"),
        ("rate = 'fast'", "rate is 'fast', expected float"),
        ("causal = 1", "causal is 1, expected bool"),
        ("side = 'top'", "side is 'top', expected"),
        ("[first]\nwidth = 1.5", "first.width is 1.5, expected int"),
        ("first = 3", "first is 3, expected Layer or NoneType"),
        ("[[layers]]\nwidth = 1\n[[layers]]\nwidth = 'x'", r"layers\[1\].width is 'x', expected int"),
        (
            "type = 'no_such_module_of_ours:Model'",
            "the whole: no_such_module_of_ours:Model is not part of this program",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(ValueError, match=f"model.toml: .*{said}|{said}"):
        read_config(tmp_path / "model.toml", Model)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("model.yaml", "rate: [", "model.yaml: "),
        ("model.yaml", "!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("model.yaml", "- 1", "expected Model"),
        ("model.ini", "", "ends in .toml, .yaml or .yml, not in '.ini'"),
        ("none.toml", None, "none.toml: No such file"),
    ],
)
def test_files_that_are_no_config_are_refused(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        read_config(tmp_path / name, Model)
