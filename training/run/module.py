"""The contract of what is trained. The trainer owns when (steps, checkpoints, signals), a module owns what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from preprocess.records import shapes_repr
from training.models.exports import Export, Layout, plain_export
from training.models.generator import VideoGenerator
from training.models.pixels import as_model_input
from training.models.safe_files import SafeFiles
from training.models.text import Text
from training.run.noise import SampleNoise

Beside = tuple[torch.Tensor, torch.Tensor]
"""What goes with samples of a batch (B, ...), and which of them have it, (B,) bool; of the others it means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Samples of one shape for one rank and step. Images are videos of one frame."""

    video: torch.Tensor
    """(B, 3, F, H, W) float32 in [-1, 1], once it is on its device; as it is read, uint8 (B, F, H, W, 3), a quarter of
    that; or latents (B, C, T, h, w) where `latent` is set."""
    captions: Sequence[str]
    """What each sample's text is; "" where it has none."""
    clip_ids: Sequence[str]
    tokens: int
    """Tokens of one sample, from the model's strides."""
    latent: bool = False
    """True where the clips come from a cache of latents."""
    text: Text | None = None
    """Cached text embeddings (B, L, D) and their mask (B, L); None where the module encodes captions itself."""
    no_text: Text | None = None
    """The same (1, L, D) of the empty caption, beside `text`; None where it has to be encoded."""
    control: Beside | None = None
    """Control videos of the samples' frames and size, pixels as `video` has them; None where data names none."""
    cameras: Beside | None = None
    """Their cameras (B, F, 16), see `training.models.rays.CAMERA_VALUES`; None where data names none."""
    bad_clips: Sequence[tuple[str, str]] = ()
    """(clip id, reason) of clips that should be in this batch, could not be read, and were replaced by others."""
    unread: Sequence[tuple[str, str]] = ()
    """(clip id, reason) of samples whose control video or cameras should be here and could not be read."""

    __repr__ = shapes_repr

    @property
    def size(self) -> tuple[int, ...]:
        """Frames, height and width of its samples; of latents, theirs."""
        return tuple(self.video.shape[1:4] if self.video.dtype == torch.uint8 else self.video.shape[2:])

    def to(self, device: torch.device) -> Batch:
        """The batch on a device, pixels of 8 bits converted there."""
        return replace(
            self,
            video=_pixels(self.video, device),
            control=self.control and (_pixels(self.control[0], device), self.control[1].to(device)),
            cameras=self.cameras and (self.cameras[0].to(device), self.cameras[1].to(device)),
            text=self.text and (self.text[0].to(device), self.text[1].to(device)),
            no_text=self.no_text and (self.no_text[0].to(device), self.no_text[1].to(device)),
        )

    def pin_memory(self) -> Batch:
        """As torch's loader asks for it, so that the way to a GPU waits for nothing."""
        return replace(self, video=self.video.pin_memory())


def _pixels(video: torch.Tensor, device: torch.device) -> torch.Tensor:
    there = video.to(device, non_blocking=True)
    return as_model_input(there) if there.dtype == torch.uint8 else there


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """What a module makes of a batch: sums, so that ranks and accumulation steps of different size weigh rightly."""

    total: torch.Tensor
    """Scalar with a graph: the loss summed over `weight` elements."""
    weight: float
    """How many elements (latent values, pixels) it was summed over."""
    scalars: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Other figures as (sum, count), such as loss by timestep bin: `loss/t_3`."""
    flops: float | None = None
    """Floating point operations of this batch's way forward and back, for MFU; None: `TrainModule.flops` guesses."""


