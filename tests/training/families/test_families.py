"""Other people's models: trained by the recipe that is documented, and given back as their own programs read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")

from tests.training.families.cases import CASES
from tests.training.families.parity import lora_reload_error, loss_error
from tests.training.families.tiny_pretrained_run import run_config
from tests.training.tiny_run import losses
from training.families.pretrained_module import NETWORK
from training.inference.given import Given
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.plan.estimate import estimate
from training.run.launch import train
from training.run.module import trained_weights
from training.run.noise import SampleNoise
from training.run.parallel import recompute
from training.run.runs import trained_generator, trained_module
from training.sample import videos

pytestmark = pytest.mark.slow
torch.set_num_threads(1)


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(case: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return CASES[case].make(tmp_path_factory.mktemp(case) / "pipeline")


@pytest.fixture(scope="module")
def run(case: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(run_config(out, case, folder, "trainer.steps=50", "trainer.checkpoint_every=50"))
    return out


def test_a_loss_is_that_of_the_recipe_by_hand(case: str, folder: Path) -> None:
    assert loss_error(case, folder) < 1e-6


@pytest.mark.parametrize("method", ["lora", "full"])
def test_all_that_is_trained_has_a_gradient(case: str, folder: Path, method: str) -> None:
    """Ranks would wait for it."""
    config = run_config("", case, folder, f"objective.method={method}")
    module = config.objective.build(config)
    module.materialise(NETWORK, torch.device("cpu"))
    if method == "full":
        module.first_weights(NETWORK)
    [batch] = config.data.held_out(config, rank=0, world_size=1)
    module.loss(NETWORK, batch, SampleNoise(0, 0, batch.clip_ids), 0).total.backward()
    without = [name for name, weight in trained_weights(module.transformer).items() if weight.grad is None]
    assert not without
    assert trained_weights(module.transformer)


def test_blocks_are_computed_again_with_the_same_gradients_and_are_planned(case: str, folder: Path) -> None:
    gradients = []
    for settings in ((), ("trainer.activation_checkpointing=true",)):
        config = run_config("", case, folder, *settings)
        module = config.objective.build(config)
        module.materialise(NETWORK, torch.device("cpu"))
        if settings:
            recompute(module.wraps(NETWORK))
        [batch] = config.data.held_out(config, rank=0, world_size=1)
        module.loss(NETWORK, batch, SampleNoise(0, 0, batch.clip_ids), 0).total.backward()
        gradients.append({name: weight.grad for name, weight in trained_weights(module.transformer).items()})
    torch.testing.assert_close(*gradients)
    planned = estimate(run_config("", case, folder, "trainer.activation_checkpointing=true"), gpus=1)
    assert planned.trained == sum(gradient.numel() for gradient in gradients[0].values())
    assert planned.rows["optimizer"] == 8 * planned.trained
    assert planned.flops > 2 * planned.tokens * planned.trained


def test_fifty_steps_of_a_lora_lower_the_loss(case: str, folder: Path, run: Path) -> None:
    config = run_config(run, case, folder)
    new = config.objective.build(config)
    new.materialise(NETWORK, torch.device("cpu"))
    before, after = (held_out(module, config) for module in (new, trained_module(str(run))))
    assert after < 0.95 * before


def test_the_saved_lora_makes_our_latents_in_the_pipeline(case: str, folder: Path, run: Path, tmp_path: Path) -> None:
    assert lora_reload_error(case, folder, run, tmp_path) < 1e-5


def test_a_stopped_run_goes_on_exactly(case: str, folder: Path, tmp_path: Path) -> None:
    train(run_config(tmp_path / "whole", case, folder, "trainer.steps=2"))
    train(run_config(tmp_path / "halves", case, folder, "trainer.steps=1"))
    train(run_config(tmp_path / "halves", case, folder, "trainer.steps=2"))
    assert losses(tmp_path / "whole", NETWORK) == losses(tmp_path / "halves", NETWORK)


def test_it_makes_videos_of_the_size_that_was_asked_for(case: str, run: Path) -> None:
    known = CASES[case]
    first = np.zeros((known.side, known.side, 3), np.uint8) if known.first_frame else None
    shape = Shape(known.frames, known.side, known.side)
    sampling = GenerateConfig(num_steps=2, guidance=3.0)
    [film] = videos(trained_generator(str(run)), ["a red circle"], shape, sampling, seed=0, given=Given(first=first))
    assert film.shape == (known.frames, known.side, known.side, 3)


def test_a_layout_whose_names_nobody_knows_is_refused(case: str, run: Path) -> None:
    module = trained_module(str(run))
    for layout in ("peft", "diffusers", "safetensors"):
        assert module.exported(layout, merged=False).tensors
    if CASES[case].family.comfyui_name is None:
        with pytest.raises(ValueError, match="what ComfyUI calls the layers"):
            module.exported("comfyui", merged=False)


def held_out(module, config) -> float:
    """Of all clips, at four draws of noise."""
    module.transformer.eval()
    [batch] = config.data.held_out(config, rank=0, world_size=1)
    figures = [module.evaluate(batch, SampleNoise(seed, 0, batch.clip_ids))["loss"] for seed in range(4)]
    return sum(total for total, _ in figures) / sum(count for _, count in figures)
