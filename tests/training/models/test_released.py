"""Weights of diffusers' classes are ours and ours are theirs: every name and shape, and the same answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.training.tiny import JUDGE, TEXT, VAE
from training.models import dit_names, sizes, vae_names
from training.models.dit import DitConfig, VideoDit
from training.models.exports import Export, transformer_export
from training.models.on_demand import at_hand
from training.models.released_vae import is_released, released_config, released_scale, released_vae
from training.models.safe_files import SafeFiles
from training.models.vae import VaeConfig, VideoVae
from training.models.vae_chunks import decoded
from training.models.weights import named_generator
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.flow import euler
from training.objectives.vae import VaeModule, VaeObjective, trained_vae, vae_source
from training.run.config import TrainConfig, TrainerConfig
from training.run.start import start_from

SMALL = DitConfig(
    dim=96,
    heads=3,
    layers=3,
    mmdit_layers=2,
    text_dim=24,
    time_dim=20,
    latent_channels=4,
    in_channels=4,
    stretches_positions=True,
)
KINDS = {"text": 4, "inpaint": 9, "control": 12, "camera": 14}
"""Channels that enter."""
GRIDS = [(1, 4, 4), (3, 6, 10), (2, 12, 2), (2, 8, 12)]
"""Of latents: square, wide, tall with a single column of tokens, and of the aspect to which positions are scaled."""
TALL = VaeConfig(
    channels=(4, 8, 8, 8), latent_channels=4, groups=2, encoder_blocks=1, decoder_blocks=2, layout="magvit"
)
LAYOUTS = {
    "4x8x8": TALL,
    "2x4x4": VaeConfig(
        channels=(4, 8, 8), latent_channels=3, spatial_stride=4, temporal_stride=2, groups=2, layout="magvit"
    ),
}


def random_weights(network: torch.nn.Module, size: float = 0.05) -> None:
    """All of them: a new network's gates are closed and its norms are alike."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight += size * torch.randn(weight.shape, generator=named_generator(1, name))


def their_transformer(config: DitConfig) -> Any:
    transformers = pytest.importorskip("diffusers.models.transformers.transformer_easyanimate")
    settings = dit_names.diffusers_config(config).items()
    made = transformers.EasyAnimateTransformer3DModel(
        **{name: value for name, value in settings if not name.startswith("_")}
    )
    return made.eval()


def their_vae(config: VaeConfig) -> Any:
    autoencoders = pytest.importorskip("diffusers.models.autoencoders.autoencoder_kl_magvit")
    settings = vae_names.diffusers_config(config).items()
    made = autoencoders.AutoencoderKLMagvit(**{name: value for name, value in settings if not name.startswith("_")})
    return made.eval()


@pytest.mark.parametrize(
    ("size", "parameters"),
    [
        (sizes.ea_12b, 11_799_056_960),
        (sizes.ea_12b_inp, 11_799_265_856),
        (sizes.ea_12b_control, 11_799_450_176),
        (sizes.ea_12b_camera, 11_799_327_296),
        (sizes.ea_7b, 6_814_462_016),
        (sizes.ea_7b_inp, 6_814_670_912),
        (sizes.ea_7b_control, 6_814_855_232),
        (sizes.ea_7b_camera, 6_814_732_352),
    ],
)
def test_every_weight_of_a_released_transformer_has_its_place(size: Any, parameters: int) -> None:
    with torch.device("meta"):
        ours, theirs = VideoDit(size()), their_transformer(size())
    assert sum(weight.numel() for weight in ours.parameters()) == parameters
    renamed = {dit_names.diffusers_name(name): weight.shape for name, weight in ours.state_dict().items()}
    assert renamed == {name: weight.shape for name, weight in theirs.state_dict().items()}


