"""What a run has trained, in a file that other programs read.

A LoRA's matrices have the names of `training.models.lora_names`; whole weights are those of the run's own names
(`safetensors`), of diffusers' `EasyAnimateTransformer3DModel` with its `config.json` (`diffusers`), or of that under
`diffusion_model.` (`comfyui`). Weights are the averaged ones, in the type in which the run holds them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.models.dit import VideoDit
from training.models.dit_names import diffusers_config, diffusers_name
from training.models.lora import LoraLinear, lora_parameters, merge_lora
from training.models.lora_names import layout_names
from training.objectives.dit import DitModule
from training.objectives.tuned import TunedModule
from training.run.module import TrainModule
from training.run.runs import trained_module

LAYOUTS = ("safetensors", "peft", "diffusers", "comfyui")


def export(run: str, out: Path, layout: str, *, merged: bool = False) -> Path:
    """Write a run's averaged weights; the file or folder that was written, which appears whole or not at all.

    Args:
        run: folder of a run.
        out: a `.safetensors` file; of `peft`, and of whole weights for `diffusers`, a folder.
        layout: one of `LAYOUTS`.
        merged: of a LoRA, the whole weights with it, in place of the LoRA alone.

    Raises:
        ValueError: there is no such run, `out` is no name of that kind, or the layout has no place for such weights.
    """
    module = trained_module(run)
    tuned = module if isinstance(module, TunedModule) else None
    if merged and tuned is None:
        raise ValueError(f"--merged: {run} is no run of a LoRA, its weights are whole as they are")
    if tuned is not None and not merged:
        return _write_lora(tuned, out, layout)
    if tuned is not None:
        merge_lora(tuned.base.model)
    return _write_whole(module, out, layout)


def _write_lora(tuned: TunedModule, out: Path, layout: str) -> Path:
    dit, alpha = tuned.base.model.dit, tuned.objective.alpha
    layers = {name: part for name, part in dit.named_modules() if isinstance(part, LoraLinear)}
    held: dict[str, torch.Tensor] = {}
    for name, layer in layers.items():
        names = layout_names(name, layout)
        # Of diffusers' files alpha is the rank, so what it makes of the change is put into the matrix.
        factor = layer.alpha / layer.rank if layout == "diffusers" else 1.0
        held[names["lora_down"]] = layer.lora_down.detach()
        held[names["lora_up"]] = layer.lora_up.detach() * factor
        if "alpha" in names:
            held[names["alpha"]] = torch.tensor(layer.alpha)
    if layout != "peft":
        told = {"alpha": f"{alpha:g}"} if layout == "safetensors" else {}
        return _written(_file(out), held, told)
    config = {
        "peft_type": "LORA",
        "r": tuned.objective.rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(layers),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "base_model_name_or_path": None,
        "task_type": None,
    }
    return _folder(out, "adapter_config.json", config, "adapter_model.safetensors", held)


def _write_whole(module: TrainModule, out: Path, layout: str) -> Path:
    [network] = (module.networks[name] for name in module.averages())
    own = _plain_state(network)
    if layout == "safetensors":
        return _written(_file(out), own, {})
    if layout == "peft":
        raise ValueError("layout peft is for a LoRA alone; whole weights go to safetensors, diffusers or comfyui")
    base = module.base if isinstance(module, TunedModule) else module
    if not isinstance(base, DitModule):
        raise ValueError(f"layout {layout} is for a transformer; safetensors takes every network")
    return _write_transformer(base.model.dit, _plain_state(base.model.dit), out, layout)


def _write_transformer(dit: VideoDit, own: Mapping[str, torch.Tensor], out: Path, layout: str) -> Path:
    if layout == "comfyui":
        return _written(_file(out), _renamed(own, lambda name: f"diffusion_model.{diffusers_name(name)}"), {})
    renamed = _renamed(own, diffusers_name)
    return _folder(out, "config.json", diffusers_config(dit.config), "diffusion_pytorch_model.safetensors", renamed)


def _plain_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """All weights, without those of a LoRA."""
    changes = lora_parameters(network)
    return {name: value.detach() for name, value in network.state_dict().items() if name not in changes}


def _renamed(weights: Mapping[str, torch.Tensor], name_of: Callable[[str], str]) -> dict[str, torch.Tensor]:
    return {name_of(name): value for name, value in weights.items()}


def _file(out: Path) -> Path:
    if out.suffix != ".safetensors" or out.is_dir():
        raise ValueError(f"{out}: this layout is one file, whose name ends in .safetensors")
    return out


def _folder(out: Path, config_name: str, config: Mapping[str, Any], name: str, held: dict[str, torch.Tensor]) -> Path:
    """The configuration comes last: what has none is no model yet."""
    if out.suffix == ".safetensors" or out.is_file():
        raise ValueError(f"{out}: this layout is a folder, of weights and their configuration")
    out.mkdir(parents=True, exist_ok=True)
    _written(out / name, held, {})
    temporary = out / f".part-{config_name}"
    temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(out / config_name)
    return out


def _written(path: Path, held: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{path.name}")
    plain = {name: value.cpu().contiguous() for name, value in held.items()}
    save_file(plain, temporary, metadata={"format": "pt", **metadata})
    temporary.replace(path)
    return path
