"""What others call the parts of the video autoencoder, `AutoencoderKLMagvit` both: diffusers, and EasyAnimate itself.

Sources: `src/diffusers/models/autoencoders/autoencoder_kl_magvit.py` of diffusers 0.42.1, and
`easyanimate/models/autoencoder_magvit.py` of EasyAnimate at c2a70d1, which has an attention in the middle; the names of
the rest are the same. Both classes' answers were compared with ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from training.models.vae import VaeConfig

CLASS = "AutoencoderKLMagvit"
SCALE = 0.7125
"""What the released transformers had their latents multiplied by."""

_ENDS = {"quant": "quant_conv", "post_quant": "post_quant_conv"}
_IN_A_HALF = {"conv_in": "conv_in", "conv_out": "conv_out", "norm_out": "conv_norm_out"}
_MIDDLE = {
    "before": "convs.0",
    "after": "convs.1",
    "attention.norm": "attentions.0.group_norm",
    "attention.q": "attentions.0.to_q",
    "attention.k": "attentions.0.to_k",
    "attention.v": "attentions.0.to_v",
    "attention.out": "attentions.0.to_out",
    "blocks": "convs",
}
_STEPS = {"encoder": ("down_blocks", "downsampler.conv"), "decoder": ("up_blocks", "upsampler")}


def diffusers_name(name: str, config: VaeConfig) -> str:
    """The name of a weight of `VideoVae`, such as `decoder.layers.0.conv1.weight`, in their classes."""
    half, part, *rest = name.split(".")
    if half in _ENDS:
        return ".".join((_ENDS[half], part, *rest))
    if part in _IN_A_HALF:
        return ".".join((half, _IN_A_HALF[part], *rest))
    if part == "middle":  # middle.blocks.0.conv1.weight, middle.attention.q.weight
        parts = 2 if rest[0] == "attention" else 1
        return ".".join((half, "mid_block", _MIDDLE[".".join(rest[:parts])], *rest[parts:]))
    # Our layers are in one list: the residual blocks of a level, then its step.
    blocks = config.encoder_blocks if half == "encoder" else config.decoder_blocks
    level, place = divmod(int(rest[0]), blocks + 1)
    levels, step = _STEPS[half]
    inner = step if place == blocks else f"convs.{place}"
    return ".".join((half, levels, str(level), inner, *rest[1:]))


def diffusers_config(config: VaeConfig, *, scale: float = SCALE) -> dict[str, Any]:
    """The `config.json` from which diffusers makes the same model; `scale` is what it says of the latents.

    Raises:
        ValueError: it cannot.
    """
    other = [
        f"{setting} is {value}, not {wanted}"
        for setting, value, wanted in (
            ("layout", config.layout, "magvit"),
            ("pixel_patch", config.pixel_patch, 1),
            ("decoder_blocks", config.decoder_blocks, config.encoder_blocks + 1),
        )
        if value != wanted
    ]
    if config.groups is None:
        other.append("groups is none")
    if other:
        raise ValueError(f"diffusers' {CLASS} has no such autoencoder: {', '.join(other)}")
    flat = len(config.channels) - 1 - int(math.log2(config.temporal_stride))
    kinds = ["Spatial"] * flat + ["SpatialTemporal"] * (len(config.channels) - flat)
    return {
        "_class_name": CLASS,
        "_diffusers_version": "0.42.1",
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": config.latent_channels,
        "block_out_channels": list(config.channels),
        "down_block_types": [f"{kind}DownBlock3D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock3D" for kind in kinds],
        "layers_per_block": config.encoder_blocks,
        "act_fn": "silu",
        "norm_num_groups": config.groups,
        "scaling_factor": scale,
        "spatial_group_norm": True,
    }


def config_of(theirs: Mapping[str, Any]) -> VaeConfig:
    """The layout that a `config.json` describes, of diffusers or of EasyAnimate.

    Raises:
        ValueError: it is of another class, or of a kind that is not among ours.
    """
    if theirs.get("_class_name") != CLASS:
        raise ValueError(f"config.json is of {theirs.get('_class_name')!r}, not of {CLASS}")
    layout: Literal["magvit", "easyanimate"] = "magvit"
    if theirs.get("mid_block_use_attention", "mid_block_attention_type" in theirs):
        if (kind := theirs.get("mid_block_attention_type")) != "spatial":
            raise ValueError(f"config.json: mid_block_attention_type is {kind!r}; only 'spatial' is among ours")
        layout = "easyanimate"
    whole = _DEFAULTS | dict(theirs)
    for name in ("down_block_types", "up_block_types"):
        if isinstance(whole[name], str):  # EasyAnimate's is a tuple as Python writes it
            whole[name] = [kind for part in whole[name].strip("()").split(",") if (kind := part.strip(" '\""))]
    channels, kinds = whole["block_out_channels"], whole["down_block_types"]
    config = VaeConfig(
        channels=tuple(channels),
        latent_channels=whole["latent_channels"],
        temporal_stride=2 ** sum(kind.startswith("SpatialTemporal") for kind in kinds[:-1]),
        spatial_stride=2 ** (len(channels) - 1),
        encoder_blocks=whole["layers_per_block"],
        decoder_blocks=whole["layers_per_block"] + 1,
        groups=whole["norm_num_groups"],
        layout=layout,
    )
    same = diffusers_config(replace(config, layout="magvit"), scale=whole["scaling_factor"])
    other = [f"{name} is {whole[name]}" for name in _DEFAULTS if name in same and whole[name] != same[name]]
    if other:
        raise ValueError(f"config.json describes an autoencoder that is none of ours: {', '.join(other)}")
    return config


_DEFAULTS: dict[str, Any] = {
    name: value for name, value in diffusers_config(VaeConfig(layout="magvit")).items() if not name.startswith("_")
} | {"scaling_factor": SCALE}
"""What a `config.json` need not say."""
