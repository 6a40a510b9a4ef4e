"""A LoRA by flow matching: what it learns from, what it leaves alone, and that ranks and stops are no matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from preprocess.io.settings import override
from tests.training.tiny import tiny_dit_module
from tests.training.tiny_dit_run import TinyDit, clips, tiny_dit_config
from tests.training.tiny_run import losses, run_ranks
from training import recipes
from training.models.lora import lora_parameters, without_lora
from training.models.lora_names import layout_names
from training.objectives.lora import LoraModule, LoraObjective
from training.run.checkpoint import latest, read_networks, read_state
from training.run.launch import train
from training.run.noise import SampleNoise
from training.run.parallel import recompute

SCRIPT = "tests.training.tiny_dit_run"
BATCH = clips([1, 2, 3])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of 8 steps."""
    out = tmp_path_factory.mktemp("base")
    train(tiny_dit_config(out))
    return out


def module(**settings: object) -> LoraModule:
    tuned = LoraModule(LoraObjective(base="", rank=3, **settings), tiny_dit_module())
    for name, weight in lora_parameters(tuned.base.model).items():
        if name.endswith("lora_up"):
            torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(len(name)))
    return tuned


def loss_of(tuned: LoraModule) -> torch.Tensor:
    return tuned.loss("dit", BATCH, SampleNoise(0, 0, BATCH.clip_ids), 0).total


def gradients(tuned: LoraModule) -> list[torch.Tensor]:
    loss_of(tuned).backward()
    return [weight.grad for weight in lora_parameters(tuned.base.model).values() if weight.grad is not None]


def test_the_loss_is_the_transformers_and_the_lora_alone_learns() -> None:
    tuned, plain = module(), tiny_dit_module()
    wanted = plain.loss("dit", BATCH, SampleNoise(0, 0, BATCH.clip_ids), 0).total
    with without_lora(tuned.base.model):
        assert torch.equal(loss_of(tuned), wanted)
    assert not torch.equal(loss_of(tuned), wanted)
    changes = lora_parameters(tuned.base.model)
    loss_of(tuned).backward()
    for name, weight in tuned.base.model.named_parameters():
        assert (weight.grad is not None) == (name in changes), name


def test_dropped_values_are_the_same_when_blocks_are_computed_again() -> None:
    plain, again = module(dropout=0.3), module(dropout=0.3)
    recompute(again.wraps("dit"))
    assert all(map(torch.equal, gradients(plain), gradients(again)))
    assert not torch.equal(loss_of(module()), loss_of(module(dropout=0.3)))
    again.base.model.eval()
    assert torch.equal(loss_of(again), loss_of(module()))


def test_a_base_in_bfloat16_has_half_the_bytes_and_about_the_loss() -> None:
    wide, narrow = module(), module(base_precision="bf16")
    changes = lora_parameters(narrow.base.model)
    for name, weight in narrow.base.model.named_parameters():
        assert weight.dtype == (torch.float32 if name in changes else torch.bfloat16), name
    assert loss_of(narrow).item() == pytest.approx(loss_of(wide).item(), rel=0.02)
    for one, other in zip(gradients(narrow), gradients(wide), strict=True):
        assert one.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.95 or one.norm() < 1e-3


def test_cached_vectors_are_those_of_the_bases_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = override(recipes.tiny_dit("", "base"), ["trainer.seed=3"])
    monkeypatch.setattr("training.objectives.tuned.config_of", {"base": trained}.get)
    text = LoraObjective(base="base").texts_of(seed=7)
    identities = [trained.objective.texts_of(seed=seed).identity for seed in (3, 7)]
    assert text.identity == identities[0] != identities[1]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_leaves_its_base_as_it_is_and_resumes(base: Path, tmp_path: Path, precision: str) -> None:
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    settings = (f"objective.base={base}", "objective.flow=true", "objective.dropout=0.2")
    settings += (f"objective.base_precision={precision}", f"trainer.precision={precision}")
    train(tiny_dit_config(tmp_path / "whole", *settings))
    train(tiny_dit_config(tmp_path / "halves", *settings, "trainer.steps=5"))
    train(tiny_dit_config(tmp_path / "halves", *settings))
    assert losses(tmp_path / "whole", "dit") == losses(tmp_path / "halves", "dit")
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == before
    made, plain = (weights(run, *kept) for run, kept in ((tmp_path / "whole", settings), (base, ())))
    assert any(made[name].any() for name in made if name.endswith("lora_up"))
    for name, value in plain.items():
        assert torch.equal(made[name], value.to(made[name].dtype)), name


