"""What waits in host memory comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.sequence_run import sequence_config
from tests.training.tiny_run import losses
from training.run import offload
from training.run.launch import train
from training.run.offload import Offloaded

SETTING = "trainer.offload_activations=true"


@pytest.mark.parametrize("more", [(), ("trainer.activation_checkpointing=true",)], ids=["all", "inputs"])
def test_a_run_is_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    monkeypatch.setattr(offload, "LEAST_BYTES", 0)
    moved = []
    monkeypatch.setattr(offload, "_to_host", lambda tensor: moved.append(tensor.shape) or tensor.clone())
    train(sequence_config(tmp_path / "here", *more))
    assert not moved
    train(sequence_config(tmp_path / "there", *more, SETTING))
    assert moved
    assert len(losses(tmp_path / "here", "dit")) == 6
    assert losses(tmp_path / "here", "dit") == losses(tmp_path / "there", "dit")


def test_weights_and_small_tensors_stay_and_nothing_is_moved_twice() -> None:
    weight, small = torch.nn.Parameter(torch.randn(600, 600).double()), torch.randn(8, requires_grad=True)
    x = torch.randn(600, 600, dtype=torch.float64, requires_grad=True)
    moved: list[torch.Tensor] = []
    with Offloaded(lambda tensor: moved.append(tensor) or tensor.clone()):
        y = x.exp()
        total = (y @ weight.t()).sum() + (y * y).sum() + (small * small).sum()
    assert [each.data_ptr() for each in moved] == [y.data_ptr()]
    total.backward()
    plain = x.detach().requires_grad_()
    ((plain.exp() @ weight.detach().t()).sum() + (plain.exp() ** 2).sum()).backward()
    torch.testing.assert_close(x.grad, plain.grad)


def test_memory_that_another_tensor_has_got_is_not_taken_for_the_first() -> None:
    """Of many tensors that come and go, at the same places and of the same shape."""
    xs = [torch.full((600, 600), float(value), requires_grad=True) for value in range(4)]
    with Offloaded():
        total = sum((x.detach().mul(2).requires_grad_() * x).sum() for x in xs)
    assert isinstance(total, torch.Tensor)
    total.backward()
    assert [float(x.grad[0, 0]) for x in xs] == [0.0, 2.0, 4.0, 6.0]
