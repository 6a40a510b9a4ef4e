"""What is typed means the same wherever a rank runs, and a launcher can pass on the wish to stop."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from preprocess.io.settings import dump, override
from tests.training.tiny_run import losses, tiny_config
from training import recipes
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
