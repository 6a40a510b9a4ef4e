"""Towers of open_clip, from a local folder in the layout of a hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filters.towers.base import TowerModel, check_tokenizer, device_of, read_json
from filters.towers.pixels import Geometry

if TYPE_CHECKING:
    import torch

CONFIG = "open_clip_config.json"


class OpenClipModel(TowerModel):
    """A folder as open_clip pushes it to a hub; the activation (QuickGELU for OpenAI's weights) is in its config."""

    def __init__(self, folder: Path) -> None:
        import open_clip

        text = read_json(folder / CONFIG).get("model_cfg", {}).get("text_cfg", {})
        if text.get("hf_model_name"):
            raise ValueError(f"{folder}: its text model {text['hf_model_name']!r} is described on a hub only")
        self._clip: Any = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
        self.module = self._clip
        seen = open_clip.get_model_preprocess_cfg(self._clip)
        sides = seen["size"]
        side = int(sides if isinstance(sides, int) else sides[0])
        fit = {"shortest": "crop", "squash": "squash"}.get(seen["resize_mode"], seen["resize_mode"])
        self.geometry = Geometry(image_size=side, fit=fit, resample=seen["interpolation"], short_side=side)
        self.mean, self.std = tuple(seen["mean"]), tuple(seen["std"])
        self._folder = folder
        self._own_tokenizer = bool(text.get("hf_tokenizer_name"))
        self._tokenizer: Any = None

    def images(self, normalised: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) to (N, D)."""
        return cast("torch.Tensor", self._clip.encode_image(normalised))

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(N, D); the tokenizer is loaded for the first."""
        if self._tokenizer is None:
            import open_clip

            if self._own_tokenizer:
                check_tokenizer(self._folder)
            self._tokenizer = open_clip.get_tokenizer(f"local-dir:{self._folder}")
        tokens = self._tokenizer(list(texts)).to(device_of(self.module))
        return cast("torch.Tensor", self._clip.encode_text(tokens))
