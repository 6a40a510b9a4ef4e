"""Models and trainers are found by walking, and what they say holds together."""

import importlib
import re
import textwrap
from pathlib import Path

import pytest

from pipelines.__main__ import main
from pipelines.export import profiles
from pipelines.export.model import Model
from pipelines.export.order import order


@pytest.mark.parametrize("name", profiles.trainers())
def test_who_trains_what_is_there(name):
    trainer = profiles.trainer_named(name)
    assert set(trainer.models) <= profiles.models().keys()
    assert re.match("https://", trainer.source)


@pytest.mark.parametrize("name", profiles.models())
def test_a_model_says_where_it_is_known_from_and_is_trained_by_somebody(name):
    assert re.match("https://", profiles.models()[name].source)
    assert any(name in trainer.models for trainer in profiles.trainers().values())


def test_a_new_model_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            from pipelines.export.model import Model
            SIZES = ((320, 240),)
            MODEL = Model(name="mine", fps=12.0, frame_step=6, frames=25, side_multiple=8, sizes=SIZES, source="")
            """
        )
    )
    package = importlib.import_module("pipelines.export.models")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    profiles.models.cache_clear()
    try:
        assert order("jsonl", model="mine").cut.fps == 12
    finally:
        profiles.models.cache_clear()


@pytest.mark.parametrize("spelling", ["wan2.2-5b", "wan2_2_5b", "Wan2.2-5B"])
def test_names_are_found_however_they_are_spelt(spelling):
    assert order("diffusion_pipe", model=spelling).model.name == "wan2.2-5b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trainer": "musubbi"}, "did you mean musubi"),
        ({"trainer": "musubi", "model": "wan3"}, "no model 'wan3', there are .*wan2.1"),
        ({"trainer": "musubi", "model": "ltx2"}, "musubi does not train ltx2; it trains wan2.1"),
        ({"trainer": "musubi", "frames": 80}, r"wan2.1 takes 4n\+1 frames, up to 81, not 80; try 81"),
        ({"trainer": "musubi", "frames": 85}, "try 81"),
        ({"trainer": "ltx", "frames": 1}, "not 1; try 9"),
        ({"trainer": "musubi", "size": "830x480"}, "multiples of 16"),
        ({"trainer": "musubi", "size": "wide"}, "such as 832x480"),
        ({"trainer": "csv", "frames": 81}, "--model"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        order(arguments.pop("trainer"), **arguments)


def test_a_model_that_contradicts_itself_is_none():
    with pytest.raises(ValueError, match=r"takes 8n\+1 frames"):
        Model(name="m", fps=8.0, frame_step=8, frames=12, side_multiple=8, sizes=((64, 64),), source="")


def test_a_portrait_size_is_the_same_landscape():
    assert order("musubi", size="480x832").size == (832, 480)


@pytest.mark.parametrize(
    ("trainer", "sound", "heard"), [("ltx", True, True), ("ltx", False, False), ("diffusion-pipe", True, False)]
)
def test_files_have_sound_where_it_is_learnt(trainer, sound, heard):
    """diffusion-pipe trains LTX-2 without its sound (docs/supported_models.md)."""
    assert order(trainer, model="ltx2", sound=sound).cut.sound is heard


def test_the_guide_knows_all_of_them():
    guide = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    assert [name for name in (*profiles.models(), *profiles.trainers()) if f"`{name}`" not in guide] == []
    for model in profiles.models().values():
        assert f"| `{model.name}` | {model.fps:g} | {model.frames}" in guide


def test_help_names_all_of_them_without_looking(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    told = capsys.readouterr().out.replace("\n", " ")
    assert [name for name in profiles.trainers() if not re.search(rf"[ :]{name}[,;)\s]", told)] == []
