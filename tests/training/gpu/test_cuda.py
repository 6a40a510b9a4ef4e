"""What only an accelerator can show. `pytest -m gpu` on a machine that has one; the first 48 GB of it are enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.steps import dit_1b, measured
from tests.training.tiny_dit_run import tiny_dit_config
from training.models.dit import DitConfig, VideoDit
from training.run.distributed import world
from training.run.launch import train
from training.run.metrics import read_rows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator"),
]


def losses(out: Path, *settings: str) -> list[float]:
    """Of each step of a tiny run."""
    train(tiny_dit_config(out, *settings))
    return [row["loss/dit"] for row in read_rows(str(out))]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return losses(tmp_path_factory.mktemp("plain") / "run")


def test_a_rank_of_its_own_talks_by_nccl_on_the_device_and_by_gloo_beside() -> None:
    with world() as here:
        assert here.device.type == "cuda"
        total = torch.ones(4, device=here.device)
        dist.all_reduce(total)
        assert total.tolist() == [1.0] * 4
        assert here.summed([1.0, 2.0]) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        (("trainer.strategy=fsdp2",), 1e-4),
        (("trainer.activation_checkpointing=true", "trainer.offload_activations=true"), 1e-4),
        (("trainer.compile_blocks=true",), 1e-3),
        (("trainer.compile_blocks=true", "trainer.strategy=fsdp2", "trainer.activation_checkpointing=true"), 1e-3),
        (("trainer.precision=bf16",), 3e-2),
        (("trainer.precision=bf16", "optimizer.state=8bit"), 3e-2),
    ],
)
def test_each_way_to_train_has_the_losses_of_the_plain_one(
    plain: list[float], tmp_path: Path, settings: tuple[str, ...], tolerance: float
) -> None:
    assert losses(tmp_path / "run", *settings) == pytest.approx(plain, rel=tolerance)


def test_a_run_goes_on_from_its_checkpoint(plain: list[float], tmp_path: Path) -> None:
    losses(tmp_path / "run", "trainer.steps=4")
    assert losses(tmp_path / "run")[4:] == pytest.approx(plain[4:], rel=1e-4)


@pytest.mark.parametrize("text_tokens", [256, 77])
def test_attention_may_be_flash_and_says_what_plain_arithmetic_says(text_tokens: int) -> None:
    """Texts of full length are not masked, so that a kernel without masks will do."""
    config = DitConfig(dim=384, heads=6, layers=2, mmdit_layers=2, text_dim=64, in_channels=16, base_grid=None)
    dit = VideoDit(config).cuda().eval()
    torch.manual_seed(0)
    for weight in dit.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    latents = torch.randn(2, 16, 3, 16, 16, device="cuda")
    text = torch.randn(2, text_tokens, 64, device="cuda")
    there = torch.ones(2, text_tokens, dtype=torch.bool, device="cuda")
    answers = []
    for backend in (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION):
        with torch.no_grad(), sdpa_kernel(backend), torch.autocast("cuda", torch.bfloat16):
            answers.append(dit(latents, torch.tensor([300.0, 800.0], device="cuda"), text, there).float())
    assert (answers[0] - answers[1]).abs().max() < 0.03 * answers[0].abs().max()


def test_a_billion_weights_take_the_memory_that_was_planned() -> None:
    config = dit_1b("", "")
    config = replace(config, trainer=replace(config.trainer, activation_checkpointing=True))
    figures = measured(config, steps=3)
    assert figures["memory_ratio"] == pytest.approx(1.0, abs=0.15)
