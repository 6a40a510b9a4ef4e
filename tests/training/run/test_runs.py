"""A run that older code has made is used as it was trained, or not at all."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from preprocess.io.settings import dump, override
from preprocess.io.trees import kept
from training import recipes
from training.models.vae import VideoVae
from training.objectives.vae import trained_vae
from training.run.config import TrainConfig
from training.run.distributed import world
from training.run.runs import config_of
from training.run.saving import Checkpoints
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
        state = {"step": 1, "averages": {}, "extra": {}, "settings": dump(config), "config": kept(config)}
        checkpoints.save(1, tensors, state)
    return config


def rewrite(out: Path, gone: tuple[str, ...] = (), **more: Any) -> None:
    """Change the settings that a run kept: as if code that knew others had written them."""
    [path] = out.glob("checkpoints/*/state.json")
    state = json.loads(path.read_text())
    for key in (*gone, *more):
        place = state["config"]
        *above, name = key.split(".")
        for each in above:
            place = place.setdefault(each, {})
        if key in gone:
            del place[name]
        else:
            place[name] = more[key]
    path.write_text(json.dumps(state))


def test_a_run_of_older_code_is_still_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = made(tmp_path, "objective.kl_weight=0.5", "objective.l2_weight=0.1", "data.sampler.fps=2.0")
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
    warned = [each.getMessage() for each in caplog.records if each.name == "training.run.settings"]
    assert len(warned) == 3
    for key in ("gone", "objective.sharpness_weight", "trainer.compile"):
        assert key in " ".join(warned)


@pytest.mark.parametrize("key", ["objective.model.dilation", "objective.discriminator.depth"])
def test_networks_of_other_settings_are_refused(tmp_path: Path, key: str) -> None:
    made(tmp_path)
    rewrite(tmp_path, **{key: 2})
    with pytest.raises(ValueError, match=f"{tmp_path}.*other settings.*{key}"):
        trained_vae(str(tmp_path))


def test_a_network_setting_that_came_later_has_its_class_default() -> None:
    """Not the recipe's, which the run has never seen: `stride` is 4 there, 1 by default; `layers` has no default."""
    config = recipes.tiny_dit("manifest", "out")
    tree = kept(config)
    del tree["objective"]["text"]["stride"]
    assert dump(restored(tree, "out"))["objective.text.stride"] == 1
    del tree["objective"]["model"]["layers"]
    with pytest.raises(ValueError, match=r"objective\.model\.layers"):
        restored(tree, "out")


def test_a_value_that_is_no_longer_allowed_is_told_with_the_run(tmp_path: Path) -> None:
    made(tmp_path)
    rewrite(tmp_path, **{"trainer.strategy": "dp"})
    with pytest.raises(ValueError, match=f"{tmp_path}.*trainer.strategy( is '|=)dp"):
        config_of(str(tmp_path))


def test_a_run_without_its_config_is_told_with_its_name(tmp_path: Path) -> None:
    made(tmp_path)
    [path] = tmp_path.glob("checkpoints/*/state.json")
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "config"}))
    with pytest.raises(ValueError, match=f"{tmp_path}.*train it anew"):
        config_of(str(tmp_path))


def test_a_strangers_run_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, folder = tmp_path / "run", tmp_path / "code"
    made(run)
    folder.mkdir()
    (folder / "hostile_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef vae(m, o): ...\n")
    monkeypatch.syspath_prepend(str(folder))
    rewrite(run, **{"objective.type": "hostile_code:Objective"})
    with pytest.raises(ValueError, match="hostile_code:Objective is not part of this program"):
        config_of(str(run))
    assert not (tmp_path / "ran").exists()
    assert "hostile_code" not in sys.modules


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("objective", "subprocess:Popen"),  # is imported, but is no record
        ("objective", "preprocess.clip:Clip"),  # a record, but no objective
        ("trainer", "training.run.config:OptimizerConfig"),
        ("objective", "training.objectives.vae:Nothing"),
        ("objective", "training.objectives.nothing:Objective"),
        ("objective", "training..objectives:Objective"),
    ],
)
def test_only_records_of_the_kind_are_called(tmp_path: Path, key: str, name: str) -> None:
    made(tmp_path)
    rewrite(tmp_path, **{f"{key}.type": name})
    with pytest.raises(ValueError, match=f"{tmp_path}.*{key}"):
        config_of(str(tmp_path))
