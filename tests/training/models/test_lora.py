from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from tests.training.models.test_dit_model import SMALL
from tests.training.ranks import in_ranks
from training.models.dit import VideoDit
from training.models.lora import (
    LoraLinear,
    add_lora,
    lora_parameters,
    merge_lora,
    seed_dropout,
    unmerge_lora,
    without_lora,
)
from training.models.weights import named_generator

TOLERANCE = {"rtol": 0, "atol": 1e-5}


def _noisy(module: torch.nn.Module, seed: int, only: str = "") -> None:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if only in name:
                parameter += 0.1 * torch.randn(parameter.shape, generator=named_generator(seed, name))


def _dit() -> VideoDit:
    dit = VideoDit(replace(SMALL, layers=2, mmdit_layers=1))
    _noisy(dit, seed=1)
    return dit


def _adapted(seed: int = 2) -> VideoDit:
    dit = _dit()
    add_lora(dit, 4, 2.0)
    _noisy(dit, seed, only="lora_up")
    return dit


def _state(dit: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in lora_parameters(dit).items()}


def _answer(dit: VideoDit) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents, text = torch.randn(2, 4, 2, 4, 4, generator=generator), torch.randn(2, 5, 12, generator=generator)
    return dit(latents, torch.tensor([100.0, 900.0]), text, torch.ones(2, 5, dtype=torch.bool))


def test_changes_nothing_at_first_and_trains_nothing_else():
    dit = _dit()
    wanted = _answer(dit)
    linears = sum(isinstance(part, torch.nn.Linear) for part in dit.modules())
    add_lora(dit, 4, 2.0)
    assert torch.equal(_answer(dit), wanted)
    trained = {name for name, parameter in dit.named_parameters() if parameter.requires_grad}
    assert trained == set(lora_parameters(dit))
    assert len(trained) == 2 * linears


def test_base_weights_keep_their_names():
    dit, plain = _adapted(), _dit()
    base = {name: value for name, value in dit.state_dict().items() if "lora" not in name}
    assert base.keys() == plain.state_dict().keys()
    assert all(torch.equal(value, base[name]) for name, value in plain.state_dict().items())


def test_the_change_is_alpha_over_rank_times_up_down():
    layer = LoraLinear(torch.nn.Linear(6, 5), rank=3, alpha=1.5)
    with torch.no_grad():
        layer.lora_down.normal_(generator=torch.Generator().manual_seed(0))
        layer.lora_up.normal_(generator=torch.Generator().manual_seed(1))
    x = torch.eye(6)
    change = layer(x) - torch.nn.functional.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(change, 0.5 * (layer.lora_up @ layer.lora_down).T, **TOLERANCE)


def test_without_lora_is_the_model_as_it_was():
    dit, wanted = _adapted(), _answer(_dit())
    with without_lora(dit):
        assert torch.equal(_answer(dit), wanted)
    assert not torch.allclose(_answer(dit), wanted, atol=1e-3)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_merged_it_answers_alike_and_unmerged_every_bit_is_as_it_was(kind):
    dit = _dit().to(kind)
    dit.blocks[0].attention.q.weight.data[0, :4] = torch.tensor([-0.0, 1e-30, float("inf"), 3e38], dtype=kind)
    add_lora(dit, 4, 2.0)
    _noisy(dit, 2, only="lora_up")
    assert {part.dtype for part in lora_parameters(dit).values()} == {torch.float32}
    before = {name: _bytes(value) for name, value in dit.state_dict().items()}
    merge_lora(dit)
    layer = dit.get_submodule("blocks.1.attention.k")
    wanted = layer.own_weight.float() + 0.5 * (layer.lora_up @ layer.lora_down)
    assert torch.equal(layer.weight, wanted.to(kind))
    changed = [name for name, value in dit.state_dict().items() if _bytes(value) != before[name]]
    assert len(changed) == sum(isinstance(part, LoraLinear) for part in dit.modules())
    with without_lora(dit):
        assert {name: _bytes(value) for name, value in dit.state_dict().items()} == before
    merge_lora(dit)
    unmerge_lora(dit)
    assert {name: _bytes(value) for name, value in dit.state_dict().items()} == before


