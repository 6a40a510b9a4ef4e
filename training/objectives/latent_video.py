"""The video transformer as a generator: between an autoencoder, a text encoder and whoever follows its velocity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from training.models import vae_chunks
from training.models.conditions import ConditionLayout, Part, Told, reference_condition
from training.models.dit_names import diffusers_name
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.on_demand import OnDemand, VaeSource
from training.models.rays import rays_condition
from training.models.step_cache import StepCache
from training.models.text import Text, TextConfig, TextEncoder
from training.models.transformer import TransformerConfig
from training.models.vae import VideoVae
from training.objectives.masks import mask_condition
from training.objectives.text_to_video import TextToVideo, first_frame_condition
from training.run.module import Batch

Frozen = TypeVar("Frozen", bound=torch.nn.Module)


class LatentVideoGenerator(VideoGenerator):
    """`model` is made on the meta device; the autoencoder and a text encoder that does not learn are only used, and
    loaded where they are first."""

    def __init__(
        self,
        config: TransformerConfig,
        text: TextConfig,
        vae: VaeSource,
        *,
        scale: float,
        knows_first_frames: bool,
        told: Sequence[str] = (),
        mask_level: float = 1.0,
        decode_tile: int | None = None,
        seed: int = 0,
    ) -> None:
        self.scale = scale
        """What the autoencoder's latents are multiplied by, to be of about unit variance."""
        self.knows_first_frames = knows_first_frames
        """Whether it was ever shown one in training."""
        self.layout = ConditionLayout.of(
            told, latent_channels=config.latent_channels, channels=config.condition_channels
        )
        """What it is told beside text."""
        self.mask_level = mask_level
        self.decode_tile = decode_tile
        """Side in pixels of the squares in which larger pictures are decoded; None decodes them whole."""
        self.grid = vae.config.grid(config.patch)
        self._vae = OnDemand(lambda: self._used(vae.load()))
        self._text = None if text.learns else OnDemand(lambda: self._reading(text.encoder(seed=seed)))
        self._shard_text: Callable[[torch.nn.Module], None] | None = None
        with torch.device("meta"):
            self.model = TextToVideo(config.network(), text.encoder(seed=seed).to("meta") if text.learns else None)

    @property
    def vae(self) -> VideoVae:
        """The autoencoder, where the transformer is."""
        return self._vae()

    @property
    def used(self) -> dict[str, torch.nn.Module]:
        """The autoencoder and the text encoder, as far as they were needed."""
        each = {"vae": self._vae.loaded, "text": None if self._text is None else self._text.loaded}
        return {name: network for name, network in each.items() if network is not None}

    @property
    def latent_channels(self) -> int:
        """Of the autoencoder."""
        return self.model.dit.config.latent_channels

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return next(self.model.parameters()).device

    def velocity(
        self, latents: torch.Tensor, timesteps_B: torch.Tensor, text: Text, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """The transformer's answer."""
        velocity: torch.Tensor = self.model(latents, timesteps_B, text, condition)
        return velocity

    @torch.no_grad()
    def latents_of(self, video: torch.Tensor) -> torch.Tensor:
        """The posterior's mean, scaled; float32, also where the autoencoder computes in bfloat16."""
        return vae_chunks.encoded(self.vae, video).float() * self.scale

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Videos (B, 3, F, H, W) of scaled latents; gradients pass."""
        if torch.is_grad_enabled() and latents.requires_grad:
            return self.vae.decode(latents / self.scale)
        return vae_chunks.decoded(self.vae, latents / self.scale, tile=self.decode_tile)

    def encoded(self, captions: Sequence[str]) -> Text:
        """Texts as the transformer takes them."""
        if self._text is None:
            return self.model.encode(captions)
        with torch.no_grad():
            return self._text().encode(captions)

    @contextmanager
    def borrowing(self) -> Iterator[None]:
        """From caches, training has neither the autoencoder nor the text encoder on its device, and so it stays."""
        before = self.used
        try:
            yield
        finally:
            if "vae" not in before:
                self._vae.loaded = None
            if self._text is not None and "text" not in before:
                self._text.loaded = None

    def lora_target(self) -> tuple[torch.nn.Module, Sequence[Callable[[str], str]]]:
        """The transformer."""
        return self.model.dit, (diffusers_name,)

    @contextmanager
    def skipping(self, cache: StepCache) -> Iterator[None]:
        """The transformer's blocks.

        Raises:
            ValueError: it is one whose blocks cannot be left out.
        """
        with self.model.dit.skipping(cache):
            yield

    def _reading(self, encoder: TextEncoder) -> TextEncoder:
        if self._shard_text is not None:
            self._shard_text(encoder.requires_grad_(False).eval())  # before a device has to hold it
        return self._used(encoder)

    def _used(self, network: Frozen) -> Frozen:
        at = torch.device("cpu") if self.device.type == "meta" else self.device
        return network.requires_grad_(False).eval().to(at)

    @property
    def takes_first_frames(self) -> bool:
        """Whether it has channels for one, and was ever shown one."""
        return "known" in self.layout.parts and self.knows_first_frames

    def condition(self, first_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """What tells the transformer the first frame of each video.

        Raises:
            ValueError: the model has no channels for it, or was never shown one.
        """
        if "known" not in self.layout.parts:
            raise ValueError("the model takes no first frame: it has no condition channels for one")
        if not self.knows_first_frames:
            raise ValueError("the model was never shown a first frame: objective.first_frame_share is 0")
        known = first_frame_condition(first_BC1HW, num_latents, first_BC1HW.new_ones(len(first_BC1HW)))
        return self.layout.whole({"known": known}, known[:, 1:])

    def masked_condition(
        self, video: torch.Tensor, known_B1FHW: torch.Tensor, *, level: float | None = None
    ) -> torch.Tensor:
        """What tells the transformer a part of each video (B, 3, F, H, W), where a mask is 1; see `masks`.

        `level`: what the mask says of known places; None: as the model was trained.

        Raises:
            ValueError: the model has no channels for it.
        """
        self.layout.require("known")
        known = mask_condition(video, known_B1FHW, self.latents_of, level=self.mask_level if level is None else level)
        return self.layout.whole({"known": known}, known[:, 1:])

    @property
    def told_parts(self) -> Sequence[Part]:
        """What it has channels for."""
        return self.layout.parts

    def told(self, told: Told, shape: Shape) -> torch.Tensor:
        """What tells the transformer all that is told of videos of a shape, each part in channels of its own.

        Raises:
            ValueError: the model has no channels for a part, or pixels or cameras are not of the shape's size.
        """
        told.check(shape)
        size = self.grid.latents(shape)
        parts: dict[Part, torch.Tensor] = {}
        for part in told.parts:
            self.layout.require(part)
        if told.video is not None and told.known is not None:
            parts["known"] = mask_condition(told.video, told.known, self.latents_of, level=self.mask_level)
        if told.control is not None:
            parts["control"] = self.latents_of(told.control)
        if told.reference is not None:
            parts["reference"] = reference_condition(self.latents_of(told.reference), size[0])
        if told.cameras is not None:
            parts["rays"] = rays_condition(told.cameras, (shape.height, shape.width), size)
        like = torch.empty(told.count, self.latent_channels, *size, device=self.device)
        return self.layout.whole(parts, like)


@torch.no_grad()
def measured_scale(encode: Callable[[torch.Tensor], torch.Tensor], batches: Iterable[Batch]) -> float:
    """1 / root mean square of the latents of clips, to three digits, so that machines agree on it.

    Args:
        encode: pixels, as batches have them, to latents; not called for batches from a cache.
        batches: the clips.

    Raises:
        ValueError: there are no clips, or their latents are all zero.
    """
    squares, values = 0.0, 0
    for batch in batches:
        latents = batch.video.float() if batch.latent else encode(batch.video).float()
        squares, values = squares + float(latents.square().sum()), values + latents.numel()
    if not squares:
        raise ValueError("the latents of no clip can be measured: set objective.latent_scale, such as to 1")
    return float(f"{(values / squares) ** 0.5:.3g}")
