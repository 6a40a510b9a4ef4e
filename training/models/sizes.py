"""The models by name: EasyAnimate's, and those that two CPU cores train."""

from __future__ import annotations

from dataclasses import replace

from training.models.dit import DitConfig
from training.models.vae import VaeConfig

CONTROL_CHANNELS = 48
"""Noisy latents, those of a control video, and those of a reference picture in the first frame: 3 x 16."""
CAMERA_CHANNELS = 38
"""The same with the 6 values of a ray through each latent in place of the control video's latents."""


def ea_12b_inp() -> DitConfig:
    """EasyAnimate v5.1 12B InP: 11,799,265,856 parameters. Text is Qwen2-VL-7B's."""
    return DitConfig(dim=3072, heads=48, layers=48, mmdit_layers=48, text_dim=3584)


def ea_12b() -> DitConfig:
    """EasyAnimate v5.1 12B for text alone: 11,799,056,960 parameters."""
    return replace(ea_12b_inp(), in_channels=16)


def ea_7b_inp() -> DitConfig:
    """EasyAnimate v5.1 7B InP: 6,814,670,912 parameters."""
    return DitConfig(dim=3072, heads=48, layers=36, mmdit_layers=18, text_dim=3584)


def ea_7b() -> DitConfig:
    """EasyAnimate v5.1 7B for text alone: 6,814,462,016 parameters."""
    return replace(ea_7b_inp(), in_channels=16)


def ea_12b_control() -> DitConfig:
    """EasyAnimate v5.1 12B Control: 11,799,450,176 parameters."""
    return replace(ea_12b_inp(), in_channels=CONTROL_CHANNELS)


def ea_7b_control() -> DitConfig:
    """EasyAnimate v5.1 7B Control: 6,814,855,232 parameters."""
    return replace(ea_7b_inp(), in_channels=CONTROL_CHANNELS)


def ea_12b_camera() -> DitConfig:
    """EasyAnimate v5.1 12B Control with camera: 11,799,327,296 parameters."""
    return replace(ea_12b_inp(), in_channels=CAMERA_CHANNELS)


def ea_7b_camera() -> DitConfig:
    """EasyAnimate v5.1 7B Control with camera: 6,814,732,352 parameters."""
    return replace(ea_7b_inp(), in_channels=CAMERA_CHANNELS)


def ea_vae() -> VaeConfig:
    """EasyAnimate v5's autoencoder, whose latents are multiplied by 0.7125: 246,478,803 parameters, 986 MB."""
    return VaeConfig(layout="easyanimate")


def ea_vae_diffusers() -> VaeConfig:
    """The same as diffusers has it, without attention: 244,375,507 parameters."""
    return VaeConfig(layout="magvit")


def ea_tiny() -> DitConfig:
    """The same layout at 1.5 M parameters; 6 heads can be cut into the 6 directions of window attention."""
    return DitConfig(dim=96, heads=6, layers=6, mmdit_layers=3, text_dim=64, time_dim=64, base_grid=None)
