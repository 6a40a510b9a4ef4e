"""The objective of the video transformer: flow matching on latents, with text, and with or without a first frame.

`dit_settings` has what is set of it, `dit_module` what is computed in a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from training.models import vae_chunks
from training.models.grid import TokenGrid
from training.models.on_demand import OnDemand, TextSource, VaeSource, not_trained_yet
from training.models.released_vae import is_released, released_scale
from training.models.text_bytes import ByteTextConfig
from training.objectives.dit_module import DitModule
from training.objectives.dit_settings import DitSettings
from training.objectives.latent_video import measured_scale
from training.objectives.masks import MaskConfig
from training.objectives.vae import named_vae, trained_vae, vae_config, vae_source
from training.run.checkpoint import latest, read_state
from training.run.config import TrainConfig
from training.run.planned import Planned, from_caches


@dataclass(frozen=True, slots=True, kw_only=True)
class DitObjective(DitSettings):
    """One model for images (videos of one frame) and videos, from text and, in a share of the steps, a first frame."""

    @property
    def autoencoder(self) -> str:
        """The folder of the autoencoder, "" where none is named; see `vae`."""
        part = Path(self.start) / "vae"
        return str(part) if not self.vae and self.start and is_released(str(part)) else self.vae

    def grid(self) -> TokenGrid:
        """The trained autoencoder's strides and the transformer's patch.

        Raises:
            ValueError: there is no trained autoencoder.
        """
        return vae_config(named_vae(self.autoencoder)).grid(self.model.patch)

    def completed(self, config: TrainConfig, device: torch.device) -> TrainConfig:
        """With the scale of the autoencoder's latents, where it is none: each rank and later sample has the same.

        It is the one that the weights know, of the run itself or of the one that it starts from, or that a folder of
        diffusers' says, or else measured.
        """
        if self.vae != self.autoencoder:  # so that the run goes on without what it started from
            named = replace(self, vae=self.autoencoder)
            return named.completed(replace(config, objective=named), device)
        if self.latent_scale is not None:
            return config
        scale = _known_scale(config.out) or _known_scale(self.start) or released_scale(self.autoencoder)
        if scale is None:
            vae = OnDemand(lambda: trained_vae(self.autoencoder).to(device))
            looked_at = config.data.looked_at(config)
            scale = measured_scale(lambda video: vae_chunks.encoded(vae(), video), looked_at)
        return replace(config, objective=replace(self, latent_scale=scale))

    def starts_from(self) -> str:
        """See `start`."""
        return self.start

    def latents_of(self) -> VaeSource:
        """The trained autoencoder.

        Raises:
            ValueError: there is none.
        """
        return vae_source(named_vae(self.autoencoder))

    def texts_of(self, *, seed: int) -> TextSource | None:
        """The text encoder, unless it is trained along."""
        if self.text.learns:
            return None
        return TextSource(identity=self.text.identity(seed=seed), load=partial(self.text.encoder, seed=seed))

    def planned(self, config: TrainConfig) -> Planned:
        """Trained from caches, of latents of 4 x 8 x 8 pixels where no autoencoder is named yet."""
        vae = self.latents_of() if self.autoencoder else not_trained_yet(self.model.latent_channels)
        width = None if self.text.learns else self.model.text_dim
        text = self.text if width is None else ByteTextConfig(dim=width)  # a large one's weights need not be there
        # masks are drawn on pixels, and what they leave is none of the transformer's work
        objective = replace(self, latent_scale=1.0, text=text, masks=MaskConfig())
        module = DitModule(objective, vae, seed=config.trainer.seed)
        return from_caches(module, module, text_dim=width, heads=self.model.heads)

    def build(self, config: TrainConfig) -> DitModule:
        """The transformer, on the meta device, and the trained autoencoder.

        Raises:
            ValueError: there is no trained autoencoder, or the scale has not been measured.
        """
        return DitModule(self, self.latents_of(), seed=config.trainer.seed)


def _known_scale(run: str) -> float | None:
    """That of a transformer's run; None of what is no run, or none of a transformer."""
    checkpoint = latest(run) if run else None
    if checkpoint is None:
        return None
    scale: float | None = read_state(checkpoint)["settings"].get("objective.latent_scale")
    return scale
