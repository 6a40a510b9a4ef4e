"""A sample whose tokens are on two ranks is trained on as on one, in half the memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.autograd.graph import saved_tensors_hooks

from tests.training.ranks import in_ranks
from tests.training.sequence_run import LAYOUT, sequence_config
from tests.training.tiny_run import losses, run_ranks, tiny_config
from training.models.dit import VideoDit
from training.models.sequence import spread
from training.models.windows import WindowConfig
from training.run.launch import train
from training.run.metrics import read_rows
from training.run.samples import read_samples

SCRIPT = "tests.training.sequence_run"
LATENTS = (1, 4, 5, 40, 40)
"""Of a sample of 2,000 tokens."""
TEXT_TOKENS = 37
"""Not to be divided evenly."""


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one_rank")
    run_ranks(1, out, script=SCRIPT)
    return out


@pytest.mark.parametrize(
    ("windows", "padded"), [("none", False), ("none", True), ("picture", True), ("slabs", False), ("box", True)]
)
def test_two_thousand_tokens_on_two_ranks_are_as_on_one(tmp_path: Path, windows: str, padded: bool) -> None:
    assert in_ranks(2, _half, tmp_path, windows, padded) == 0
    answer, gradients, kept = _answer(_network(windows), padded)
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for half in halves:
        torch.testing.assert_close(half["answer"], answer, rtol=0, atol=1e-5)
        assert half["kept"] < 0.55 * kept  # 2 x 0.5, and what is no token's
    for name, gradient in gradients.items():
        mean = (halves[0]["gradients"][name] + halves[1]["gradients"][name]) / 2
        assert float((mean - gradient).norm()) <= 1e-5 * float(gradient.norm()), name
        if gradient.any():  # all but those of the last block's text, which is no part of the answer
            assert not torch.equal(halves[0]["gradients"][name], halves[1]["gradients"][name])  # of other tokens


@pytest.mark.parametrize(
    "settings",
    [
        (2, "trainer.sequence_ranks=2"),
        (2, "trainer.sequence_ranks=2", "trainer.strategy=fsdp2", "trainer.activation_checkpointing=true"),
        pytest.param((4, "trainer.sequence_ranks=2"), marks=pytest.mark.attack),
    ],
)
def test_ranks_that_divide_samples_train_as_one(one_rank: Path, tmp_path: Path, settings: tuple[int, str, ...]) -> None:
    ranks, *rest = settings
    done = run_ranks(ranks, tmp_path, *rest, script=SCRIPT)
    assert "Warning" not in done.stderr
    assert len(losses(tmp_path, "dit")) == 6
    assert losses(tmp_path, "dit") == pytest.approx(losses(one_rank, "dit"), abs=1e-5)
    for name in ("held_out/loss", "tokens_per_step", "gradient_norm/dit"):
        told, alone = ([row[name] for row in read_rows(str(out)) if name in row] for out in (tmp_path, one_rank))
        assert told == pytest.approx(alone, abs=1e-4), name


def test_samples_are_made_by_all_and_written_once(one_rank: Path, tmp_path: Path) -> None:
    sampled = ("trainer.sample_every=6", 'samples.prompts=["a", "b", "c"]', "samples.shape=[5, 16, 16]")
    few = (*sampled, "samples.fps=4", "samples.num_steps=2")
    run_ranks(2, tmp_path, *few, "trainer.sequence_ranks=2", script=SCRIPT)
    assert [(each.step, each.index) for each in read_samples(str(tmp_path))] == [
        (s, i) for s in (0, 6) for i in range(3)
    ]
    assert losses(tmp_path, "dit") == pytest.approx(losses(one_rank, "dit"), abs=1e-5)


def test_what_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 ranks cannot be divided into groups of trainer\.sequence_ranks=2"):
        train(sequence_config(tmp_path, "trainer.sequence_ranks=2"))
    done = run_ranks(2, tmp_path / "tiny", "trainer.sequence_ranks=2", check=False)
    assert "has no samples that ranks could divide" in done.stderr
    done = run_ranks(2, tmp_path / "dit", "trainer.sequence_ranks=2", script="tests.training.tiny_dit_run", check=False)
    assert "3 heads cannot be divided among trainer.sequence_ranks=2" in done.stderr
    assert tiny_config(tmp_path).trainer.sequence_ranks == 1


def _network(windows: str) -> VideoDit:
    """Of three layers, in the first two of which there are windows."""
    config = WindowConfig(kind=windows, pictures=0.3, reach_rows=5, reach_columns=4, first_layer=0, end_layer=2)
    dit = VideoDit(replace(LAYOUT, layers=3, windows=config), seed=5)
    generator = torch.Generator().manual_seed(1)
    for part in (dit.patches_out, *(block.norm1.linear for block in dit.blocks)):  # closed at first
        part.weight.data.normal_(std=0.2, generator=generator)
    return dit


def _answer(dit: VideoDit, padded: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
    """The velocity, the weights' gradients, and the bytes that were kept between them."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(LATENTS, generator=generator)
    text = torch.randn(1, TEXT_TOKENS, LAYOUT.text_dim, generator=generator)
    mask = torch.ones(1, TEXT_TOKENS, dtype=torch.bool)
    if padded:
        mask[:, 20:] = False
    weights = {weight.untyped_storage().data_ptr() for weight in dit.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = dit(latents, torch.tensor([500.0]), text, mask)
        loss = (answer - latents).square().mean()
    loss.backward()
    return answer.detach(), {name: weight.grad for name, weight in dit.named_parameters()}, sum(kept.values())


def _half(out: Path, windows: str, padded: bool) -> None:
    dist.init_process_group("gloo")
    dit = _network(windows)
    spread(dit, dist.group.WORLD)
    answer, gradients, kept = _answer(dit, padded)
    torch.save({"answer": answer, "gradients": gradients, "kept": kept}, out / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()
