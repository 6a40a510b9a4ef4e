"""How a model is told a first frame that has to be seen in pixels: what encoders make of it, beside latents in a cache.

Some models are told a frame by the first latent, which a cache has. Others read latents of the frame alone, or of the
frame and nothing behind it, and vectors of a vision tower. These are put into channels behind those of the latents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from training.families.folder import PipelineFolder


class Levels(nn.Module):
    """Pixels of first frames, as an image processor of transformers scales and cuts them."""

    def __init__(self, processor: Path) -> None:
        """Of this folder."""
        import transformers

        super().__init__()
        self._processor = transformers.AutoImageProcessor.from_pretrained(processor, local_files_only=True)

    def forward(self, first_B31HW: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S), whole numbers from 0 to 255, of first frames in [-1, 1]."""
        untouched = {"do_rescale": False, "do_normalize": False, "return_tensors": "pt"}
        levels: torch.Tensor = self._processor(images=_pictures(first_B31HW), **untouched)["pixel_values"]
        return levels.float().to(first_B31HW.device)


class Eyes(nn.Module):
    """A vision tower of transformers, with the way it has pictures prepared."""

    def __init__(self, tower: nn.Module, processor: Any, layer: int) -> None:
        """`layer` is the one whose vectors are taken, from the last."""
        super().__init__()
        self.tower, self._processor, self._layer = tower, processor, layer

    def forward(self, first_B31HW: torch.Tensor) -> torch.Tensor:
        """Vectors (B, L, D), float32, of first frames in [-1, 1]."""
        pixels = self._processor(images=_pictures(first_B31HW), return_tensors="pt")["pixel_values"]
        weight = next(self.tower.parameters())
        seen = self.tower(pixel_values=pixels.to(weight.device, weight.dtype), output_hidden_states=True)
        vectors: torch.Tensor = seen.last_hidden_state if self._layer == 0 else seen.hidden_states[self._layer - 1]
        return vectors.float()


class Encoders(nn.Module):
    """What makes of pixels all that a transformer is shown."""

    vae: Any
    eyes: Eyes | Levels | None

    def __init__(self, vae: nn.Module, eyes: Eyes | Levels | None, *, see_first_frames: bool) -> None:
        super().__init__()
        self.vae, self.eyes, self.see_first_frames = vae, eyes, see_first_frames


def load_eyes(folder: PipelineFolder, tower: str, prepares: str, layer: int) -> Eyes:
    """The vision tower of a pipeline, in float32, and what prepares pictures for it; parts by their sub-folders.

    Raises:
        ValueError: it has no safetensors.
    """
    import transformers

    folder.weights(tower)
    kind = getattr(transformers, folder.config(tower)["architectures"][0])
    network = kind.from_pretrained(
        folder.path, subfolder=tower, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    processor = transformers.AutoImageProcessor.from_pretrained(folder.path / prepares, local_files_only=True)
    return Eyes(network.eval().requires_grad_(False), processor, layer)


def channels_of(seen: Sequence[torch.Tensor], size: Sequence[int]) -> torch.Tensor:
    """Values (1, ...) one after the other, each with zeros behind it, as channels (1, E, T, h, w) of a size."""
    a_channel = math.prod(size)
    channels = []
    for each in seen:
        values = each.flatten(1).float()
        channels.append(functional.pad(values, (0, -values.shape[1] % a_channel)).unflatten(1, (-1, *size)))
    return torch.cat(channels, dim=1)


def taken_from(channels: torch.Tensor, *shapes: Sequence[int]) -> list[torch.Tensor]:
    """What `channels_of` has put into channels (B, E, T, h, w): values of these shapes, in order, each (B, ...)."""
    a_channel, first, taken = math.prod(channels.shape[2:]), 0, []
    for shape in shapes:
        count = -(-math.prod(shape) // a_channel)
        values = channels[:, first : first + count].flatten(1)[:, : math.prod(shape)]
        taken.append(values.unflatten(1, [*shape]))
        first += count
    return taken


def as_picture(levels_3HW: torch.Tensor) -> Any:
    """Of uint8, as programs are given pictures."""
    from PIL import Image

    return Image.fromarray(levels_3HW.permute(1, 2, 0).cpu().numpy())


def _pictures(first_B31HW: torch.Tensor) -> list[Any]:
    levels = first_B31HW[:, :, 0].add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return [as_picture(each) for each in levels]
