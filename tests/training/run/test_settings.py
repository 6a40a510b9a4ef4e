"""Settings of a training recipe can be set by name at any depth, and mistakes are explained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from preprocess.io.settings import difference, dump, override
from tests.training.tiny_run import tiny_config
from training.run.config import OptimizerConfig


def test_override_reaches_every_depth() -> None:
    plain = replace(tiny_config("out"), other_optimizers={"judge": OptimizerConfig()})
    config = override(
        plain,
        [
            "trainer.steps=7",
            "data.samples=4",
            "trainer.clip_norm=none",
            "other_optimizers.judge.learning_rate=0.5",
            "out=x",
        ],
    )
    flat = dump(config)
    assert (flat["trainer.steps"], flat["data.samples"], flat["trainer.clip_norm"], flat["out"]) == (7, 4, None, "x")
    assert config.other_optimizers["judge"].learning_rate == 0.5
    assert config.optimizer == plain.optimizer


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("trainer.step=7", "trainer.steps"),
        ("trainer.steps=many", "expected int"),
        ("trainer.strategy=dp", "must be one of ddp, fsdp2|expected ddp or fsdp2"),
        ("trainer.accumulation=0", "must be at least 1"),
        ("steps", "key=value"),
        ("name=other", "no such setting"),
    ],
)
def test_mistakes_are_explained(assignment: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        override(tiny_config("out"), [assignment])


def test_difference_tells_only_what_has_a_say() -> None:
    before = dump(tiny_config("out"))
    after = tiny_config("elsewhere", "trainer.log_every=3", "optimizer.learning_rate=1.0")
    assert difference(before, after) == ["optimizer.learning_rate: 0.003 -> 1.0"]