def _bytes(value: torch.Tensor) -> bytes:
    return value.detach().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_a_merged_model_answers_as_the_model_with_its_lora():
    dit = _adapted()
    wanted = _answer(dit)
    merge_lora(dit)
    assert torch.allclose(_answer(dit), wanted, rtol=0, atol=1e-5)
    with without_lora(dit):
        assert torch.equal(_answer(dit), _answer(_dit()))
    assert torch.allclose(_answer(dit), wanted, rtol=0, atol=1e-5)
    unmerge_lora(dit)
    assert torch.equal(_answer(dit), wanted)


def test_targets_are_whole_parts_of_names():
    dit = _dit()
    add_lora(dit, 2, 2.0, targets=("attention", "blocks.1.feed_forward"))
    layers = {name for name, part in dit.named_modules() if isinstance(part, LoraLinear)}
    assert layers == {f"blocks.{block}.attention.{part}" for block in (0, 1) for part in ["q", "k", "v", "out"]} | {
        f"blocks.1.feed_forward.linear{number}" for number in (1, 2)
    }
    with pytest.raises(
        ValueError, match=r"'atten' is in no linear layer's name; their parts are attention, blocks, .*q"
    ):
        add_lora(_dit(), 2, 2.0, targets=("attention", "atten"))


def test_dropout_is_the_samples_own():
    layer = LoraLinear(torch.nn.Linear(400, 5), rank=400, alpha=400, dropout=0.25, name="layer")
    with torch.no_grad():
        layer.lora_down.copy_(torch.eye(400))
        layer.lora_up.fill_(1.0)
        layer.weight.zero_()
        layer.bias.zero_()
    x = torch.ones(3, 7, 400)
    seed_dropout(layer, [5, 6, 5])
    first, second, again = layer(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    kept = torch.stack([first, second]) * 0.75 / 400
    assert 0.7 < float(kept.detach().mean()) < 0.8
    seed_dropout(layer, [6])
    assert torch.equal(layer(x[:1])[0], second)
    layer.eval()
    assert torch.allclose(layer(x), torch.tensor(400.0))


def test_misuse_is_refused():
    dit = _adapted()
    with pytest.raises(ValueError, match="has LoRA already"):
        add_lora(dit, 4, 2.0)
    with pytest.raises(ValueError, match="rank is 0"):
        add_lora(_dit(), 0, 2.0)
    with pytest.raises(ValueError, match="no linear layer"):
        add_lora(torch.nn.Conv2d(1, 1, 1), 4, 2.0)


def test_first_values_depend_on_the_seed_alone():
    one, two, other = _dit(), _dit(), _dit()
    add_lora(one, 4, 2.0, seed=1)
    torch.manual_seed(9)
    add_lora(two, 4, 2.0, seed=1)
    add_lora(other, 4, 2.0, seed=2)
    states = [_state(dit) for dit in (one, two, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    name = "patches_out.lora_down"
    assert not torch.equal(states[0][name], states[2][name])


def _trained(dit: torch.nn.Module, model: torch.nn.Module, mine: slice) -> dict[str, torch.Tensor]:
    optimizer = torch.optim.AdamW(lora_parameters(dit).values(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    latents, text = torch.randn(4, 4, 2, 4, 4, generator=generator), torch.randn(4, 5, 12, generator=generator)
    mask, times = torch.ones(4, 5, dtype=torch.bool), torch.tensor([100.0, 300.0, 500.0, 900.0])
    for _ in range(4):
        velocity = model(latents[mine], times[mine], text[mine], mask[mine])
        optimizer.zero_grad()
        (velocity - 1).square().mean().backward()
        optimizer.step()
    return _state(dit)


def _train_half(folder: Path) -> None:
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    dit = _adapted()
    state = _trained(dit, DistributedDataParallel(dit), slice(2 * rank, 2 * rank + 2))
    torch.save(state, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_train_as_one(tmp_path):
    assert in_ranks(2, _train_half, tmp_path) == 0
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone, started = _adapted(), _state(_adapted())
    for name, value in _trained(alone, alone, slice(4)).items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=0, atol=1e-4)
        assert not torch.equal(value, started[name]), name
