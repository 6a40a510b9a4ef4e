"""A motion module on an image model that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from tests.training.tiny import TEXT, VAE
from tests.training.tiny_dit_run import TinyClips
from training.models.grid import TokenGrid
from training.models.motion import MotionConfig
from training.models.on_demand import at_hand
from training.models.pixart import PixArtConfig
from training.models.vae import VideoVae
from training.objectives.diffusion import Diffusion
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.motion import MotionModule, MotionObjective
from training.run.config import Objective, OptimizerConfig, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import TrainModule
from training.run.runs import trained_module

MODEL = PixArtConfig(dim=24, heads=3, layers=2, text_dim=16, in_channels=9, span=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyMotion(Objective):
    """The image model; or motion modules for the run `base` of one."""

    base: str = ""
    motion: MotionConfig = field(default_factory=MotionConfig)
    dies_at_step: int = -1

    def grid(self) -> TokenGrid:
        return VAE.grid(MODEL.patch)

    def build(self, config: TrainConfig) -> TrainModule:
        model = PixArtConfig(**{**_fields(MODEL), "motion": self.motion})
        objective = DitObjective(vae="", model=model, text=TEXT, latent_scale=1.0, diffusion=Diffusion(predicts="v"))
        module = DitModule(objective, at_hand(VideoVae(VAE)), seed=config.trainer.seed)
        return module if not self.base else MotionModule(MotionObjective(base=self.base, motion=self.motion), module)


def _fields(config: PixArtConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def config_of(out: Path, objective: TinyMotion, steps: int = 3) -> TrainConfig:
    trainer = TrainerConfig(steps=steps, ema_decay=0.5, eval_every=50, checkpoint_every=2, seed=3)
    rate = OptimizerConfig(learning_rate=1e-2)
    return TrainConfig(
        name="tiny", out=str(out), objective=objective, data=TinyClips(), trainer=trainer, optimizer=rate
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    module = trained_module(str(run))
    [network] = module.networks.values()
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("motion") / "image"
    train(config_of(out, TinyMotion()))
    return out


def test_the_image_model_stays_and_the_modules_alone_are_kept(image: Path, tmp_path: Path) -> None:
    moving = TinyMotion(base=str(image), motion=MotionConfig(kind="grid", heads=2))
    train(config_of(tmp_path / "motion", moving))
    before, after = weights(image), weights(tmp_path / "motion")
    assert all(torch.equal(after[name], value) for name, value in before.items())
    new = {name: value for name, value in after.items() if name not in before}
    assert new.keys() == {name for name in after if ".motion." in name}
    assert any(name.endswith("linear_out.weight") and value.any() for name, value in new.items())
    module = trained_module(str(tmp_path / "motion"))
    alone = module.exported("safetensors", merged=False).tensors
    assert alone.keys() == new.keys()
    assert module.exported("safetensors", merged=True).tensors.keys() == after.keys()
    with pytest.raises(ValueError, match="no place for motion modules"):
        module.exported("peft", merged=False)


def test_it_goes_on_where_it_stopped_and_on_that_image_model_alone(image: Path, tmp_path: Path) -> None:
    moving = TinyMotion(base=str(image), motion=MotionConfig(kind="temporal", heads=2))
    train(config_of(tmp_path / "whole", moving, steps=4))
    train(config_of(tmp_path / "parts", moving, steps=2))
    train(config_of(tmp_path / "parts", moving, steps=4))
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_what_cannot_move_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to train"):
        MotionObjective(base="", motion=MotionConfig())
    with pytest.raises(ValueError, match=r"--set objective\.base=RUN"):
        MotionObjective(base="").grid()
