"""PixArt against diffusers' class, and plug-ins that begin as nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from training.models.exports import transformer_export
from training.models.motion import MotionConfig, MotionModule, waves
from training.models.pixart import PixArt, PixArtConfig

SMALL = PixArtConfig(dim=48, heads=3, layers=5, text_dim=20, latent_channels=4, in_channels=4, span=8.0)
KINDS = ("temporal", "grid", "global", "hybrid")


def speaking(model: PixArt, seed: int = 1) -> PixArt:
    """With all of its zeros replaced, but for those of plug-ins."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if not weight.any() and "motion." not in name and "skips." not in name:
            weight.data.normal_(std=0.1, generator=generator)
    return model.requires_grad_(False)


def inputs(frames: int = 3, height: int = 8, width: int = 12, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(2, 4, frames, height, width, generator=generator)
    text = torch.randn(2, 7, 20, generator=generator)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    return latents, torch.tensor([17.0, 801.0]), text, mask


def their_model(config: PixArtConfig) -> Any:
    from diffusers import PixArtTransformer2DModel

    options = {key: value for key, value in PixArt(config).config_elsewhere().items() if not key.startswith("_")}
    return PixArtTransformer2DModel(**options).eval().requires_grad_(False)


@pytest.mark.parametrize("learns_range", [False, True])
@pytest.mark.parametrize("size", [(16, 16), (8, 12), (6, 4)])
def test_answers_are_those_of_diffusers_class_with_its_weights(size: tuple[int, int], learns_range: bool) -> None:
    config = replace(SMALL, learns_range=learns_range)
    theirs, ours = their_model(config), PixArt(config)
    held = theirs.state_dict()
    names = ours.names_elsewhere()
    assert sorted(names.values()) == sorted(held)
    ours.load_state_dict({name: held[other] for name, other in names.items()})
    latents, times, text, mask = inputs(1, *size)
    said = theirs(latents[:, :, 0], text, times, encoder_attention_mask=mask).sample
    answer = ours(latents, times, text, mask)
    assert torch.allclose(answer[:, :, 0], said[:, :4], atol=1e-5)
    assert answer.abs().max() > 0.1


def test_diffusers_reads_what_is_exported_and_answers_the_same(tmp_path: Path) -> None:
    from diffusers import PixArtTransformer2DModel

    ours = speaking(PixArt(SMALL))
    transformer_export(ours, "diffusers").write(tmp_path / "out")
    assert json.loads((tmp_path / "out/config.json").read_text())["_class_name"] == "PixArtTransformer2DModel"
    theirs = PixArtTransformer2DModel.from_pretrained(tmp_path / "out").eval()
    latents, times, text, mask = inputs(1)
    with torch.no_grad():
        said = theirs(latents[:, :, 0], text, times, encoder_attention_mask=mask).sample
    assert torch.allclose(ours(latents, times, text, mask)[:, :, 0], said, atol=1e-5)
    with pytest.raises(ValueError, match="neither motion modules nor skips"):
        transformer_export(PixArt(replace(SMALL, skips=True)), "diffusers")
    with pytest.raises(ValueError, match="layout comfyui"):
        transformer_export(ours, "comfyui")


def test_the_full_size_has_the_weights_of_diffusers_class() -> None:
    config = PixArtConfig(learns_range=True)
    with torch.device("meta"):
        ours, theirs = PixArt(config), their_model(config)
    wanted = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    names = ours.names_elsewhere()
    assert {names[name]: tuple(value.shape) for name, value in ours.state_dict().items()} == wanted
    assert sum(weight.numel() for weight in ours.parameters()) == 610_856_096
    with torch.device("meta"):
        second = PixArt(replace(config, skips=True, motion=MotionConfig(kind="temporal")))
    # 13 skips of one layer; of a module: two layers around two attentions of four matrices and one of eight.
    assert len(second.skips) == 13
    more = sum(weight.numel() for weight in second.parameters()) - 610_856_096
    assert more == pytest.approx((13 + 28 * 18) * 1152**2, rel=5e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 8, 12), (3, 8, 12), (4, 6, 10)])
