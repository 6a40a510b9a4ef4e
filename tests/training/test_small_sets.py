"""One clip, one film, or clips without captions train as any others do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.curate import curate
from pipelines.recipe import recipes as curation
from training.__main__ import main
from training.run.checkpoint import read_state
from training.run.runs import config_of
from training.shapes.corpus import write_corpus

FEW = ("--set", "trainer.steps=1", "--set", "data.sampler.budget_tokens=48", "--set", "data.sampler.still_share=0")


def manifest(folder: Path, films: int) -> str:
    write_corpus(folder / "films", count=films, size=32)
    config = replace(curation.default(), name="shapes", scorers=(), rules=())
    curate(str(folder / "films"), str(folder / "manifest"), config, engine="in-process", workers=1)
    return str(folder / "manifest")


def test_one_clip_without_a_caption_trains_and_is_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, vae, dit = manifest(tmp_path, 1), str(tmp_path / "vae"), str(tmp_path / "dit")
    assert main(["vae", clips, "--out", vae, *FEW]) == 0
    assert main(["dit", clips, "--out", dit, "--set", f"objective.vae={vae}", *FEW]) == 0, capsys.readouterr().err
    assert config_of(dit).objective.latent_scale > 0
    assert main(["eval", dit]) == 1
    assert "no clip of its manifest is held out, and there is nothing else" in capsys.readouterr().err


def test_clips_without_captions_train_and_go_on_with_the_scale_that_they_began_with(tmp_path: Path) -> None:
    clips, vae, dit = manifest(tmp_path, 5), str(tmp_path / "vae"), tmp_path / "dit"
    assert main(["vae", clips, "--out", vae, *FEW]) == 0
    run = ["dit", clips, "--out", str(dit), "--set", f"objective.vae={vae}", *FEW]
    assert main(run) == 0
    first = config_of(str(dit)).objective.latent_scale
    assert read_state(dit / "checkpoints" / "step_00000001")["settings"]["objective.latent_scale"] == first
    assert main([*run, "--set", "trainer.steps=2", "--set", "data.reading.place=middle"]) == 0
    assert config_of(str(dit)).objective.latent_scale == first
