"""A run that begins with weights that are there: another run's, or a file's, in shards or whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from preprocess.io.settings import override
from tests.training.tiny import DIT, TEXT, VAE
from tests.training.tiny_dit_run import SEED, tiny_dit_config
from tests.training.tiny_run import losses, run_ranks
from training.models.dit_names import diffusers_name
from training.models.on_demand import at_hand
from training.models.vae import VideoVae
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.run.checkpoint import latest, read_state, read_weights
from training.run.config import Stage, TrainConfig
from training.run.launch import train
from training.run.metrics import read_rows
from training.run.module import saved_state

SCRIPT = "tests.training.tiny_dit_run"
NO_STEP = "optimizer.learning_rate=1e-30"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 8 steps."""
    out = tmp_path_factory.mktemp("earlier")
    train(tiny_dit_config(out))
    return out


def held(run: Path, *, averaged: bool) -> dict[str, torch.Tensor]:
    config = tiny_dit_config(run)
    module = config.objective.build(config)
    module.materialise("dit", torch.device("cpu"))
    checkpoint = latest(str(run))
    assert checkpoint is not None
    weights = saved_state(module.networks["dit"])
    read_weights(checkpoint, "dit", weights, averaged=averaged)
    return weights


def test_weights_and_average_are_taken_and_nothing_else(earlier: Path, tmp_path: Path) -> None:
    train(tiny_dit_config(tmp_path, f"objective.start={earlier}", "trainer.steps=1", "trainer.ema_decay=1", NO_STEP))
    for averaged in (False, True):
        torch.testing.assert_close(
            held(tmp_path, averaged=averaged), held(earlier, averaged=averaged), rtol=0, atol=2e-8
        )
    raw, average = held(earlier, averaged=False), held(earlier, averaged=True)
    assert any((raw[name] - average[name]).abs().max() > 1e-4 for name in raw)
    state = read_state(latest(str(tmp_path)))
    assert state["step"] == 1
    assert state["start"]["from"] == str(earlier)
    assert state["start"]["identity"].startswith("step_00000008-")
    first = read_rows(str(tmp_path))[0]
    assert first["step"] == 0
    assert first["held_out/loss"] == read_rows(str(earlier))[-1]["held_out/loss"]


def test_a_transformer_of_full_attention_is_trained_on_with_windows(earlier: Path, tmp_path: Path) -> None:
    """In shards with blocks recomputed, too; of its two frames of one token each sees itself and the text alone."""
    changes = [f"objective.start={earlier}", *(f"objective.windows.{one}" for one in ("kind=box", "reach_frames=0"))]
    train(tiny_dit_config(tmp_path / "full", changes[0]))
    train(tiny_dit_config(tmp_path / "windows", *changes))
    sharded = ("trainer.strategy=fsdp2", "trainer.activation_checkpointing=true")
    train(tiny_dit_config(tmp_path / "shards", *changes, *sharded))
    first, own = (read_rows(str(tmp_path / run))[0]["held_out/loss"] for run in ("full", "windows"))
    assert first == read_rows(str(earlier))[-1]["held_out/loss"] != own
    with_windows = losses(tmp_path / "windows", "dit")
    assert with_windows != pytest.approx(losses(tmp_path / "full", "dit"), abs=1e-5)
    assert losses(tmp_path / "shards", "dit") == pytest.approx(with_windows, abs=1e-5)