def test_every_weight_of_the_released_autoencoder_has_its_place() -> None:
    config = sizes.ea_vae_diffusers()
    with torch.device("meta"):
        ours, theirs = VideoVae(config), their_vae(config)
    assert sum(weight.numel() for weight in ours.parameters()) == 244_375_507
    renamed = {vae_names.diffusers_name(name, config): weight.shape for name, weight in ours.state_dict().items()}
    assert renamed == {name: weight.shape for name, weight in theirs.state_dict().items()}


def inputs(config: DitConfig, grid: tuple[int, int, int]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "latents": torch.randn(2, config.latent_channels, *grid, generator=generator),
        "timesteps": torch.tensor([999.0, 17.5]),
        "text": 50 * torch.randn(2, 7, config.text_dim, generator=generator),
        "condition": torch.randn(2, config.condition_channels, *grid, generator=generator),
    }


@torch.no_grad()
def their_answer(theirs: Any, given: dict[str, torch.Tensor], kind: str) -> torch.Tensor:
    name = "inpaint_latents" if kind == "inpaint" else "control_latents"
    more = {name: given["condition"]} if given["condition"].shape[1] else {}
    answer: torch.Tensor = theirs(
        given["latents"], given["timesteps"], encoder_hidden_states=given["text"], **more
    ).sample
    return answer


@torch.no_grad()
def our_answer(ours: VideoDit, given: dict[str, torch.Tensor], mask: torch.Tensor | None = None) -> torch.Tensor:
    mask = torch.ones(given["text"].shape[:2], dtype=torch.bool) if mask is None else mask
    answer: torch.Tensor = ours(given["latents"], given["timesteps"], given["text"], mask, given["condition"])
    return answer


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_transformer_with_their_weights_gives_their_answers(
    kind: str, grid: tuple[int, int, int], tmp_path: Path
) -> None:
    config = replace(SMALL, in_channels=KINDS[kind])
    theirs = their_transformer(config)
    random_weights(theirs)
    theirs.save_pretrained(tmp_path, max_shard_size="200KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    ours = VideoDit(config, seed=5)
    weights = ours.state_dict()
    with SafeFiles(sorted(tmp_path.glob("*.safetensors"))) as files:
        files.fill(weights, {name: dit_names.diffusers_name(name) for name in weights})
    given = inputs(config, grid)
    wanted = their_answer(theirs, given, kind)
    assert wanted.std() > 0.1
    torch.testing.assert_close(our_answer(ours, given), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_their_transformer_with_our_weights_gives_our_answers(kind: str, tmp_path: Path) -> None:
    config = replace(SMALL, in_channels=KINDS[kind])
    theirs, ours = their_transformer(config), VideoDit(config)
    random_weights(ours)
    transformer_export(ours, "diffusers").write(tmp_path)
    theirs, told = type(theirs).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    given = inputs(config, GRIDS[1])
    torch.testing.assert_close(their_answer(theirs, given, kind), our_answer(ours, given), rtol=0, atol=1e-5)


def test_positions_are_theirs_without_a_switch_in_pictures_of_their_aspect_alone() -> None:
    theirs, even = their_transformer(SMALL), VideoDit(replace(SMALL, stretches_positions=False))
    random_weights(theirs)
    held = theirs.state_dict()
    even.load_state_dict({name: held[dit_names.diffusers_name(name)] for name in even.state_dict()})
    wide, alike = ((inputs(SMALL, GRIDS[number])) for number in (1, 3))
    torch.testing.assert_close(our_answer(even, alike), their_answer(theirs, alike, "text"), rtol=0, atol=1e-5)
    assert (our_answer(even, wide) - their_answer(theirs, wide, "text")).abs().max() > 1e-3


def test_padding_counts_as_text_where_theirs_is_to_be_matched() -> None:
    theirs, ours = their_transformer(SMALL), VideoDit(replace(SMALL, sees_padding=True))
    random_weights(theirs)
    held = theirs.state_dict()
    ours.load_state_dict({name: held[dit_names.diffusers_name(name)] for name in ours.state_dict()})
    given, mask = inputs(SMALL, GRIDS[0]), torch.ones(2, 7, dtype=torch.bool)
    mask[0, 3:] = False
    wanted = their_answer(theirs, given, "text")
    torch.testing.assert_close(our_answer(ours, given, mask), wanted, rtol=0, atol=1e-5)
    unseeing = VideoDit(SMALL)
    unseeing.load_state_dict(ours.state_dict())
    assert (our_answer(unseeing, given, mask)[0] - wanted[0]).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 5, 17])
