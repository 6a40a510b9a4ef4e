"""What is typed means the same wherever a rank runs, and a launcher can pass on the wish to stop."""

from __future__ import annotations

import dataclasses
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from preprocess.io.settings import dump, override
from tests.training.tiny_run import losses, tiny_config
from training import __main__ as command_line
from training import recipes
from training.objectives.vae import VaeObjective
from training.run.config import TrainConfig, located
from training.run.launch import train
from training.run.signals import Interrupted, tell
from training.run.watch import shown


def test_locations_do_not_depend_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = recipes.tiny_dit("OUT", "/runs/dit")
    config = located(override(config, ["objective.vae=runs/vae", "data.cache=s3://bucket/cache"]))
    kept = dump(config)
    assert kept["data.manifest"] == os.fspath(tmp_path / "OUT")
    assert kept["objective.vae"] == os.fspath(tmp_path / "runs" / "vae")
    assert kept["data.cache"] == "s3://bucket/cache"
    assert dump(located(config)) == kept


@pytest.mark.parametrize("command", [["vae", "OUT"], ["sample", "RUN", "--prompt", "a"]])
@pytest.mark.parametrize("place", ["s3://bucket/run", "gs://bucket/a.mp4"])
def test_what_is_made_goes_to_no_bucket_and_to_no_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line.main([*command, "--out", place]) == 1
    assert f"--out {place}: runs and samples are written to folders" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_run_that_is_told_to_stop_goes_on_as_if_it_had_not_been(tmp_path: Path, in_thread: bool) -> None:
    tell(15)  # before it began: the next step is its last for now
    ended_by = run(tiny_config(tmp_path), in_thread=in_thread)
    assert isinstance(ended_by, Interrupted)
    assert ended_by.code == 143
    assert len(losses(tmp_path)) == 1
    assert run(tiny_config(tmp_path), in_thread=in_thread) is None  # it was that run's wish alone
    train(tiny_config(tmp_path / "undisturbed"))
    assert losses(tmp_path) == losses(tmp_path / "undisturbed")


def run(config: TrainConfig, *, in_thread: bool) -> BaseException | None:
    """Train here, or in a thread as Ray's workers do; what it ended with."""
    ended: list[BaseException] = []

    def call() -> None:
        try:
            train(config)
        except BaseException as error:
            ended.append(error)

    if in_thread:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    else:
        call()
    return ended[0] if ended else None


def test_what_other_processes_write_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 10, "loss/main": 3.0}\n{"step": 20, "loss/main": 2.0}\n')
    with shown(str(tmp_path), steps=40):
        # It goes on from a checkpoint of step 10, and its last row is not whole yet.
        anew = tmp_path / "anew"
        anew.write_text('{"step": 10, "loss/main": 3.0}\n{"step": 30, "loss/main": 1.5}\n{"step": 40, "lo')
        anew.replace(metrics)
    assert capsys.readouterr().err == "step 30/40  loss/main 1.5\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVaeObjective(VaeObjective):
    """One of the kind that `vae` trains, by inheritance."""


def own_vae(manifest: str, out: str) -> TrainConfig:
    config = recipes.tiny_vae(manifest, out)
    fields = {field.name: getattr(config.objective, field.name) for field in dataclasses.fields(config.objective)}
    return dataclasses.replace(config, objective=OwnVaeObjective(**fields))


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("tests.training.run.test_launch:own_vae", "no clips/"),  # it is taken, and looks for what it is to train on
        ("tiny_dit", "recipe tiny_dit has a DitObjective: `vae` is for a VaeObjective"),
        ("tiny_vea", "did you mean tiny_vae"),
        ("pipelines.recipe.recipes:default", "must take 2 positional arguments"),
    ],
)
def test_a_command_takes_any_recipe_of_its_kind(
    recipe: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["vae", str(tmp_path / "none"), "--out", str(tmp_path / "run"), "--recipe", recipe]
    assert command_line.main(command) == 1
    assert said in capsys.readouterr().err