def test_killed_it_ends_as_undisturbed_without_what_it_began_with(
    earlier: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start"
    start.symlink_to(earlier)
    train(tiny_dit_config(tmp_path / "whole", f"objective.start={start}"))
    dies = (f"objective.start={start}", "objective.dies_at_step=5", "trainer.async_checkpoints=false")
    run_ranks(1, tmp_path / "killed", *dies, script=SCRIPT, check=False)
    start.unlink()
    capfd.readouterr()
    train(tiny_dit_config(tmp_path / "killed", f"objective.start={start}"))
    assert f"started with the weights of {start} (step_00000008-" in capfd.readouterr().err
    assert losses(tmp_path / "killed", "dit") == losses(tmp_path / "whole", "dit")
    for averaged in (False, True):
        weights = [held(tmp_path / run, averaged=averaged) for run in ("killed", "whole")]
        torch.testing.assert_close(*weights, rtol=0, atol=0)


@pytest.mark.attack
@pytest.mark.parametrize("kind", ["file", "run"])
def test_shards_begin_with_the_weights_of_a_run_and_of_a_file(earlier: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(held(earlier, averaged=False), file)
    settings = ("trainer.strategy=fsdp2", "trainer.steps=3")
    train(tiny_dit_config(tmp_path / "alone", f"objective.start={earlier}", *settings))
    run_ranks(2, tmp_path / "two", f"objective.start={file if kind == 'file' else earlier}", *settings, script=SCRIPT)
    assert losses(tmp_path / "two", "dit") == pytest.approx(losses(tmp_path / "alone", "dit"), abs=1e-5)


def test_a_file_of_diffusers_names_is_read(earlier: Path, tmp_path: Path) -> None:
    weights = held(earlier, averaged=False)
    ours = {name.removeprefix("dit."): value for name, value in weights.items() if name.startswith("dit.")}
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    renamed = {diffusers_name(name): value for name, value in ours.items()}
    parts = sorted(renamed)
    for number, names in enumerate((parts[::2], parts[1::2])):  # in two files, as large ones are
        save_file({name: renamed[name] for name in names}, folder / f"part-{number}.safetensors")
    train(tiny_dit_config(tmp_path / "run", f"objective.start={folder}", "trainer.steps=1", NO_STEP))
    taken = held(tmp_path / "run", averaged=True)
    torch.testing.assert_close({name: taken[f"dit.{name}"] for name in ours}, ours, rtol=0, atol=2e-8)


def test_a_hub_id_is_looked_up_where_all_weights_are(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    save_file(held(earlier, averaged=True), tmp_path / "owner" / "name" / "model.safetensors")
    monkeypatch.setenv("CLIPMILL_MODELS", str(tmp_path))
    for start in ("owner/name", "owner/name@main:model.safetensors"):
        run = tmp_path / start.replace("/", "_")
        train(tiny_dit_config(run, f"objective.start={start}", "trainer.steps=1", NO_STEP))
        torch.testing.assert_close(held(run, averaged=False), held(earlier, averaged=True), rtol=0, atol=2e-8)
        assert read_state(latest(str(run)))["start"]["from"] == start
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match=r"looked at 'owner/nothing'.*objective\.start=PATH_OR_HUB_ID"):
        train(tiny_dit_config(tmp_path / "none", "objective.start=owner/nothing"))


def test_what_does_not_fit_is_told_by_its_first_names(earlier: Path, tmp_path: Path) -> None:
    weights = held(earlier, averaged=False)
    blocks = [name for name in weights if ".blocks.0." in name]
    wrong = {name: value for name, value in weights.items() if name not in blocks}
    wrong["dit.patches_out.bias"] = torch.zeros(3)
    wrong["more"] = torch.zeros(1)
    save_file(wrong, tmp_path / "wrong.safetensors")
    with pytest.raises(ValueError, match="not those of the recipe's networks") as refused:
        train(tiny_dit_config(tmp_path / "run", f"objective.start={tmp_path / 'wrong.safetensors'}"))
    told = str(refused.value)
    assert f"{len(blocks)} missing ({blocks[0]}; {blocks[1]}; {blocks[2]}; ...)" in told
    assert "1 unknown (more)" in told
    assert "1 of another shape (dit.patches_out.bias is (3,), expected (16,))" in told
    (tmp_path / "torn.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"torn\.safetensors: no safetensors file"):
        train(tiny_dit_config(tmp_path / "run", f"objective.start={tmp_path / 'torn.safetensors'}"))


def test_a_run_of_other_latents_or_another_text_encoder_is_refused() -> None:
    def module(*, vae_seed: int = 0, seed: int = SEED, trained: bool = False) -> DitModule:
        objective = DitObjective(vae="", model=DIT, text=replace(TEXT, trainable=trained), latent_scale=1.0)
        return DitModule(objective, at_hand(VideoVae(VAE, seed=vae_seed)), seed=seed)

    before = module().extra_state()
    module().check_start("run", before)
    module(trained=True).check_start("run", module(trained=True, seed=9).extra_state())
    with pytest.raises(ValueError, match="knows the latents of an autoencoder of weights"):
        module(vae_seed=1).check_start("run", before)
    for other in (module(seed=9), module(trained=True)):
        with pytest.raises(ValueError, match="knows the vectors of another text encoder"):
            other.check_start("run", before)
    with pytest.raises(ValueError, match="no run of a transformer"):
        module().check_start("run", {})


def test_the_average_of_trained_weights_is_not_forgotten_at_once(earlier: Path, tmp_path: Path) -> None:
    settings = ("trainer.steps=1", "trainer.ema_decay=0.999", "optimizer.learning_rate=0.1")
    train(tiny_dit_config(tmp_path / "started", f"objective.start={earlier}", *settings))
    begun, now = held(earlier, averaged=True), held(tmp_path / "started", averaged=True)
    raw = held(tmp_path / "started", averaged=False)
    name = "dit.blocks.0.attention.q.weight"
    torch.testing.assert_close(now[name], begun[name].lerp(raw[name], 0.001), rtol=0, atol=1e-6)


def test_stages_start_from_one_another_and_each_resumes(tmp_path: Path) -> None:
    def staged(out: Path, *settings: str) -> TrainConfig:
        config = tiny_dit_config(out, "trainer.steps=4")
        first, second = (replace(config.trainer, steps=steps) for steps in (3, 2))
        stages = {"one": Stage(data=config.data, trainer=first), "two": Stage(data=config.data, trainer=second)}
        return override(replace(config, stages=stages), settings)

    train(staged(tmp_path / "whole"))
    runs = [tmp_path / "whole" / each for each in ("stages/one", "stages/two", "")]
    states = [read_state(latest(str(run))) for run in runs]
    assert [state["step"] for state in states] == [3, 2, 4]
    assert [state["start"].get("from") for state in states] == [None, str(runs[0]), str(runs[1])]
    assert [read_rows(str(run))[0]["step"] for run in runs] == [1, 0, 0]
    train(staged(tmp_path / "parts", "trainer.steps=2", "stages.two.trainer.steps=1"))
    assert read_state(latest(str(tmp_path / "parts" / "stages" / "two")))["step"] == 1
    train(staged(tmp_path / "parts"))
    assert losses(tmp_path / "parts" / "stages" / "two", "dit") == losses(runs[1], "dit")
    with pytest.raises(ValueError, match=r"a stage's name is '\.\./out'"):
        train(replace(staged(tmp_path / "odd"), stages={"../out": staged(tmp_path).stages["one"]}))
