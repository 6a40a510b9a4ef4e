"""Blocks that torch compiles learn as those that it does not. It takes a minute, so no part of `make test`."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch._dynamo.utils import counters

from tests.training.tiny_dit_run import tiny_dit_config
from training.run.launch import train
from training.run.metrics import read_rows

STEPS = "trainer.steps=3"


@pytest.mark.attack
@pytest.mark.parametrize("beside", [(), ("trainer.activation_checkpointing=true", "trainer.strategy=fsdp2")])
def test_compiled_blocks_learn_alike(tmp_path: Path, beside: tuple[str, ...]) -> None:
    counters.clear()
    losses = []
    for name, settings in {"plain": (), "compiled": ("trainer.compile_blocks=true", *beside)}.items():
        train(tiny_dit_config(tmp_path / name, STEPS, *settings))
        losses.append([row["loss/dit"] for row in read_rows(str(tmp_path / name))])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert counters["stats"]["unique_graphs"] >= 2, "one of each kind of block"
