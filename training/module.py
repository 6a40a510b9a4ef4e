"""The contract of what is trained. The trainer owns when (steps, checkpoints, signals), a module owns what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from training.noise import SampleNoise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Samples of one shape for one rank and step. Images are videos of one frame."""

    video: torch.Tensor
    """(B, 3, F, H, W) float32 in [-1, 1]; or latents (B, C, T, h, w) where `latent` is set."""
    captions: Sequence[str]
    """What each sample's text is; "" where it has none."""
    clip_ids: Sequence[str]
    tokens: int
    """Tokens of one sample, from the model's strides."""
    latent: bool = False
    """True where the clips come from a cache of latents."""
    text: tuple[torch.Tensor, torch.Tensor] | None = None
    """Cached text embeddings (B, L, D) and their mask (B, L); None where the module encodes captions itself."""
    bad_clips: Sequence[tuple[str, str]] = ()
    """(clip id, reason) of clips that should be in this batch, could not be read, and were replaced by others."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """What a module makes of a batch: sums, so that ranks and accumulation steps of different size weigh rightly."""

    total: torch.Tensor
    """Scalar with a graph: the loss summed over `weight` elements."""
    weight: float
    """How many elements (latent values, pixels) it was summed over."""
    scalars: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Other figures as (sum, count), such as loss by timestep bin: `loss/t_3`."""


class TrainModule(ABC):
    """One objective: the networks it trains, those it only uses, and the loss of a batch.

    Everything random comes from the `SampleNoise` it is given, drawn per sample from (seed, step, clip id). What else
    draws from torch's global generator (dropout) is seeded by (seed, step, rank).
    """

    networks: Mapping[str, torch.nn.Module]
    """What is trained, saved, sharded and averaged, by name; each has an optimizer of its own. Weights are float32."""
    frozen: Mapping[str, torch.nn.Module]
    """What is only used, and neither trained nor saved."""

    def prepare(self, device: torch.device) -> None:
        """Move networks to the device; called once, before they are wrapped."""
        for network in (*self.networks.values(), *self.frozen.values()):
            network.to(device)

    def wraps(self, network: str) -> Sequence[torch.nn.Module]:
        """The blocks of a network that are sharded and checkpointed one by one."""
        return ()

    def calls(self, network: str) -> Sequence[str]:
        """Methods of a network, beside `forward`, that `loss` and `evaluate` call: shards are gathered around them."""
        return ()

    def averages(self) -> Sequence[str]:
        """The networks of which a moving average is kept; a discriminator needs none."""
        return tuple(self.networks)

    def flops(self, network: str, batch: Batch) -> float:
        """Floating point operations of a turn's forward and backward pass, for MFU: 6 a weight and token.

        Attention and convolutions are left out or wrong this way: a module that knows better says so.
        """
        weights: int = sum(weight.numel() for weight in self.networks[network].parameters())
        return 6.0 * weights * batch.tokens * len(batch.clip_ids)

    def turns(self, step: int) -> Sequence[str]:
        """The networks that step in this turn, in order; a GAN's discriminator follows its generator."""
        return tuple(self.networks)

    @abstractmethod
    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """The loss of `network`'s turn; weights of the other networks ask for no gradient meanwhile."""

    @abstractmethod
    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """Figures of a held-out batch as (sum, count), such as `loss`, `psnr`; without a graph."""

    def extra_state(self) -> dict[str, Any]:
        """What else a checkpoint must hold to go on exactly: plain values that JSON holds, the same on each rank."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - most have nothing more to keep
        """Take back what `extra_state` gave."""
