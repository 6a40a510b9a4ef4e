"""Loads the models behind the towers from a local folder: those of open_clip, and four kinds of transformers.

Nothing here asks the network, runs code that comes with a model, or unpickles anything.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filters.tower_pixels import Geometry

if TYPE_CHECKING:
    import torch

OPEN_CLIP_CONFIG = "open_clip_config.json"
OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
TRANSFORMERS_KINDS: Mapping[str, tuple[str, dict[str, Any]]] = {
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
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
PILLOW_RESAMPLINGS = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which transformers' preprocessors are saved with."""


class TowerModel(ABC):
    """A model in float32 on the CPU, and how its folder wants its pictures."""

    module: torch.nn.Module
    geometry: Geometry
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel (R, G, B), of values 0..1."""
    reads_text: bool = True

    @abstractmethod
    def images(self, normalised: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) to (N, D), of any length."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(N, D), of any length; what goes beyond the context is left out.

        Raises:
            ValueError: the folder has no tokenizer.
        """


def layout(folder: Path) -> str:
    """ "open_clip", or the `model_type` of transformers. Reads the configuration only.

    Raises:
        ValueError: neither; the message says what is there and what could be.
    """
    if (folder / OPEN_CLIP_CONFIG).is_file():
        return "open_clip"
    allowed = f"allowed are {OPEN_CLIP_CONFIG}, or config.json of type {', '.join(TRANSFORMERS_KINDS)}"
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder}: no model's configuration; {allowed}")
    kind = _read_json(folder / "config.json").get("model_type")
    if kind not in TRANSFORMERS_KINDS:
        raise ValueError(f"{folder}/config.json: model_type is {kind!r}; {allowed}")
    return str(kind)


def load_model(folder: Path) -> TowerModel:
    """The folder's model.

    Raises:
        ValueError: it is of no known kind, or its weights are not those of its configuration.
    """
    from safetensors import SafetensorError

    kind = layout(folder)
    try:
        return _OpenClip(folder) if kind == "open_clip" else _Transformers(folder, kind)
    except (OSError, RuntimeError, SafetensorError) as error:  # how the libraries put weights that do not fit
        raise ValueError(f"{folder}: {type(error).__name__}: {error}") from error


class _OpenClip(TowerModel):
    """A folder as open_clip pushes it to a hub; the activation (QuickGELU for OpenAI's weights) is in its config."""

    def __init__(self, folder: Path) -> None:
        import open_clip

        text = _read_json(folder / OPEN_CLIP_CONFIG).get("model_cfg", {}).get("text_cfg", {})
        if text.get("hf_model_name"):
            raise ValueError(f"{folder}: its text model {text['hf_model_name']!r} is described on a hub only")
        self.module = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
        seen = open_clip.get_model_preprocess_cfg(self.module)
        sides = seen["size"]
        side = int(sides if isinstance(sides, int) else sides[0])
        fit = {"shortest": "crop", "squash": "squash"}.get(seen["resize_mode"], seen["resize_mode"])
        self.geometry = Geometry(image_size=side, fit=fit, resample=seen["interpolation"], short_side=side)
        self.mean, self.std = tuple(seen["mean"]), tuple(seen["std"])
        self._folder = folder
        self._own_tokenizer = bool(text.get("hf_tokenizer_name"))
        self._tokenizer: Any = None

    def images(self, normalised: torch.Tensor) -> torch.Tensor:
        return cast("torch.Tensor", self.module.encode_image(normalised))

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        if self._tokenizer is None:
            import open_clip

            if self._own_tokenizer:
                _check_tokenizer(self._folder)
            self._tokenizer = open_clip.get_tokenizer(f"local-dir:{self._folder}")
        tokens = self._tokenizer(list(texts)).to(_device(self.module))
        return cast("torch.Tensor", self.module.encode_text(tokens))


class _Transformers(TowerModel):
    """A folder of transformers. Projections as in contrastive training; of DINOv2, which has none, the class token."""

    def __init__(self, folder: Path, kind: str) -> None:
        import transformers

        class_name, defaults = TRANSFORMERS_KINDS[kind]
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
        module = cast(Any, self.module)
        if self._kind == "dinov2":
            pooled = module(pixel_values=normalised).pooler_output
        elif self._kind == "siglip2":
            pooled = module.vision_model(*_patches(normalised, module.config.vision_config.patch_size)).pooler_output
        else:
            pooled = module.vision_model(pixel_values=normalised).pooler_output
        return cast("torch.Tensor", module.visual_projection(pooled) if self._kind == "clip" else pooled)

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        module = cast(Any, self.module)
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            _check_tokenizer(self._folder)
            self._tokenizer = AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
        context = module.config.text_config.max_position_embeddings
        # SigLIP was trained on lower case, padded to the full context and without a mask over the padding
        cased = list(texts) if self._kind == "clip" else [text.lower() for text in texts]
        tokens = self._tokenizer(cased, padding="max_length", truncation=True, max_length=context, return_tensors="pt")
        tokens = tokens.to(_device(self.module))
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


def _check_tokenizer(folder: Path) -> None:
    """Without its files transformers makes up a tokenizer without words, for which all texts are alike."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ValueError(f"{folder}: no tokenizer; one of {', '.join(TOKENIZER_FILES)} is needed to read text")


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
            read = _read_json(folder / name)
            said = read.get(part, {}) if part else read
            return {key: value for key, value in said.items() if value is not None}
    return {}


def _read_json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: no JSON: {error}") from error
    if not isinstance(read, dict):
        raise ValueError(f"{file}: expected an object, got {type(read).__name__}")
    return read


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device
