"""A network that is only used, and loaded when it is first asked for: a run from caches never does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from training.models import vae_chunks
from training.models.text import TextEncoder
from training.models.vae import VaeConfig, VideoVae
from training.models.weights import weights_id

Network = TypeVar("Network")


class OnDemand(Generic[Network]):
    """A network that may have to be loaded."""

    def __init__(self, load: Callable[[], Network]) -> None:
        self._load = load
        self.loaded: Network | None = None
        """None until it was asked for."""

    def __call__(self) -> Network:
        """The network, the same one each time."""
        if self.loaded is None:
            self.loaded = self._load()
        return self.loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSource:
    """An autoencoder that is only used, ours or another one."""

    identity: str
    """16 hex digits of all that decides its latents."""
    load: Callable[[], nn.Module]
    encoded: Callable[[Any, torch.Tensor], torch.Tensor] = vae_chunks.encoded
    """From it and pixels, as `vae_chunks.encoded` takes them, to latents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeSource(LatentSource):
    """One of ours."""

    config: VaeConfig
    load: Callable[[], VideoVae]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """A text encoder that is only used, with the seed of its first weights."""

    identity: str
    """16 hex digits of all that decides its vectors."""
    load: Callable[[], TextEncoder]


def at_hand(vae: VideoVae) -> VaeSource:
    """One that is there already."""
    return VaeSource(config=vae.config, identity=weights_id(vae), load=lambda: vae)


def not_trained_yet(latent_channels: int) -> VaeSource:
    """One of the usual strides, for whoever asks only for those."""

    def load() -> VideoVae:
        raise ValueError("the autoencoder has not been trained yet")

    return VaeSource(config=VaeConfig(latent_channels=latent_channels), identity="", load=load)
