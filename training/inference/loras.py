"""A LoRA from a file, beside a model's own weights for as long as a sample takes; nothing of it is left after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from training.models.generator import VideoGenerator
from training.models.lora_names import fill_lora, ranks_in
from training.models.safe_files import SafeFiles

SUFFIX = ".safetensors"


def lora_files(folder: Path) -> dict[str, Path]:
    """The LoRA files in a folder and those in it, by their path in it without the suffix.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"--loras {folder}: no folder")
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob(f"*{SUFFIX}"))
        if path.is_file()
    }


@contextmanager
def with_lora(generator: VideoGenerator, path: Path, strength: float) -> Iterator[None]:
    """Meanwhile, `strength` times what a LoRA file changes is added to what the model's layers answer.

    The names may be ours, PEFT's, diffusers', ComfyUI's or kohya's.

    Raises:
        ValueError: it is no LoRA, or one of another model.
        OSError: it cannot be opened.
    """
    network, renames = generator.lora_target()
    layers = {name: part for name, part in network.named_modules() if isinstance(part, nn.Linear)}
    with SafeFiles([path]) as file:
        ranks = ranks_in(file, layers, renames)
        empty = {}
        for name, rank in ranks.items():
            layer = layers[name]
            empty[f"{name}.lora_down"] = torch.empty(rank, layer.in_features)
            empty[f"{name}.lora_up"] = torch.empty(layer.out_features, rank)
        fill_lora(file, empty, alpha=1.0, renames=renames)
    changes = _changes(empty, ranks, strength, generator.device)
    with ExitStack() as stack:
        for name, change in changes.items():
            stack.callback(layers[name].register_forward_hook(change).remove)
        yield


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """What is added to a layer's answer; float32."""

    down: torch.Tensor
    up: torch.Tensor

    def __call__(self, layer: nn.Module, inputs: tuple[torch.Tensor, ...], answer: torch.Tensor) -> Any:
        with torch.autocast(answer.device.type, enabled=False):
            change = functional.linear(functional.linear(inputs[0].float(), self.down), self.up)
        return answer + change.to(answer.dtype)


def _changes(
    matrices: Mapping[str, torch.Tensor], ranks: Mapping[str, int], strength: float, device: torch.device
) -> dict[str, _Change]:
    return {
        name: _Change(
            down=matrices[f"{name}.lora_down"].to(device),
            up=(matrices[f"{name}.lora_up"] * (strength / rank)).to(device),
        )
        for name, rank in ranks.items()
    }
