"""A folder of diffusers' `AutoencoderKLMagvit`, such as the `vae` of the released models, as an autoencoder of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from training.models.safe_files import SafeFiles
from training.models.vae import VaeConfig, VideoVae
from training.models.vae_names import CLASS, SCALE, config_of, diffusers_name


def is_released(folder: str) -> bool:
    """Whether it holds a `config.json` of that class; a run's folder has none."""
    return _config(folder).get("_class_name") == CLASS


def released_config(folder: str) -> VaeConfig:
    """Its layout.

    Raises:
        ValueError: it is none of ours.
    """
    return config_of(_config(folder))


def released_scale(folder: str) -> float | None:
    """What its latents are multiplied by for a transformer; None of what is no such folder."""
    return float(_config(folder).get("scaling_factor", SCALE)) if is_released(folder) else None


def released_vae(folder: str) -> VideoVae:
    """The autoencoder in float32, on the CPU.

    Raises:
        ValueError: there are no weights, or they are of another layout than the configuration says.
    """
    paths = sorted(Path(folder).glob("*.safetensors"))
    if not paths:
        raise ValueError(f"{folder}: a config.json of {CLASS} and no weights in *.safetensors")
    with torch.device("meta"):
        vae = VideoVae(released_config(folder))
    vae.to_empty(device="cpu")
    weights = vae.state_dict()
    with SafeFiles(paths) as files:
        files.fill(weights, {name: diffusers_name(name, vae.config) for name in weights})
    return vae


def _config(folder: str) -> dict[str, Any]:
    path = Path(folder) / "config.json"
    if not folder or not path.is_file():
        return {}
    read = json.loads(path.read_text(encoding="utf-8"))
    return read if isinstance(read, dict) else {}
