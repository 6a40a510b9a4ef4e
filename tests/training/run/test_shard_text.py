"""A text encoder of which each rank has a share reads as a whole one, and what is trained by it is the same."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from torch.distributed.tensor import DTensor

from tests.tiny_vlm import tiny_qwen2_vl
from tests.training.tiny_dit_run import tiny_dit_config
from tests.training.tiny_run import losses, run_ranks
from training.models.text_hub import QwenVlTextConfig
from training.run.config import TrainerConfig
from training.run.distributed import world
from training.run.parallel import shard_encoder

CAPTIONS = (["a red circle moving left", ""], ["a blue square"])
"""Of two ranks, not equally many."""
SCRIPT, FROZEN, SHARED = "tests.training.tiny_dit_run", "objective.text.trainable=false", "trainer.shard_text=true"


def test_two_ranks_read_with_a_share_each_what_a_whole_encoder_reads(tmp_path: Path) -> None:
    weights = str(tiny_qwen2_vl(tmp_path / "qwen"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_read, (port, tmp_path, weights), nprocs=2)
    encoder = QwenVlTextConfig(weights=weights).encoder()
    whole = sum(weight.numel() for weight in encoder.parameters())
    held = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for captions, one in zip(CAPTIONS, held, strict=True):
        vectors, mask = encoder.encode(captions)
        assert torch.equal(one["vectors"], vectors)
        assert torch.equal(one["mask"], mask)
        assert one["weights"] < 0.55 * whole
    assert sum(one["weights"] for one in held) == whole


def _read(rank: int, port: int, out: Path, weights: str) -> None:
    """Twice, as a layer that stays whole after the first time would not be noticed else."""
    torch.set_num_threads(1)
    where = {"RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in where.items()}
    with world() as here:
        encoder = QwenVlTextConfig(weights=weights).encoder().requires_grad_(False).eval()
        shard_encoder(encoder, TrainerConfig(steps=1), here)
        for _ in range(2):
            vectors, mask = encoder.encode(CAPTIONS[rank])
        weights_left = list(encoder.parameters())
        assert all(isinstance(weight, DTensor) for weight in weights_left), "gathered no longer than a layer reads"
        held = sum(weight.to_local().numel() for weight in weights_left)
        torch.save({"vectors": vectors, "mask": mask, "weights": held}, out / f"{rank}.pt")


@pytest.mark.attack
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_ranks_that_share_an_encoder_train_as_one_rank(tmp_path: Path, strategy: str) -> None:
    run_ranks(1, tmp_path / "one", FROZEN, script=SCRIPT)
    run_ranks(2, tmp_path / "two", FROZEN, SHARED, f"trainer.strategy={strategy}", script=SCRIPT)
    assert losses(tmp_path / "two", "dit") == pytest.approx(losses(tmp_path / "one", "dit"), abs=1e-6)


def test_what_has_no_frozen_encoder_is_refused(tmp_path: Path) -> None:
    config = tiny_dit_config(tmp_path, SHARED)
    with pytest.raises(ValueError, match=r"trainer\.shard_text: what is trained here has no text encoder"):
        config.objective.build(config).shard_text(torch.nn.Module.eval)
