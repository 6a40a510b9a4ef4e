"""What `show` prints is the recipe: all of it, with what each setting means, and it trains to the same bits."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from preprocess.io.config_files import as_toml, read_config
from preprocess.io.meanings import meanings
from preprocess.io.nodes import records
from tests.training.tiny_dit_run import tiny_dit_config
from tests.training.tiny_run import losses, tiny_config
from training import recipes, recipes_full
from training.__main__ import main
from training.run.config import TrainConfig
from training.run.launch import train
from training.run.metrics import read_rows

RECIPES = {
    name: function
    for module in (recipes, recipes_full)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
}


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_the_recipe(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--recipe", name]) == 0
    text = capsys.readouterr().out
    (tmp_path / "shown.toml").write_text(text)
    assert read_config(tmp_path / "shown.toml", TrainConfig) == RECIPES[name]("", "")


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_has_its_meaning(name: str) -> None:
    for key, record in records(RECIPES[name]("", "")):
        told = meanings(type(record))
        silent = [
            each.name
            for each in dataclasses.fields(record)
            if each.name not in told and not dataclasses.is_dataclass(getattr(record, each.name))
        ]
        assert not silent, (key, type(record))
        assert inspect.getdoc(type(record))


def test_what_was_set_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["model.channels=8,16,32", "trainer.sample_every=none", "discriminator.groups=4"]
    arguments = [part for setting in settings for part in ("--set", f"objective.{setting}")]
    arguments = [part.replace("objective.trainer", "trainer") for part in arguments]
    assert main(["show", "--recipe", "tiny_vae", *arguments, "--set", "objective.model.groups=none"]) == 0
    assert "channels = [8, 16, 32]" in capsys.readouterr().out
    assert main(["show", "--recipe", "ea_12"]) == 1
    assert "no recipe 'ea_12'" in capsys.readouterr().err


@pytest.mark.parametrize("make", [tiny_config, tiny_dit_config])
def test_its_toml_trains_to_the_same_bits(make, tmp_path: Path) -> None:
    settings = ("trainer.steps=6", "optimizer.learning_rate=0.0012345678901234567")
    config = make(tmp_path / "named", *settings)
    (tmp_path / "shown.toml").write_text(as_toml(config, explained=True))
    read = replace(read_config(tmp_path / "shown.toml", TrainConfig), out=str(tmp_path / "shown"))
    train(config)
    train(read)
    name = "main" if make is tiny_config else "dit"
    assert len(losses(tmp_path / "named", name)) == 6
    exact = [
        [{key: value for key, value in row.items() if "time" not in key and "second" not in key} for row in rows]
        for rows in (read_rows(str(tmp_path / run)) for run in ("named", "shown"))
    ]
    assert exact[0] == exact[1]