@pytest.mark.parametrize("name", LAYOUTS)
def test_an_autoencoder_with_their_weights_gives_their_answers(name: str, frames: int, tmp_path: Path) -> None:
    theirs = their_vae(LAYOUTS[name])
    random_weights(theirs)
    theirs.save_pretrained(tmp_path)
    ours = released_vae(str(tmp_path))
    assert ours.config == LAYOUTS[name]
    video = torch.rand(2, 3, frames, 16, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    posterior, wanted = ours.encode(video), theirs.encode(video).latent_dist
    torch.testing.assert_close(posterior.mean, wanted.mean, rtol=0, atol=1e-4)
    torch.testing.assert_close(posterior.logvar, wanted.logvar, rtol=0, atol=1e-4)
    made = theirs.decode(wanted.mean).sample
    assert made.std() > 0.1
    torch.testing.assert_close(ours.decode(wanted.mean), made, rtol=0, atol=1e-4)


def vae_module(config: VaeConfig) -> VaeModule:
    module = VaeModule(VaeObjective(model=config, discriminator=JUDGE))
    module.materialise("vae", torch.device("cpu"))
    random_weights(module.vae)
    return module


@torch.no_grad()
def test_their_autoencoder_with_our_weights_gives_our_answers(tmp_path: Path) -> None:
    theirs, module = their_vae(TALL), vae_module(TALL)
    module.exported("diffusers", merged=False).write(tmp_path)
    theirs, told = type(theirs).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    video = torch.rand(1, 3, 9, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean = module.vae.encode(video).mean
    torch.testing.assert_close(theirs.encode(video).latent_dist.mean, mean, rtol=0, atol=1e-4)
    torch.testing.assert_close(theirs.decode(mean).sample, module.vae.decode(mean), rtol=0, atol=1e-4)


def released_folder(folder: Path) -> VideoVae:
    module = vae_module(TALL)
    module.exported("diffusers", merged=False).write(folder)
    return module.vae


def test_an_autoencoder_begins_with_such_a_folder(tmp_path: Path) -> None:
    vae, module = released_folder(tmp_path), vae_module(TALL)
    torch.nn.init.zeros_(module.vae.encoder.conv_in.weight)
    with SafeFiles(sorted(tmp_path.glob("*.safetensors"))) as files:
        module.read_file("vae", files, module.vae.state_dict())
    torch.testing.assert_close(module.vae.state_dict(), vae.state_dict(), rtol=0, atol=0)


def test_a_transformer_is_trained_on_the_latents_of_such_a_folder(tmp_path: Path) -> None:
    vae = released_folder(tmp_path)
    model = replace(SMALL, latent_channels=4)
    objective = DitObjective(vae=str(tmp_path), model=model, text=TEXT)
    config = TrainConfig(
        name="x", out=str(tmp_path / "run"), objective=objective, data=None, trainer=TrainerConfig(steps=1)
    )
    assert objective.grid() == TALL.grid(patch=2)
    completed = objective.completed(config, torch.device("cpu"))
    assert completed.objective.latent_scale == vae_names.SCALE
    loaded = completed.objective.build(completed).vae
    torch.testing.assert_close(loaded.state_dict(), vae.state_dict(), rtol=0, atol=0)
    before = vae_source(str(tmp_path)).identity
    with torch.no_grad():
        vae.quant.bias += 1
    module = vae_module(TALL)
    module.vae.load_state_dict(vae.state_dict())
    module.exported("diffusers", merged=False).write(tmp_path)
    assert vae_source(str(tmp_path)).identity != before


def test_what_their_class_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="layout is attention, not magvit, pixel_patch is 2, not 1"):
        vae_module(VAE).exported("diffusers", merged=False)
    with pytest.raises(ValueError, match="comfyui is for transformers"):
        vae_module(TALL).exported("comfyui", merged=False)


def test_folders_that_hold_something_else_are_told(tmp_path: Path) -> None:
    assert not is_released("")
    assert not is_released(str(tmp_path))
    assert released_scale(str(tmp_path)) is None
    config = vae_names.diffusers_config(TALL, scale=0.5)

    def written(**changes: object) -> str:
        (tmp_path / "config.json").write_text(json.dumps(config | changes))
        return str(tmp_path)

    assert not is_released(written(_class_name="AutoencoderKL"))
    assert released_scale(written()) == 0.5
    with pytest.raises(ValueError, match=r"no weights in \*\.safetensors"):
        trained_vae(written())
    with pytest.raises(ValueError, match="act_fn is gelu"):
        released_config(written(act_fn="gelu"))
    with pytest.raises(ValueError, match="spatial_group_norm is False"):
        released_config(written(spatial_group_norm=False))
    save_file({"quant_conv.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="missing"):
        trained_vae(written())


def test_what_a_configuration_need_not_say_is_as_released(tmp_path: Path) -> None:
    Export(tensors={}, config={"_class_name": vae_names.CLASS}).write(tmp_path)
    assert released_config(str(tmp_path)) == sizes.ea_vae_diffusers()


def test_easyanimates_own_autoencoder_has_an_attention_in_the_middle(tmp_path: Path) -> None:
    """Its class, of which one is put together here by names, is not on a registry."""
    with torch.device("meta"):
        assert sum(weight.numel() for weight in VideoVae(sizes.ea_vae()).parameters()) == 246_478_803
    config = replace(TALL, encoder_blocks=2, decoder_blocks=3, layout="easyanimate")
    ours = VideoVae(config)
    random_weights(ours)
    held = {vae_names.diffusers_name(name, config): value for name, value in ours.state_dict().items()}
    assert torch.equal(held["encoder.mid_block.attentions.0.to_q.weight"], ours.encoder.middle.attention.q.weight)
    for part in (
        "convs.0.norm1.weight",
        "convs.1.conv2.bias",
        "attentions.0.group_norm.bias",
        "attentions.0.to_out.bias",
    ):
        assert f"decoder.mid_block.{part}" in held
    kinds = str(("SpatialDownBlock3D", *["SpatialTemporalDownBlock3D"] * 3))
    described = vae_names.diffusers_config(replace(config, layout="magvit")) | {
        "down_block_types": kinds,
        "up_block_types": kinds.replace("Down", "Up"),
        "mid_block_attention_type": "spatial",
        "cache_mag_vae": True,
    }
    Export(tensors=held, config=described).write(tmp_path)
    loaded = released_vae(str(tmp_path))
    assert loaded.config == config
    torch.testing.assert_close(loaded.state_dict(), ours.state_dict(), rtol=0, atol=0)
    (tmp_path / "config.json").write_text(json.dumps(described | {"mid_block_attention_type": "3d"}))
    with pytest.raises(ValueError, match="mid_block_attention_type is '3d'"):
        released_config(str(tmp_path))
    with pytest.raises(ValueError, match="layout is easyanimate, not magvit"):
        vae_module(config).exported("diffusers", merged=False)


def test_a_file_of_easyanimates_own_names_is_read(tmp_path: Path) -> None:
    module, other = (transformer(seed) for seed in (1, 2))
    wanted = module.model.dit.state_dict()
    file = tmp_path / "model.safetensors"
    save_file({dit_names.easyanimate_name(name): value for name, value in wanted.items()}, file)
    names = {dit_names.easyanimate_name(name) for name in wanted}
    assert {"transformer_blocks.0.attn1.to_q.weight", "transformer_blocks.0.attn2.to_out.0.bias"} <= names
    assert not any("add_" in name for name in names)
    with SafeFiles([file]) as files:
        other.read_file("dit", files, {f"dit.{name}": value for name, value in other.model.dit.state_dict().items()})
    torch.testing.assert_close(other.model.dit.state_dict(), wanted, rtol=0, atol=0)


def transformer(seed: int) -> DitModule:
    objective = DitObjective(vae="", model=SMALL, text=replace(TEXT, trainable=False), latent_scale=1.0)
    module = DitModule(objective, at_hand(VideoVae(VAE)), seed=seed)
    module.materialise("dit", torch.device("cpu"))
    return module


@torch.no_grad()
def test_their_pipeline_with_our_weights_makes_our_frames(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    dit, vae = VideoDit(SMALL), released_folder(tmp_path / "vae")
    random_weights(dit)
    transformer_export(dit, "diffusers").write(tmp_path / "transformer")
    theirs = diffusers.EasyAnimatePipeline(
        vae=diffusers.AutoencoderKLMagvit.from_pretrained(tmp_path / "vae"),
        text_encoder=None,
        tokenizer=None,
        transformer=diffusers.EasyAnimateTransformer3DModel.from_pretrained(tmp_path / "transformer"),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    )
    theirs.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 4, 3, 8, 6, generator=generator)
    text, no_text = torch.randn(2, 1, 7, SMALL.text_dim, generator=generator)
    mask = torch.ones(1, 7, dtype=torch.bool)
    made = theirs(
        num_frames=9,
        height=64,
        width=48,
        num_inference_steps=6,
        guidance_scale=3.0,
        latents=noise,
        prompt_embeds=text,
        prompt_attention_mask=mask,
        negative_prompt_embeds=no_text,
        negative_prompt_attention_mask=mask,
        output_type="pt",
    ).frames

    def velocity(latents: torch.Tensor, told_B: torch.Tensor) -> torch.Tensor:
        with_text, without = (dit(latents, told_B, given, mask) for given in (text, no_text))
        return without + 3.0 * (with_text - without)

    latents = euler(velocity, noise, theirs.scheduler.sigmas)
    ours = decoded(vae, latents / vae_names.SCALE).clamp(-1, 1) / 2 + 0.5
    assert ours.std() > 0.1
    torch.testing.assert_close(made.transpose(1, 2), ours, rtol=0, atol=1e-3)


def test_a_run_starts_from_the_folder_of_a_pipeline(tmp_path: Path) -> None:
    """Its transformer and its autoencoder, which the run keeps by name; another autoencoder only if that is said."""
    root, vae = tmp_path / "pipeline", VideoVae(TALL)
    source = VideoDit(SMALL)
    random_weights(source)
    transformer_export(source, "diffusers").write(root / "transformer")
    module = vae_module(TALL)
    random_weights(vae)
    module.vae.load_state_dict(vae.state_dict())
    module.exported("diffusers", merged=False).write(root / "vae")
    objective = DitObjective(vae="", model=SMALL, text=TEXT, start=str(root))
    config = TrainConfig(
        name="released", out=str(tmp_path / "run"), objective=objective, data=None, trainer=TrainerConfig(steps=1)
    )
    completed = config.objective.completed(config, torch.device("cpu"))
    assert completed.objective.vae == str(root / "vae")
    assert completed.objective.latent_scale == vae_names.SCALE
    assert completed.objective.grid() == objective.grid()
    made = completed.objective.build(completed)
    torch.testing.assert_close(made.vae.state_dict(), vae.state_dict(), rtol=0, atol=0)
    made.materialise("dit", torch.device("cpu"))
    tensors = {f"network.dit.{name}": value for name, value in made.model.state_dict().items()}
    start_from(str(root), made, tensors)
    for name, value in source.state_dict().items():
        assert torch.equal(made.model.dit.state_dict()[name], value)
    assert replace(objective, vae="elsewhere").autoencoder == "elsewhere"
    assert replace(objective, start=str(root / "transformer")).autoencoder == ""
