"""Towers of transformers, from a local folder: CLIP, SigLIP, SigLIP 2 and DINOv2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filters.towers.base import TowerModel, check_tokenizer, device_of, read_json
from filters.towers.pixels import Geometry

if TYPE_CHECKING:
    import torch

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
KINDS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "clip": ("CLIPModel", {"do_center_crop": True, "resample": 3, "image_mean": OPENAI_MEAN, "image_std": OPENAI_STD}),
    "siglip": ("SiglipModel", {"do_center_crop": False, "resample": 3, "image_mean": HALF, "image_std": HALF}),
    "siglip2": ("Siglip2Model", {"do_center_crop": False, "resample": 2, "image_mean": HALF, "image_std": HALF}),
    "dinov2": (
        "Dinov2Model",
        {"do_center_crop": True, "resample": 3, "image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD}
        | {"crop_size": 224, "size": 256},
    ),
}
"""By `model_type`: the class, and how its pictures are made where the folder has no `preprocessor_config.json`."""
PILLOW_RESAMPLINGS = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which transformers' preprocessors are saved with."""


class TransformersModel(TowerModel):
    """A folder of transformers. Projections as in contrastive training; of DINOv2, which has none, the class token."""

    def __init__(self, folder: Path, kind: str) -> None:
        import transformers

        class_name, defaults = KINDS[kind]
        model, report = getattr(transformers, class_name).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
        if report["missing_keys"]:
            # transformers would go on with random numbers
            some = sorted(report["missing_keys"])
            raise ValueError(f"{folder}: the weights lack {len(some)} tensors of {class_name}, such as {some[0]}")
        self.module = model.float().eval()
        self.reads_text = kind != "dinov2"
        self._folder, self._kind, self._tokenizer = folder, kind, cast(Any, None)
        said = defaults | _read_preprocessor(folder)
        self.geometry = _geometry(said, self._own_side())
        self.mean, self.std = tuple(said["image_mean"]), tuple(said["image_std"])

    def images(self, normalised: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) to (N, D)."""
        module = cast(Any, self.module)
        if self._kind == "dinov2":
            pooled = module(pixel_values=normalised).pooler_output
        elif self._kind == "siglip2":
            pooled = module.vision_model(*_patches(normalised, module.config.vision_config.patch_size)).pooler_output
        else:
            pooled = module.vision_model(pixel_values=normalised).pooler_output
        return cast("torch.Tensor", module.visual_projection(pooled) if self._kind == "clip" else pooled)

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(N, D); the tokenizer is loaded for the first."""
        module = cast(Any, self.module)
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            check_tokenizer(self._folder)
            self._tokenizer = AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
        context = module.config.text_config.max_position_embeddings
        # SigLIP was trained on lower case, padded to the full context and without a mask over the padding
        cased = list(texts) if self._kind == "clip" else [text.lower() for text in texts]
        tokens = self._tokenizer(cased, padding="max_length", truncation=True, max_length=context, return_tensors="pt")
        tokens = tokens.to(device_of(self.module))
        if self._kind == "clip":
            pooled = module.text_model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
            return cast("torch.Tensor", module.text_projection(pooled))
        return cast("torch.Tensor", module.text_model(input_ids=tokens.input_ids).pooler_output)

    def _own_side(self) -> int | None:
        """The side that the weights fix; None for DINOv2, which interpolates its positions."""
        config = cast(Any, self.module).config
        if self._kind == "dinov2":
            return None
        if self._kind == "siglip2":
            return int(round(config.vision_config.num_patches**0.5) * config.vision_config.patch_size)
        return int(config.vision_config.image_size)


def _patches(normalised: torch.Tensor, patch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N, 3, S, S) as SigLIP 2 of variable aspect reads it: flat patches, which of them count, and rows and columns."""
    import torch

    count, channels, side, _ = normalised.shape
    across = side // patch
    cells = normalised.reshape(count, channels, across, patch, across, patch).permute(0, 2, 4, 3, 5, 1)
    flat = cells.reshape(count, across * across, patch * patch * channels)
    mask = torch.ones(flat.shape[:2], dtype=torch.int32, device=flat.device)
    return flat, mask, torch.tensor([[across, across]] * count, dtype=torch.long, device=flat.device)


def _geometry(said: Mapping[str, Any], own_side: int | None) -> Geometry:
    """From the fields of a `preprocessor_config.json`, in which sizes are numbers or dictionaries."""
    side = own_side or _pixels(said["crop_size"])
    fit = "crop" if said["do_center_crop"] else "squash"
    short = _pixels(said["size"]) if fit == "crop" and said.get("size") else side
    resample = PILLOW_RESAMPLINGS.get(said["resample"], str(said["resample"]))
    return Geometry(image_size=side, fit=fit, resample=resample, short_side=short)


def _pixels(size: int | Mapping[str, int]) -> int:
    return size if isinstance(size, int) else int(size.get("shortest_edge") or size["height"])


def _read_preprocessor(folder: Path) -> dict[str, Any]:
    """What the folder says of its pictures, without what it leaves open."""
    for name, part in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        if (folder / name).is_file():
            read = read_json(folder / name)
            said = read.get(part, {}) if part else read
            return {key: value for key, value in said.items() if value is not None}
    return {}
