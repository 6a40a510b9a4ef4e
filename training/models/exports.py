"""Weights under the names of other programs, with the configuration that those want beside them, and on the disk.

A LoRA's names are in `training.models.lora_names`, a whole transformer's in `training.models.dit_names`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from preprocess.records import shapes_repr
from training.models.dit import VideoDit
from training.models.dit_names import diffusers_config, diffusers_name
from training.models.lora import LoraLinear, lora_parameters
from training.models.lora_names import Rename, layout_names
from training.models.transformer import Transformer

Layout = Literal["safetensors", "peft", "diffusers", "comfyui"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Export:
    """What is to be written: one file, or a folder of weights and a configuration."""

    tensors: Mapping[str, torch.Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the file."""
    config: Mapping[str, Any] | None = None
    """Makes it a folder."""
    config_name: str = "config.json"
    weights_name: str = "diffusion_pytorch_model.safetensors"

    __repr__ = shapes_repr

    def write(self, out: Path) -> None:
        """Write the file or folder; each file appears whole or not at all, and a folder's configuration last.

        Raises:
            ValueError: `out` is the name of a file where a folder is to be, or otherwise.
        """
        if self.config is None:
            if out.suffix != ".safetensors" or out.is_dir():
                raise ValueError(f"{out}: this layout is one file, whose name ends in .safetensors")
            self._write_tensors(out)
            return
        if out.suffix == ".safetensors" or out.is_file():
            raise ValueError(f"{out}: this layout is a folder, of weights and their configuration")
        self._write_tensors(out / self.weights_name)
        temporary = out / f".part-{self.config_name}"
        temporary.write_text(json.dumps(self.config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(out / self.config_name)

    def _write_tensors(self, path: Path) -> None:
        from safetensors.torch import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".part-{path.name}")
        plain = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        save_file(plain, temporary, metadata={"format": "pt", **self.metadata})
        temporary.replace(path)


def plain_export(network: nn.Module) -> Export:
    """All weights by their own names, without those of a LoRA."""
    changes = lora_parameters(network)
    return Export(tensors={name: value for name, value in network.state_dict().items() if name not in changes})


def transformer_export(dit: Transformer, layout: Layout) -> Export:
    """Whole weights by diffusers' names.

    Raises:
        ValueError: the layout is for a LoRA, or diffusers' class would answer otherwise.
    """
    own = plain_export(dit).tensors
    if not isinstance(dit, VideoDit):
        if layout != "diffusers":
            raise ValueError(f"layout {layout} has no place for a {type(dit).__name__}: safetensors and diffusers have")
        names = dit.names_elsewhere() or {}
        return Export(tensors={names[name]: value for name, value in own.items()}, config=dit.config_elsewhere())
    if layout == "comfyui":
        return Export(tensors={f"diffusion_model.{diffusers_name(name)}": value for name, value in own.items()})
    if layout == "diffusers":
        renamed = {diffusers_name(name): value for name, value in own.items()}
        return Export(tensors=renamed, config=diffusers_config(dit.config))
    raise ValueError(f"layout {layout} is for a LoRA alone; whole weights go to safetensors, diffusers or comfyui")


def lora_export(dit: nn.Module, layout: Layout, *, rank: int, alpha: float, rename: Rename = diffusers_name) -> Export:
    """The two matrices of each layer that is changed; `rename` gives its name in diffusers' and ComfyUI's files."""
    layers = {name: part for name, part in dit.named_modules() if isinstance(part, LoraLinear)}
    # Of diffusers' files alpha is the rank, so what it makes of the change is put into the matrix.
    factor = alpha / rank if layout == "diffusers" else 1.0
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in layers.items():
        names = layout_names(name, layout, rename)
        tensors[names["lora_down"]] = layer.lora_down.detach()
        tensors[names["lora_up"]] = layer.lora_up.detach() * factor
        if "alpha" in names:
            tensors[names["alpha"]] = torch.tensor(alpha)
    if layout != "peft":
        return Export(tensors=tensors, metadata={"alpha": f"{alpha:g}"} if layout == "safetensors" else {})
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(layers),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "base_model_name_or_path": None,
        "task_type": None,
    }
    return Export(
        tensors=tensors, config=config, config_name="adapter_config.json", weights_name="adapter_model.safetensors"
    )
