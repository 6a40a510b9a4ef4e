"""CLIP of open_clip and of transformers as rewards see with it: frozen, and gradients pass to the pixels."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.weights import find_file, find_folder
from training.rewards.base import in_range

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's, of pixels in [0, 1]; those of all models here but SigLIP."""
FILES = ("*.safetensors", "*.json", "merges.txt", "*.model")


class Clip(nn.Module, ABC):
    """Frames and texts as vectors of length 1."""

    side: int
    """Pixels of its pictures."""
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION
    crops: bool = False
    """Whether a picture's middle is taken, or all of it is squeezed into a square."""

    @abstractmethod
    def images(self, pictures_N3SS: torch.Tensor) -> torch.Tensor:
        """(N, D), of any length."""

    @abstractmethod
    def texts(self, captions: Sequence[str]) -> torch.Tensor:
        """(N, D), of any length."""

    def seen(self, video: torch.Tensor, frames: int) -> torch.Tensor:
        """Vectors (B, frames, D) of a video's first frame, or of several evenly spaced ones."""
        pictures, count = self.prepared(video, frames)
        seen: torch.Tensor = functional.normalize(self.images(pictures), dim=-1).unflatten(0, (len(video), count))
        return seen

    def prepared(self, video: torch.Tensor, frames: int) -> tuple[torch.Tensor, int]:
        """Frames (B * count, 3, S, S) as the model takes them, and their count of each video."""
        count = min(frames, video.shape[2])
        places = torch.linspace(0, video.shape[2] - 1, count).round().long().to(video.device)
        pictures = (in_range(video[:, :, places]).transpose(1, 2).flatten(0, 1) + 1) / 2
        pictures = self._squared(pictures)
        mean, deviation = (pictures.new_tensor(each).view(1, 3, 1, 1) for each in (self.mean, self.deviation))
        return (pictures - mean) / deviation, count

    def read(self, captions: Sequence[str]) -> torch.Tensor:
        """Vectors (B, D) of captions."""
        with torch.no_grad():
            return functional.normalize(self.texts(captions), dim=-1)

    def _squared(self, pictures: torch.Tensor) -> torch.Tensor:
        size = (self.side, self.side)
        if not self.crops:
            return functional.interpolate(pictures, size, mode="bicubic", antialias=True)
        height, width = pictures.shape[2:]
        factor = self.side / min(height, width)
        scaled = (max(self.side, int(height * factor)), max(self.side, int(width * factor)))
        pictures = functional.interpolate(pictures, scaled, mode="bicubic", antialias=True)
        top, left = (scaled[0] - self.side) // 2, (scaled[1] - self.side) // 2
        return pictures[:, :, top : top + self.side, left : left + self.side]


class OpenClip(Clip):
    """A file of weights, `.pt` or `.safetensors`, of open_clip's `ViT-H-14`, or of the model that an
    `open_clip_config.json` beside it tells."""

    def __init__(self, weights: str, *, setting: str, architecture: str = "ViT-H-14") -> None:
        import open_clip

        super().__init__()
        path = find_file(weights, setting=setting)
        held = tensors_in(path)  # before a large model is made for nothing
        beside = path.with_name("open_clip_config.json")
        if beside.is_file():
            config = json.loads(beside.read_text(encoding="utf-8"))["model_cfg"]
        else:
            config = open_clip.get_model_config(architecture)
        self.model: Any = open_clip.CLIP(**config)
        self.model.load_state_dict(held)
        self.side = int(config["vision_cfg"]["image_size"])
        self._tokenize = open_clip.SimpleTokenizer(context_length=int(config["text_cfg"]["context_length"]))
        self.eval().requires_grad_(False)

    def images(self, pictures_N3SS: torch.Tensor) -> torch.Tensor:
        """(N, D)."""
        vectors: torch.Tensor = self.model.encode_image(pictures_N3SS)
        return vectors

    def texts(self, captions: Sequence[str]) -> torch.Tensor:
        """(N, D)."""
        vectors: torch.Tensor = self.model.encode_text(self._tokenize(list(captions)).to(self.model.logit_scale.device))
        return vectors


class TransformersClip(Clip):
    """A folder, or hub id, of transformers' CLIP or SigLIP with its tokenizer, which may lie in another folder."""

    crops = True

    def __init__(self, weights: str, *, setting: str, tokenizer: str = "", reads: bool = True) -> None:
        from transformers import AutoModel, AutoTokenizer

        super().__init__()
        folder = find_folder(weights, setting=setting, files=FILES)
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, **local)
        if not hasattr(self.model, "get_image_features"):
            raise ValueError(f"{setting}={weights} is a {type(self.model).__name__}: expected CLIP or SigLIP")
        self.side = int(self.model.config.vision_config.image_size)
        if self.model.config.model_type.startswith("siglip"):
            self.mean = self.deviation = (0.5, 0.5, 0.5)
            self.crops = False
        words = folder if not tokenizer else find_folder(tokenizer, setting=setting, files=("tokenizer*.json", *FILES))
        self.tokenizer: Any = AutoTokenizer.from_pretrained(words, **local) if reads else None
        self.eval().requires_grad_(False)

    def images(self, pictures_N3SS: torch.Tensor) -> torch.Tensor:
        """(N, D)."""
        pooled = self.model.vision_model(pixel_values=pictures_N3SS).pooler_output
        projection = getattr(self.model, "visual_projection", None)  # SigLIP has none
        vectors: torch.Tensor = pooled if projection is None else projection(pooled)
        return vectors

    def texts(self, captions: Sequence[str]) -> torch.Tensor:
        """(N, D)."""
        tokens = self.tokens(captions, padding=True)
        pooled = self.model.text_model(**tokens).pooler_output
        vectors: torch.Tensor = self.model.text_projection(pooled)
        return vectors

    def tokens(self, captions: Sequence[str], *, padding: bool | str) -> Mapping[str, torch.Tensor]:
        """`input_ids` and `attention_mask` (N, L), cut off at the model's context."""
        longest = self.model.config.text_config.max_position_embeddings
        tokens: Any = self.tokenizer(
            list(captions), padding=padding, truncation=True, max_length=longest, return_tensors="pt"
        )
        device = next(self.model.parameters()).device
        return {name: tokens[name].to(device) for name in ("input_ids", "attention_mask")}


def tensors_in(path: Path) -> dict[str, torch.Tensor]:
    """A file's tensors by name, from below `state_dict` where it has that.

    Raises:
        ValueError: it holds something else.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        held: dict[str, torch.Tensor] = load_file(path)
        return held
    # weights_only refuses a pickle with code in it.
    read: Any = torch.load(path, map_location="cpu", weights_only=True)
    read = read.get("state_dict", read) if isinstance(read, Mapping) else read
    if not isinstance(read, Mapping) or not all(isinstance(one, torch.Tensor) for one in read.values()):
        raise ValueError(f"{path}: expected tensors by name")
    return dict(read)
