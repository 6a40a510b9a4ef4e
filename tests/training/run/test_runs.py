"""A run that older code has made is used as it was trained, or not at all."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from preprocess.io.settings import dump, override
from training import recipes
from training.models.vae import VideoVae
from training.run.checkpoint import Checkpoints
from training.run.config import TrainConfig
from training.run.distributed import world
from training.run.runs import config_of, trained_vae
from training.run.settings import restored


def made(out: Path, *assignments: str) -> TrainConfig:
    """A run of the tiny autoencoder with first weights, as the trainer leaves it."""
    config = override(recipes.tiny_vae("manifest", str(out)), assignments)
    module = config.objective.build(config)
    for name in module.networks:
        module.materialise(name, torch.device("cpu"))
    tensors = {
        f"network.{name}.{key}": value
        for name, network in module.networks.items()
        for key, value in network.state_dict().items()
    }
    with world() as here:
        checkpoints = Checkpoints(str(out), here, keep=1, asynchronous=False)
        checkpoints.save(1, tensors, {"step": 1, "averages": {}, "extra": {}, "settings": dump(config)})
    return config


def rewrite(out: Path, gone: tuple[str, ...] = (), **more: Any) -> None:
    """Change the settings that a run kept: as if code that knew others had written them."""
    [path] = out.glob("checkpoints/*/state.json")
    state = json.loads(path.read_text())
    for key in gone:
        del state["settings"][key]
    state["settings"] |= more
    path.write_text(json.dumps(state))


def test_a_run_of_older_code_is_still_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = made(tmp_path, "objective.kl_weight=0.5", "data.sampler.fps=2.0")
    rewrite(
        tmp_path,
        ("objective.l2_weight", "trainer.skips_in_a_row", "objective.model.spatial_stride"),
        **{"objective.sharpness_weight": 0.3, "trainer.compile": True, "gone.altogether.model": 4},
    )
    with caplog.at_level(logging.WARNING):
        assert config_of(str(tmp_path)) == config
        vae = trained_vae(str(tmp_path))
    expected = VideoVae(config.objective.model, seed=config.trainer.seed).state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(value, expected[key]) for key, value in vae.state_dict().items())
    [told] = [each.getMessage() for each in caplog.records if each.name == "training.run.settings"]
    assert told.endswith("left out: gone.altogether.model, objective.sharpness_weight, trainer.compile")


@pytest.mark.parametrize("key", ["objective.model.dilation", "objective.discriminator.depth"])
def test_networks_of_other_settings_are_refused(tmp_path: Path, key: str) -> None:
    made(tmp_path)
    rewrite(tmp_path, **{key: 2})
    with pytest.raises(ValueError, match=f"{tmp_path}.*other settings.*{key}"):
        trained_vae(str(tmp_path))


def test_a_network_setting_that_came_later_has_its_class_default() -> None:
    """Not the recipe's, which the run has never seen: `patch` is 2 by default, `layers` has no default."""
    config = override(recipes.tiny_dit("manifest", "out"), ["objective.model.patch=4"])
    kept = dump(config)
    del kept["objective.model.patch"]
    assert dump(restored(config, kept))["objective.model.patch"] == 2
    del kept["objective.model.layers"]
    with pytest.raises(ValueError, match=r"objective\.model\.layers"):
        restored(config, kept)


def test_a_value_that_is_no_longer_allowed_is_told_with_the_run(tmp_path: Path) -> None:
    made(tmp_path)
    rewrite(tmp_path, **{"trainer.strategy": "dp"})
    with pytest.raises(ValueError, match=f"{tmp_path}.*trainer.strategy=dp"):
        config_of(str(tmp_path))
    rewrite(tmp_path, name="huge_vae")
    with pytest.raises(ValueError, match=f"{tmp_path}.*no recipe 'huge_vae'"):
        config_of(str(tmp_path))