class TrainModule(ABC):
    """One objective: the networks it trains, those it only uses, and the loss of a batch.

    Everything random comes from the `SampleNoise` it is given, drawn per sample from (seed, step, clip id). What else
    draws from torch's global generator (dropout) is seeded by (seed, step, rank).
    """

    @property
    @abstractmethod
    def networks(self) -> Mapping[str, torch.nn.Module]:
        """What is trained, sharded and averaged, by name; each has an optimizer of its own. Weights are float32.

        A network may be made on the meta device, where it takes no memory: `first_weights` fills it once it is in
        shards.
        """

    @property
    def frozen(self) -> Mapping[str, torch.nn.Module]:
        """What is only used: neither trained nor sharded nor saved. What is loaded on demand is there from then on."""
        return {}

    def prepare(self, device: torch.device) -> None:
        """Move the frozen networks to the device, whole; called once, before any other use."""
        for network in self.frozen.values():
            network.to(device)

    def materialise(self, network: str, device: torch.device) -> None:
        """Have a network on the device, in shards if it has been sharded, with its first weights.

        Raises:
            ValueError: a buffer was made on the meta device, so nobody knows what it held.
        """
        made = self.networks[network]
        if on_meta(made):
            give_memory(made, device)
            self.first_weights(network)
        else:
            made.to(device)

    def first_weights(self, network: str) -> None:
        """Fill every weight of a network that was made on the meta device; of DTensors, each rank its own shard."""
        raise NotImplementedError(f"{type(self).__name__} makes {network} on the meta device and cannot fill it")

    def wraps(self, network: str) -> Sequence[torch.nn.Module]:
        """The blocks of a network that are sharded and checkpointed one by one."""
        return ()

    def calls(self, network: str) -> Sequence[str]:
        """Methods of a network, beside `forward`, that `loss` and `evaluate` call: shards are gathered around them."""
        return ()

    def spread(self, group: Any) -> None:
        """Divide what a sample's activations take among the ranks of a process group, which are given the same batches.

        Raises:
            ValueError: it cannot, by itself or among so many.
        """
        raise ValueError("trainer.sequence_ranks: what is trained here has no samples that ranks could divide")

    def shard_text(self, shard: Callable[[torch.nn.Module], None]) -> None:
        """Have `shard` divide the text encoder's weights among ranks, once it is loaded.

        Raises:
            ValueError: there is none, or it learns.
        """
        raise ValueError("trainer.shard_text: what is trained here has no text encoder that ranks could share")

    def averages(self) -> Sequence[str]:
        """The networks of which a moving average is kept; a discriminator needs none."""
        return tuple(self.networks)

    def flops(self, network: str, batch: Batch) -> float:
        """Floating point operations of a turn's forward and backward pass, for MFU: 6 a weight and token.

        Attention and convolutions are left out or wrong this way: a module that knows better says so in its `Loss`.
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

    def figures(self, held_out: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """What `python -m training eval` tells of it.

        Args:
            held_out: the means of what `evaluate` gives, over all held-out clips, as the networks are now.
        """
        return {f"held_out/{name}": value for name, value in held_out().items()}

    def generator(self) -> VideoGenerator | None:
        """What makes videos of captions; None where it makes none."""
        return None

    def given_back(self, video: torch.Tensor) -> torch.Tensor | None:
        """What an autoencoder makes of videos (B, 3, F, H, W), which it is to give back; of all others None."""
        return None

    def extra_state(self) -> dict[str, Any]:
        """What else a checkpoint must hold to go on exactly: plain values that JSON holds, the same on each rank."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - most have nothing more to keep
        """Take back what `extra_state` gave."""

    def read_file(self, network: str, file: SafeFiles, weights: Mapping[str, torch.Tensor]) -> None:
        """Begin with what a file holds: fill the network's weights, sharded or not, by their names in it.

        Raises:
            ValueError: it holds others.
        """
        file.fill(weights, {name: name for name in weights})

    def exported(self, layout: Layout, *, merged: bool) -> Export:
        """What other programs are given of it; `merged` asks a LoRA for the whole weights with it.

        Raises:
            ValueError: it is no LoRA, or the layout has no place for such weights.
        """
        if merged:
            raise ValueError("--merged is for runs of a LoRA: these weights are whole as they are")
        if layout != "safetensors":
            raise ValueError(f"layout {layout} is for transformers; safetensors takes every network")
        [network] = (self.networks[name] for name in self.averages())
        return plain_export(network)

    def check_start(self, run: str, state: Mapping[str, Any]) -> None:  # noqa: B027 - most fit where their weights do
        """See that the weights of another run, whose `extra_state` was `state`, mean here what they meant there.

        Raises:
            ValueError: they do not.
        """


def trained_weights(network: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that learn, by name; those of LoRA, and not those that it changes."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def saved_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of a network, by name: all but the weights that never change, which another run's has;
    those as well where the network says `saves_frozen`."""
    if getattr(network, "saves_frozen", False):
        return network.state_dict()
    frozen = {name for name, weight in network.named_parameters() if not weight.requires_grad}
    return {name: value for name, value in network.state_dict().items() if name not in frozen}


def on_meta(network: torch.nn.Module) -> bool:
    """Whether weights of the network have no memory yet."""
    return any(weight.is_meta for weight in network.parameters())


def give_memory(network: torch.nn.Module, device: torch.device) -> None:
    """Allocate the weights of a network made on the meta device, sharded or not; buffers keep what they hold.

    Raises:
        ValueError: a buffer was made on the meta device too.
    """
    held = dict(network.named_buffers())
    for name, buffer in held.items():
        if buffer.is_meta:
            raise ValueError(f"{name} is a buffer without values: compute it with device='cpu', where nothing is meta")
    network.to_empty(device=device)
    for name, buffer in network.named_buffers():
        buffer.copy_(held[name])
