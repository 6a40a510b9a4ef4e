"""Makers of tiny towers and heads on disk: real model classes, random weights, the real formats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = (
    "a",
    "red",
    "blue",
    "green",
    "car",
    "dog",
    "tree",
    "river",
    "runs",
    "stands",
    "at",
    "night",
    "in",
    "the",
    "rain",
)


def tiny_open_clip(folder: Path, *, image_size: int = 32, embed_dim: int = 16, seed: int = 0) -> Path:
    """CLIP as open_clip pushes it to a hub; reads text with open_clip's own tokenizer."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    model_cfg = {
        "embed_dim": embed_dim,
        "quick_gelu": True,
        "vision_cfg": {"image_size": image_size, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    torch.manual_seed(seed)
    model = open_clip.CLIP(**model_cfg)
    preprocess_cfg = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(_livened(model).state_dict(), folder / "open_clip_model.safetensors")
    return folder


def tiny_clip(folder: Path, *, image_size: int = 32, seed: int = 0) -> Path:
    """CLIP of transformers, with a word tokenizer."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 3}
    config = CLIPConfig(
        text_config=size | ids | {"vocab_size": 64, "max_position_embeddings": 16, "projection_dim": 16},
        vision_config=size | {"image_size": image_size, "patch_size": 8, "projection_dim": 16},
        projection_dim=16,
    )
    _save(folder, CLIPModel, config, seed)
    CLIPImageProcessor(
        size={"shortest_edge": image_size}, crop_size={"height": image_size, "width": image_size}
    ).save_pretrained(folder)
    _save_tokenizer(folder, start=True)
    return folder


def tiny_siglip(folder: Path, *, image_size: int = 32, hidden_size: int = 32, seed: int = 0) -> Path:
    """SigLIP, with a word tokenizer."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    _save(folder, SiglipModel, SiglipConfig(**_siglip_sizes(hidden_size, {"image_size": image_size})), seed)
    SiglipImageProcessor(size={"height": image_size, "width": image_size}).save_pretrained(folder)
    _save_tokenizer(folder, start=False)
    return folder


def tiny_siglip2(folder: Path, *, image_size: int = 32, seed: int = 0) -> Path:
    """SigLIP 2 of variable aspect, without a tokenizer."""
    from transformers import Siglip2Config, Siglip2ImageProcessor, Siglip2Model

    patches = (image_size // 8) ** 2
    _save(folder, Siglip2Model, Siglip2Config(**_siglip_sizes(32, {"num_patches": patches})), seed)
    Siglip2ImageProcessor(patch_size=8, max_num_patches=patches).save_pretrained(folder)
    return folder


def tiny_dinov2(folder: Path, *, seed: int = 0) -> Path:
    """DINOv2, which reads no text; the short side is 40, of which 32 are seen."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=48, patch_size=8)
    _save(folder, Dinov2Model, config, seed)
    BitImageProcessor(
        size={"shortest_edge": 40},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return folder


def laion_linear_head(file: Path, *, width: int = 16, seed: int = 0) -> Any:
    """LAION-AI/aesthetic-predictor: one layer. Returns the module that the file holds."""
    import torch

    torch.manual_seed(seed)
    return _save_head(file, torch.nn.Linear(width, 1), "")


def laion_mlp_head(file: Path, *, width: int = 16, seed: int = 0) -> Any:
    """improved-aesthetic-predictor: layers.0, 2, 4, 6 and 7. Returns the module that the file holds."""
    return _save_head(file, _chain(width, (2, 2, 2, 1), seed), "layers.")


def siglip_v2_5_head(file: Path, *, width: int = 32, seed: int = 0) -> Any:
    """aesthetic-predictor v2.5: scoring_head.0, 2, 4, 6 and 8. Returns the module that the file holds."""
    return _save_head(file, _chain(width, (2, 2, 2, 2), seed), "scoring_head.")


def _livened(module: Any) -> Any:
    """Random weights as they come give nearly the same vector for every picture; larger ones tell pictures apart."""
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(4)
    return module


def _siglip_sizes(hidden_size: int, vision: dict[str, int]) -> dict[str, Any]:
    size = {"hidden_size": hidden_size, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 3}
    text = {"vocab_size": 64, "max_position_embeddings": 16, "projection_size": hidden_size}
    return {"text_config": size | ids | text, "vision_config": size | vision | {"patch_size": 8}}


def _save(folder: Path, model_class: Any, config: Any, seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    _livened(model_class(config)).save_pretrained(folder)


def _save_tokenizer(folder: Path, *, start: bool) -> None:
    """Words in lower case, with an end token and, as CLIP wants it, a start token."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate(["<unk>", "<start>", "<mask>", "<end>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>" if start else "$A <end>", special_tokens=[("<start>", 1), ("<end>", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<start>", eos_token="<end>", pad_token="<end>"
    ).save_pretrained(folder)


def _chain(width: int, steps: Sequence[int], seed: int) -> Any:
    """Linear layers, each so many places after the one before it, with dropout between."""
    import torch

    torch.manual_seed(seed)
    sizes = [width, 12, 8, 6, 4, 1]
    layers: list[Any] = [torch.nn.Linear(sizes[0], sizes[1])]
    for n, step in enumerate(steps, start=1):
        layers += [torch.nn.Dropout(0.2)] * (step - 1) + [torch.nn.Linear(sizes[n], sizes[n + 1])]
    return torch.nn.Sequential(*layers).eval()


def _save_head(file: Path, module: Any, prefix: str) -> Any:
    import torch
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    if file.suffix == ".safetensors":
        save_file(tensors, file)
    else:
        torch.save(tensors, file)
    return module


def passes_of(tower: Any) -> list[int]:
    """How many images each forward pass of a loaded tower has from now on, once it has come to its end."""
    module, sizes = tower.model.module, []
    vision = getattr(module, "visual", None) or getattr(module, "vision_model", module)

    def ended(module: Any, inputs: Any, named: Any, output: Any) -> None:
        sizes.append(len(named["pixel_values"] if "pixel_values" in named else inputs[0]))

    vision.register_forward_hook(ended, with_kwargs=True)
    return sizes
