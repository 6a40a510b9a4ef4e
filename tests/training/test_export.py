"""What is exported is what other programs read: their names, and where they are at hand, their answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.tiny import DIT, TEXT, VAE
from tests.training.tiny_dit_run import SEED
from training import export as exports
from training.export import export
from training.models.dit import VideoDit
from training.models.lora import lora_parameters, merge_lora
from training.models.lora_names import fill_lora, layout_names
from training.models.on_demand import at_hand
from training.models.safe_files import SafeFiles
from training.models.vae import VideoVae
from training.models.weights import named_generator
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.lora import LoraModule, LoraObjective

MODEL = replace(DIT, base_grid=(30, 45))
LAYER = "blocks.0.text_attention.out"


def noisy(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=named_generator(SEED, name)))


def transformer() -> DitModule:
    objective = DitObjective(vae="", model=MODEL, text=replace(TEXT, trainable=False), latent_scale=1.0)
    module = DitModule(objective, at_hand(VideoVae(VAE)), seed=SEED)
    module.materialise("dit", torch.device("cpu"))
    noisy(module.model)
    return module


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> LoraModule:
    """A LoRA that changes much, of alpha 6 and rank 3."""
    module = LoraModule(LoraObjective(base="", rank=3, alpha=6.0, targets="attention,text_attention"), transformer())
    for name, weight in lora_parameters(module.base.model).items():
        weight.data.copy_(0.1 * torch.randn(weight.shape, generator=named_generator(1, name)))
    monkeypatch.setattr(exports, "trained_module", lambda run: module)
    return module


def answer(dit: torch.nn.Module, **more: object) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents, text = torch.randn(2, 4, 2, 4, 6, generator=generator), torch.randn(2, 5, 16, generator=generator)
    condition = torch.randn(2, 5, 2, 4, 6, generator=generator)
    told = torch.tensor([100.0, 900.0])
    with torch.no_grad():
        if more:
            return dit(latents, told, encoder_hidden_states=text, inpaint_latents=condition).sample
        return dit(latents, told, text, torch.ones(2, 5, dtype=torch.bool), condition)


def test_peft_loads_the_lora_and_answers_as_we_do(tuned: LoraModule, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    folder = export("run", tmp_path / "adapter", "peft")
    plain = VideoDit(MODEL)
    plain.load_state_dict(
        {name: value for name, value in tuned.base.model.dit.state_dict().items() if "lora" not in name}
    )
    before = answer(plain)
    wrapped = peft.PeftModel.from_pretrained(plain, str(folder))
    ours = answer(tuned.base.model.dit)
    assert (ours - before).abs().max() > 0.01
    torch.testing.assert_close(answer(wrapped), ours, rtol=0, atol=1e-6)
    with wrapped.disable_adapter():
        assert torch.equal(answer(wrapped), before)


def test_each_layout_has_the_names_of_its_program(tuned: LoraModule, tmp_path: Path) -> None:
    files = {
        layout: export("run", tmp_path / f"{layout}.safetensors", layout)
        for layout in ("safetensors", "diffusers", "comfyui")
    }
    files["peft"] = export("run", tmp_path / "peft", "peft") / "adapter_model.safetensors"
    held = {layout: load_file(path) for layout, path in files.items()}
    up = tuned.base.model.dit.get_submodule(LAYER).lora_up.detach()
    assert torch.equal(held["safetensors"][f"dit.{LAYER}.lora_up"], up)
    assert torch.equal(held["peft"][f"base_model.model.{LAYER}.lora_B.weight"], up)
    assert torch.equal(held["diffusers"]["transformer.transformer_blocks.0.attn1.to_add_out.lora_B.weight"], 2 * up)
    start = "diffusion_model.transformer_blocks.0.attn1.to_add_out"
    assert torch.equal(held["comfyui"][f"{start}.lora_up.weight"], up)
    assert held["comfyui"][f"{start}.alpha"] == 6
    counts = {layout: len(names) for layout, names in held.items()}
    pairs = len(lora_parameters(tuned.base.model))
    assert counts == {"safetensors": pairs, "peft": pairs, "diffusers": pairs, "comfyui": pairs * 3 // 2}
    config = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (3, 6.0)
    assert LAYER in config["target_modules"]


@pytest.mark.parametrize("layout", ["safetensors", "peft", "diffusers", "comfyui", "kohya", "default"])
def test_what_is_written_is_read_back_whatever_its_names(tuned: LoraModule, tmp_path: Path, layout: str) -> None:
    if layout in ("kohya", "default"):
        held = load_file(export("run", tmp_path / "lora.safetensors", "comfyui"))
        path = tmp_path / "other.safetensors"
        save_file({_otherwise(name, layout): value for name, value in held.items()}, path)
    elif layout == "peft":
        path = export("run", tmp_path / "lora", layout) / "adapter_model.safetensors"
    else:
        path = export("run", tmp_path / "lora.safetensors", layout)
    wanted = {name.removeprefix("dit."): value for name, value in lora_parameters(tuned.base.model).items()}
    made = {name: torch.zeros_like(value) for name, value in wanted.items()}
    with SafeFiles([path]) as file:
        fill_lora(file, made, alpha=3.0)
    for name, value in wanted.items():
        torch.testing.assert_close(made[name], value * (2 if name.endswith("up") else 1), rtol=1e-6, atol=0)


def _otherwise(name: str, layout: str) -> str:
    """As kohya's scripts write, or PEFT with an adapter's name."""
    if layout == "default":
        return name.replace("lora_down.weight", "lora_A.default.weight").replace(
            "lora_up.weight", "lora_B.default.weight"
        )
    layer, _, part = name.removeprefix("diffusion_model.").partition(".lora_")
    layer, dot, alpha = layer.partition(".alpha") if not part else (layer, "", "")
    end = f".lora_{part}" if part else f"{dot}{alpha}"
    return f"lora_unet_{layer.replace('.', '_')}{end}"


def test_whole_weights_are_the_base_with_the_lora_in_it(tuned: LoraModule, tmp_path: Path) -> None:
    wanted = answer(tuned.base.model.dit)
    path = export("run", tmp_path / "whole.safetensors", "safetensors", merged=True)
    plain = VideoDit(MODEL)
    plain.load_state_dict({name.removeprefix("dit."): value for name, value in load_file(path).items()})
    torch.testing.assert_close(answer(plain), wanted, rtol=0, atol=1e-5)
    merge_lora(tuned.base.model)
    assert torch.equal(answer(plain), answer(tuned.base.model.dit))
    comfy = load_file(export("run", tmp_path / "comfy.safetensors", "comfyui", merged=True))
    assert torch.equal(comfy["diffusion_model.proj.weight"], plain.patches_in.weight)
    assert all(name.startswith("diffusion_model.") for name in comfy)


def test_diffusers_class_takes_the_weights_and_answers_alike(tuned: LoraModule, tmp_path: Path) -> None:
    easyanimate = pytest.importorskip("diffusers.models.transformers.transformer_easyanimate")
    folder = export("run", tmp_path / "model", "diffusers", merged=True)
    theirs, told = easyanimate.EasyAnimateTransformer3DModel.from_pretrained(folder, output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    torch.testing.assert_close(answer(theirs, theirs=True), answer(tuned.base.model.dit), rtol=0, atol=1e-4)


def test_what_has_no_place_is_refused(tuned: LoraModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for layout, name, said in (
        ("peft", "a.safetensors", "is a folder"),
        ("diffusers", "a", r"ends in \.safetensors"),
        ("safetensors", "a.pt", r"ends in \.safetensors"),
    ):
        with pytest.raises(ValueError, match=said):
            export("run", tmp_path / name, layout)
    with pytest.raises(ValueError, match="peft is for a LoRA alone"):
        export("run", tmp_path / "a", "peft", merged=True)
    plain = transformer()
    monkeypatch.setattr(exports, "trained_module", lambda run: plain)
    with pytest.raises(ValueError, match="--merged is for runs of a LoRA"):
        export("run", tmp_path / "a.safetensors", "safetensors", merged=True)
    assert not list(tmp_path.iterdir())
    small = replace(plain.model.dit.config, base_grid=None)
    plain.model.dit.config = small
    with pytest.raises(ValueError, match="base_grid is None"):
        export("run", tmp_path / "a", "diffusers")


def test_a_file_that_is_no_lora_of_this_model_is_refused(tuned: LoraModule, tmp_path: Path) -> None:
    made = {name.removeprefix("dit."): value for name, value in lora_parameters(tuned.base.model).items()}
    path = export("run", tmp_path / "lora.safetensors", "comfyui")
    held = load_file(path)
    up = layout_names(LAYER, "comfyui")["lora_up"]
    for change, said in (
        ({"other.weight": torch.zeros(1)}, r"1 unknown \(other\.weight\.unknown\)"),
        ({f"diffusion_model.{LAYER}.dora_scale": torch.zeros(1)}, r"1 unknown .*dora_scale"),
        (
            {up: torch.zeros(7, 3)},
            r"1 of another shape .*is \(7, 3\), expected \(48, 3\)",
        ),
    ):
        save_file({**held, **change}, path)
        with SafeFiles([path]) as file, pytest.raises(ValueError, match=said):
            fill_lora(file, made, alpha=1.0)
    save_file({"weight": torch.zeros(1)}, path)
    with SafeFiles([path]) as file, pytest.raises(ValueError, match="no LoRA, which has names"):
        fill_lora(file, made, alpha=1.0)
    save_file(held, path)
    (tmp_path / "adapter_config.json").write_text('{"use_rslora": true}')
    with SafeFiles([path]) as file, pytest.raises(ValueError, match="use_rslora is set"):
        fill_lora(file, made, alpha=1.0)
