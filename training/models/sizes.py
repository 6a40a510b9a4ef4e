"""The models by name: EasyAnimate's, and those that two CPU cores train."""

from __future__ import annotations

from dataclasses import replace

from training.models.dit import DitConfig


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


def ea_tiny() -> DitConfig:
    """The same layout at 1.5 M parameters; 6 heads can be cut into the 6 directions of window attention."""
    return DitConfig(dim=96, heads=6, layers=6, mmdit_layers=3, text_dim=64, time_dim=64, base_grid=None)