def test_new_plug_ins_change_no_bit(kind: str, size: tuple[int, int, int]) -> None:
    plain = speaking(PixArt(SMALL))
    plugged = speaking(PixArt(replace(SMALL, skips=True, motion=MotionConfig(kind=kind, heads=4))))
    assert torch.equal(plain(*inputs(*size)), plugged(*inputs(*size)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_what_it_is_without_motion_modules_however_they_are_trained(kind: str) -> None:
    plain = speaking(PixArt(SMALL))
    plugged = speaking(PixArt(replace(SMALL, motion=MotionConfig(kind=kind, heads=4))))
    for part in plugged.modules():
        if isinstance(part, MotionModule):
            part.linear_out.weight.data.normal_(std=0.3)
    assert torch.equal(plain(*inputs(1)), plugged(*inputs(1)))
    assert not torch.allclose(plain(*inputs(3)), plugged(*inputs(3)), atol=1e-2)


def moved_by(kind: str, place: tuple[int, int, int], grid: tuple[int, int, int] = (3, 3, 5)) -> set[tuple[int, ...]]:
    """Which tokens a change of one token reaches, through one module."""
    module = MotionConfig(kind=kind, heads=2).module(8, 0)
    assert module is not None
    generator = torch.Generator().manual_seed(0)
    for weight in module.parameters():
        weight.data.normal_(std=0.5, generator=generator)
    x = torch.randn(1, *grid, 8, generator=generator)
    other = x.clone()
    other[0, *place, 0] += 1  # normalised: a change of all values alike would be none
    with torch.no_grad():
        reached = (module(x) - module(other)).abs().amax(-1)[0] > 1e-6
    return {tuple(index) for index in reached.nonzero().tolist()}


def test_frames_know_of_the_same_place_of_their_cell_or_of_everything() -> None:
    assert moved_by("temporal", (1, 2, 3)) == {(frame, 2, 3) for frame in range(3)}
    assert moved_by("grid", (1, 0, 3)) == {(frame, row, col) for frame in range(3) for row in (0, 1) for col in (2, 3)}
    assert moved_by("grid", (1, 2, 4)) == {(frame, 2, 4) for frame in range(3)}  # the corner that is left over
    assert len(moved_by("global", (1, 2, 3))) == 3 * 3 * 5
    assert MotionConfig(kind="hybrid").scopes(2) == ("temporal", "temporal")
    assert MotionConfig(kind="hybrid").scopes(3) == ("temporal", "global")


def test_the_image_model_itself_lets_no_frame_know_of_another() -> None:
    model = speaking(PixArt(replace(SMALL, skips=True)))
    latents, *others = inputs(3)
    other = latents.clone()
    other[:, :, 1] += 1
    changed = (model(latents, *others) - model(other, *others)).abs().amax((0, 1, 3, 4)) > 1e-6
    assert changed.tolist() == [False, True, False]


def test_skips_lead_from_the_first_blocks_to_the_last_in_reverse() -> None:
    config = PixArtConfig(skips=True)
    assert {block: config.skip_into(block) for block in (12, 13, 14, 15, 27)} == {
        **dict.fromkeys((12, 13, 14)),
        15: 12,
        27: 0,
    }
    model = speaking(PixArt(replace(SMALL, skips=True)))
    assert list(model.skips) == ["3", "4"]
    before = model(*inputs())
    model.skips["4"].linear.weight.copy_(torch.eye(48))
    entered, left = [], []
    model.blocks[0].register_forward_hook(lambda _, __, out: left.append(out))
    model.blocks[3].register_forward_hook(lambda _, __, out: left.append(out))
    model.blocks[4].register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    assert not torch.allclose(model(*inputs()), before, atol=1e-3)
    assert torch.allclose(entered[0], left[0] + left[1], atol=1e-5)


def test_padding_is_not_looked_at() -> None:
    model = speaking(PixArt(SMALL))
    latents, times, text, mask = inputs()
    other = text.masked_fill(~mask[..., None], float("nan"))
    assert torch.equal(model(latents, times, text, mask), model(latents, times, other, mask))
    short = model(latents[1:], times[1:], text[1:, :4], mask[1:, :4])
    assert torch.allclose(model(latents, times, text, mask)[1:], short, atol=1e-5)


@pytest.mark.parametrize("kind", ["none", *KINDS])
def test_operations_are_those_that_torch_counts(kind: str) -> None:
    model = PixArt(replace(SMALL, skips=True, motion=MotionConfig(kind=kind, heads=4)))
    latents, times, text, mask = (each[:1] for each in inputs(3, 6, 10))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model(latents, times, text, mask)
    assert model.flops_per_sample((3, 6, 10), 7, training=False) == counted.get_total_flops()


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match="multiple of heads"):
        replace(SMALL, heads=5)
    with pytest.raises(ValueError, match="must divide the model's width"):
        PixArt(replace(SMALL, motion=MotionConfig(kind="grid", heads=5)))
    with pytest.raises(ValueError, match=r"motion\.kind is 'sideways'"):
        MotionConfig(kind="sideways")  # type: ignore[arg-type]
    latents, *others = inputs()
    with pytest.raises(ValueError, match="must have 4 channels"):
        PixArt(SMALL)(latents[:, :3], *others)


def test_waves_tell_frames_apart() -> None:
    told = waves(64, 16, torch.device("cpu"))
    assert torch.cdist(told, told).fill_diagonal_(9.0).min() > 0.3
