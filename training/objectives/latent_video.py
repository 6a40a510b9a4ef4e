"""The video transformer as a generator: between an autoencoder, a text encoder and whoever follows its velocity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from training.models import vae_chunks
from training.models.dit import DitConfig, VideoDit
from training.models.generator import VideoGenerator
from training.models.on_demand import OnDemand, VaeSource
from training.models.text import Text, TextConfig
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
        config: DitConfig,
        text: TextConfig,
        vae: VaeSource,
        *,
        scale: float,
        knows_first_frames: bool,
        decode_tile: int | None = None,
        seed: int = 0,
    ) -> None:
        self.scale = scale
        """What the autoencoder's latents are multiplied by, to be of about unit variance."""
        self.knows_first_frames = knows_first_frames
        """Whether it was ever shown one in training."""
        self.decode_tile = decode_tile
        """Side in pixels of the squares in which larger pictures are decoded; None decodes them whole."""
        self.grid = vae.config.grid(config.patch)
        self._vae = OnDemand(lambda: self._used(vae.load()))
        self._text = None if text.learns else OnDemand(lambda: self._used(text.encoder(seed=seed)))
        with torch.device("meta"):
            self.model = TextToVideo(VideoDit(config), text.encoder(seed=seed).to("meta") if text.learns else None)

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

    def _used(self, network: Frozen) -> Frozen:
        at = torch.device("cpu") if self.device.type == "meta" else self.device
        return network.requires_grad_(False).eval().to(at)

    def condition(self, first_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """What tells the transformer the first frame of each video.

        Raises:
            ValueError: the model has no channels for it, or was never shown one.
        """
        if not self.model.dit.config.condition_channels:
            raise ValueError("the model takes no first frame: it has no condition channels")
        if not self.knows_first_frames:
            raise ValueError("the model was never shown a first frame: objective.first_frame_share is 0")
        return first_frame_condition(first_BC1HW, num_latents, first_BC1HW.new_ones(len(first_BC1HW)))

    def masked_condition(self, video: torch.Tensor, known_B1FHW: torch.Tensor, *, level: float = 1.0) -> torch.Tensor:
        """What tells the transformer a part of each video (B, 3, F, H, W), where a mask is 1; see `masks`.

        Raises:
            ValueError: the model has no channels for it.
        """
        if not self.model.dit.config.condition_channels:
            raise ValueError("the model takes no part of a video: it has no condition channels")
        return mask_condition(video, known_B1FHW, self.latents_of, level=level)


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
