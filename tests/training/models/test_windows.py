"""Windows give what attention under a dense mask gives, which is written down here as the definition has it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from preprocess.io.settings import override
from training.models import sizes, windows
from training.models.dit import DitConfig, VideoDit
from training.models.weights import named_generator
from training.models.windows import ORDERS, WindowConfig, Windows
from training.recipes import tiny_dit

KINDS = {
    "a picture": WindowConfig(kind="picture"),
    "a third of a picture": WindowConfig(kind="picture", pictures=0.3),
    "two pictures": WindowConfig(kind="picture", pictures=2),
    "slabs": WindowConfig(kind="slabs"),
    "slabs of many widths": WindowConfig(kind="slabs", reach_frames=0, reach_rows=2, reach_columns=1),
    "box": WindowConfig(kind="box"),
    "box of many widths": WindowConfig(kind="box", reach_frames=2, reach_rows=0, reach_columns=3),
    "box along one axis": WindowConfig(kind="box", reach_frames=1, reach_rows=9, reach_columns=9),
}
GRIDS = [(5, 3, 7), (1, 4, 5), (7, 1, 1), (3, 5, 2)]


def seen_by(config: WindowConfig, grid: tuple[int, int, int], heads: int) -> torch.Tensor:
    """(heads, N, N): whether query i may look at key j, for tokens in the order time, row, column."""
    places = torch.cartesian_prod(*(torch.arange(size) for size in grid)).reshape(-1, 3)
    apart = (places[:, None] - places[None]).abs()
    seen = torch.zeros(heads, len(places), len(places), dtype=torch.bool)
    for head in range(heads):
        if config.kind == "box":
            seen[head] = (apart <= torch.tensor(config.reach)).all(dim=-1)
        elif config.kind == "slabs":
            axis = next(axis for axis in range(3) if head < (axis + 1) * heads // 3)
            seen[head] = apart[..., axis] <= config.reach[axis]
        else:
            order = ORDERS[next(number for number in range(6) if head < (number + 1) * heads // 6)]
            slow, middle, fast = (places[:, axis] for axis in order)
            number = (slow * grid[order[1]] + middle) * grid[order[2]] + fast
            seen[head] = (number[:, None] - number[None]).abs() <= round(config.pictures * grid[1] * grid[2])
    return seen


def drawn(grid: tuple[int, int, int], heads: int, text: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, heads, text + grid[0] * grid[1] * grid[2], 4)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3)]


@pytest.mark.parametrize("least", [1, 6, 64])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("heads", [6, 5, 13])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", KINDS)
def test_windows_are_a_dense_mask_both_ways(
    name: str,
    grid: tuple[int, int, int],
    heads: int,
    padded: bool,
    least: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "LEAST_QUERIES", least)
    config, text = KINDS[name], 4
    q, k, v = drawn(grid, heads, text)
    mask = torch.ones(2, q.shape[2], dtype=torch.bool)
    if padded:
        mask[0, 1:text] = False
    dense = torch.ones(2, heads, q.shape[2], q.shape[2], dtype=torch.bool)
    dense[:, :, text:, text:] = seen_by(config, grid, heads)
    dense &= mask[:, None, None]
    wanted = functional.scaled_dot_product_attention(q, k, v, attn_mask=dense)
    made = Windows(config, grid).attend(q, k, v, mask if padded else None)
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-12)
    weight = torch.randn(made.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = [torch.autograd.grad((out * weight).sum(), (q, k, v)) for out in (made, wanted)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_who_only_counts_memory_leaves_nothing_behind(name: str) -> None:
    grid, text = (5, 3, 8), 2
    windows._masks.clear()
    with FakeTensorMode(allow_non_fake_inputs=True):
        q = torch.zeros(1, 6, text + 120, 4)
        assert Windows(KINDS[name], grid).attend(q, q, q, None).shape == q.shape
    assert not windows._masks
    q, k, v = drawn(grid, 6, text)
    made = Windows(KINDS[name], grid).attend(q, k, v, None)
    assert torch.equal(Windows(KINDS[name], grid).attend(q, k, v, None), made)


def test_masks_are_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_MOST_MASKS", 3)
    monkeypatch.setattr(windows, "LEAST_QUERIES", 1)
    q, k, v = drawn((7, 5, 6), 6, 2)
    Windows(KINDS["a third of a picture"], (7, 5, 6)).attend(q, k, v, None)
    assert len(windows._masks) <= 3


def test_heads_look_in_all_six_orders() -> None:
    assert set(ORDERS) == set(permutations(range(3)))
    seen = seen_by(WindowConfig(kind="picture"), (5, 3, 7), 6)
    assert len({seen[head].numpy().tobytes() for head in range(6)}) == 6


@pytest.mark.parametrize("heads", [6, 48, 7])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", KINDS)
def test_pairs_are_counted(name: str, grid: tuple[int, int, int], heads: int) -> None:
    wanted = seen_by(KINDS[name], grid, heads).sum() / heads
    assert Windows(KINDS[name], grid).pairs(heads) == pytest.approx(float(wanted))


SMALL = DitConfig(
    dim=96,
    heads=6,
    layers=4,
    mmdit_layers=2,
    text_dim=12,
    time_dim=16,
    latent_channels=4,
    in_channels=4,
    base_grid=None,
    windows=WindowConfig(kind="picture", pictures=0.4),
)


def transformer(config: DitConfig) -> VideoDit:
    dit = VideoDit(config).double()
    with torch.no_grad():
        for name, parameter in dit.named_parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=named_generator(1, name), dtype=torch.float64)
    return dit


def answer(dit: VideoDit, size: tuple[int, int, int] = (3, 6, 10)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 4, *size, generator=generator, dtype=torch.float64)
    text = torch.randn(2, 5, 12, generator=generator, dtype=torch.float64)
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3:] = False
    made: torch.Tensor = dit(latents, torch.tensor([10.0, 800.0]), text, mask)
    return made


def test_the_middle_half_of_the_layers_has_windows() -> None:
    paper = replace(sizes.ea_12b(), windows=WindowConfig(kind="picture")).windows
    assert [layer for layer in range(48) if paper.in_layer(layer, 48)] == list(range(12, 36))
    assert [layer for layer in range(7) if paper.in_layer(layer, 7)] == list(range(1, 6))
    assert not any(WindowConfig().in_layer(layer, 48) for layer in range(48))
    chosen = WindowConfig(kind="box", first_layer=0, end_layer=2)
    assert [layer for layer in range(6) if chosen.in_layer(layer, 6)] == [0, 1]


@pytest.mark.parametrize("kind", ["picture", "slabs", "box"])
def test_a_window_that_holds_everything_is_full_attention(kind: str) -> None:
    full, windowed = (
        transformer(replace(SMALL, windows=config))
        for config in (
            WindowConfig(),
            WindowConfig(
                kind=kind, pictures=99, reach_frames=99, reach_rows=99, reach_columns=99, first_layer=0, end_layer=4
            ),
        )
    )
    torch.testing.assert_close(answer(windowed), answer(full), rtol=0, atol=1e-12)
    small = transformer(
        replace(SMALL, windows=WindowConfig(kind=kind, pictures=0.3, reach_frames=1, reach_rows=1, reach_columns=1))
    )
    assert (answer(small) - answer(full)).abs().max() > 1e-3


def test_a_token_far_away_is_seen_through_other_layers_and_the_text_alone() -> None:
    """In a transformer that has windows in each layer, one layer deep."""
    config = replace(
        SMALL,
        layers=1,
        mmdit_layers=1,
        windows=WindowConfig(kind="slabs", reach_frames=0, reach_rows=0, reach_columns=0, first_layer=0, end_layer=1),
    )
    dit = transformer(config)
    latents = torch.zeros(1, 4, 3, 6, 10, dtype=torch.float64)
    other = latents.clone()
    other[0, :, 2, 4:, 8:] = 1.0  # the last token of 3 x 3 x 5
    text, mask = torch.ones(1, 2, 12, dtype=torch.float64), torch.ones(1, 2, dtype=torch.bool)
    moved = (dit(other, torch.ones(1), text, mask) - dit(latents, torch.ones(1), text, mask)).abs().amax(dim=(0, 1))
    tokens = moved.unflatten(2, (5, 2)).unflatten(1, (3, 2)).amax(dim=(2, 4)) > 0
    shares = torch.zeros(3, 3, 5, dtype=torch.bool)
    shares[2], shares[:, 2], shares[:, :, 4] = True, True, True
    assert torch.equal(tokens, shares)


def test_a_transformer_of_full_attention_goes_on_with_windows() -> None:
    full = transformer(replace(SMALL, windows=WindowConfig()))
    windowed = VideoDit(SMALL).double()
    windowed.load_state_dict(full.state_dict())
    target = answer(full).detach()
    optimizer = torch.optim.Adam(windowed.parameters(), lr=2e-4)
    losses = []
    for _ in range(20):
        loss = (answer(windowed) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(weight.grad is not None for weight in windowed.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 1e-6
    assert losses[-1] < 0.5 * losses[0]


def test_settings_give_a_recipe_windows() -> None:
    changes = ["kind=slabs", "reach_rows=2", "first_layer=0", "end_layer=6"]
    config = override(tiny_dit("clips", "out"), [f"objective.model.windows.{change}" for change in changes])
    assert config.objective.model.windows == WindowConfig(kind="slabs", reach_rows=2, first_layer=0, end_layer=6)


def test_what_windows_save_is_counted() -> None:
    """The paper's setting: the 12B model, half of its layers, 53,248 tokens; it measured 22 % in training."""
    full = sizes.ea_12b()
    paper = replace(full, windows=WindowConfig(kind="picture"))
    with torch.device("meta"):
        costs = [VideoDit(config).flops_per_sample((13, 128, 128), 256) for config in (full, paper)]
        small = [VideoDit(config).flops_per_sample((13, 64, 64), 256) for config in (full, paper)]
    assert 0.25 < 1 - costs[1] / costs[0] < 0.35
    assert 0.1 < 1 - small[1] / small[0] < 0.2


def test_impossible_windows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"windows\.pictures is 0, must be above 0"):
        WindowConfig(kind="picture", pictures=0)
    with pytest.raises(ValueError, match=r"windows\.reach_rows is -1, must be at least 0"):
        WindowConfig(kind="box", reach_rows=-1)
    with pytest.raises(ValueError, match=r"windows\.kind is 'round', allowed are none, picture, slabs, box"):
        WindowConfig(kind="round")  # type: ignore[arg-type]