@pytest.mark.attack
def test_two_ranks_in_shards_go_on_with_a_lora_of_others_as_one_rank_does(base: Path, tmp_path: Path) -> None:
    file = others_lora(base, tmp_path, rank=3)
    settings = (f"objective.base={base}", "objective.flow=true", "objective.dropout=0.2", f"objective.start={file}")
    train(tiny_dit_config(tmp_path / "one", *settings))
    shards = ("trainer.strategy=fsdp2", "trainer.activation_checkpointing=true")
    run_ranks(2, tmp_path / "two", *settings, *shards, script=SCRIPT)
    assert losses(tmp_path / "two", "dit") == pytest.approx(losses(tmp_path / "one", "dit"), abs=1e-5)
    assert read_state(latest(str(tmp_path / "two")))["start"]["from"] == str(file)


@pytest.mark.attack
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_ranks_train_as_one(base: Path, tmp_path: Path, strategy: str, precision: str) -> None:
    settings = (f"objective.base={base}", "objective.flow=true", f"objective.base_precision={precision}")
    train(tiny_dit_config(tmp_path / "one", *settings))
    run_ranks(2, tmp_path / "two", *settings, f"trainer.strategy={strategy}", script=SCRIPT)
    # Activations of a base in bfloat16 are rounded to three digits: the last bit of a change can tip one over.
    tolerance = 1e-5 if precision == "fp32" else 1e-3
    assert losses(tmp_path / "two", "dit") == pytest.approx(losses(tmp_path / "one", "dit"), abs=tolerance)


def test_it_starts_as_others_lora_ends(base: Path, tmp_path: Path) -> None:
    file = others_lora(base, tmp_path, rank=3)
    settings = (f"objective.base={base}", "objective.flow=true", f"objective.start={file}")
    still = ("trainer.steps=1", "optimizer.learning_rate=1e-30")
    train(tiny_dit_config(tmp_path / "run", *settings, *still))
    made = weights(tmp_path / "run", *settings[:2])
    layer = "blocks.1.attention.out"
    wanted = torch.full_like(made[f"dit.{layer}.lora_up"], 0.03)
    # The file's alpha is 1 and the run's 6: a sixth of its matrix makes the same change.
    torch.testing.assert_close(made[f"dit.{layer}.lora_up"], wanted / 6, rtol=1e-5, atol=0)
    train(tiny_dit_config(tmp_path / "more", *settings[:2], f"objective.start={tmp_path / 'run'}", *still))
    again = weights(tmp_path / "more", *settings[:2])
    assert all(torch.equal(again[name], made[name]) for name in made)
    other = tiny_dit_config(tmp_path / "other", *settings[:2])
    starts = (others_lora(base, tmp_path, rank=5), base)
    longer, of_none = (override(other, [f"objective.start={start}"]) for start in starts)
    with pytest.raises(ValueError, match=r"a LoRA of rank 5: --set objective\.rank=5 goes on with it"):
        train(longer)
    with pytest.raises(ValueError, match=r"it changes no other weights, and objective\.base is step_00000008-"):
        train(of_none)


def others_lora(base: Path, folder: Path, *, rank: int) -> Path:
    """A file as ComfyUI and others write it, for all layers."""
    objective = TinyDit(base=str(base), flow=True)
    names = lora_parameters(objective.build(replace(tiny_dit_config(folder), objective=objective)).networks["dit"])
    held: dict[str, torch.Tensor] = {}
    for name, weight in names.items():
        layer, _, part = name.removeprefix("dit.").rpartition(".")
        spelled = layout_names(layer, "comfyui")
        size = list(weight.shape)
        size[part == "lora_up"] = rank
        held[spelled[part]] = torch.full(size, 0.03)
        held[spelled["alpha"]] = torch.tensor(1.0)
    path = folder / f"others_{rank}.safetensors"
    save_file(held, path)
    return path


def weights(run: Path, *settings: str) -> dict[str, torch.Tensor]:
    config = tiny_dit_config(run, *settings)
    tuned = config.objective.build(config)
    read_networks(str(run), tuned)
    return tuned.networks["dit"].state_dict()
