"""The video transformer in training: what is noised, what it is told, and how far its answer is from the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from training.models.conditions import Part
from training.models.dit_names import diffusers_name, easyanimate_name
from training.models.exports import Export, Layout, transformer_export
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.on_demand import VaeSource
from training.models.safe_files import SafeFiles
from training.models.sequence import spread
from training.models.text import Text
from training.models.weights import initialise
from training.objectives.control import drawn_known, drawn_parts
from training.objectives.diffusion import Schedule
from training.objectives.dit_settings import DitSettings
from training.objectives.flow import TIMESTEPS, draw_levels, loss_by_level, noised, shift_for, target, timesteps
from training.objectives.latent_video import LatentVideoGenerator
from training.objectives.text_to_video import blanked, without
from training.run.config import TrainConfig
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise


class DitModule(TrainModule, LatentVideoGenerator):
    """Trains `dit`, which is made on the meta device; the autoencoder and a large text encoder are only used."""

    def __init__(self, objective: DitSettings, vae: VaeSource, *, seed: int = 0) -> None:
        if objective.latent_scale is None:
            raise ValueError("latent_scale is none: measure it (`latent_video.measured_scale`) or set it")
        LatentVideoGenerator.__init__(
            self,
            objective.model,
            objective.text,
            vae,
            scale=objective.latent_scale,
            knows_first_frames=objective.first_frame_share > 0 or objective.masks.share > 0,
            told=objective.told,
            mask_level=objective.masks.level,
            decode_tile=objective.decode_tile,
            seed=seed,
        )
        self.objective = objective
        self.shift = objective.shift
        self.base_tokens = objective.levels.base_tokens
        self.schedule: Schedule | None = objective.diffusion.schedule()
        self.seed = seed
        self.latents_by = vae.identity
        """Which autoencoder's latents it knows."""
        self.texts_by = "" if objective.text.learns else objective.text.identity(seed=seed)
        """Which text encoder's vectors it knows; "" where that is a part of it."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The transformer, with the text encoder that is trained along."""
        return {"dit": self.model}

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        """The autoencoder and a text encoder that is only used, as far as they were needed: from caches, neither is."""
        return self.used

    def generator(self) -> VideoGenerator:
        """Itself."""
        return self

    def first_weights(self, network: str) -> None:
        """From the run's seed."""
        initialise(self.model.dit, self.seed)
        if self.model.text is not None:
            initialise(self.model.text, self.seed)

    def extra_state(self) -> dict[str, Any]:
        """Which autoencoder the latents are of, and which encoder the texts' vectors."""
        return {"latents_by": self.latents_by, "texts_by": self.texts_by}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """See that neither the autoencoder nor a text encoder that is only used has changed meanwhile.

        Raises:
            ValueError: its weights, or settings, are others than the transformer was trained with.
        """
        before = state["latents_by"]
        if before != self.latents_by:
            raise ValueError(
                f"{self.objective.vae}: its autoencoder has been trained on: weights {self.latents_by}, but the "
                f"transformer knows the latents of {before}"
            )
        before = state.get("texts_by", self.texts_by)  # which checkpoints have had since December 2026
        if before != self.texts_by:
            raise ValueError(
                f"objective.text is another encoder than the transformer was trained with, by weights or settings: "
                f"{self.texts_by}, not {before}"
            )

    def read_file(self, network: str, file: SafeFiles, weights: Mapping[str, torch.Tensor]) -> None:
        """By our names, or by diffusers' or EasyAnimate's, where a text encoder that is trained along begins anew.

        Raises:
            ValueError: it holds others.
        """
        named = easyanimate_name if "transformer_blocks.0.attn2.to_q.weight" in file.shapes else diffusers_name
        ours = {name: name.removeprefix("dit.") for name in weights if name.startswith("dit.")}
        names = self.model.dit.names_elsewhere()
        theirs = {name: named(own) if names is None else names[own] for name, own in ours.items()}
        if theirs["dit.patches_in.weight"] not in file.shapes:
            super().read_file(network, file, weights)
        else:
            file.fill({name: weights[name] for name in theirs}, theirs)

    def exported(self, layout: Layout, *, merged: bool) -> Export:
        """Also by diffusers' names, then without a text encoder that was trained along.

        Raises:
            ValueError: it is no LoRA, or the layout has no place for such weights.
        """
        if merged or layout == "safetensors":
            return super().exported(layout, merged=merged)
        return transformer_export(self.model.dit, layout)

    def check_start(self, run: str, state: Mapping[str, Any]) -> None:
        """See that it knows this autoencoder's latents and this text encoder's vectors.

        Raises:
            ValueError: it knows others, or is no run of a transformer.
        """
        if "latents_by" not in state:
            raise ValueError(f"objective.start={run} is no run of a transformer")
        if state["latents_by"] != self.latents_by:
            raise ValueError(
                f"objective.start={run}: it knows the latents of an autoencoder of weights {state['latents_by']}, and "
                f"those of objective.vae={self.objective.vae} are {self.latents_by}"
            )
        if (known := state.get("texts_by", self.texts_by)) != self.texts_by:
            raise ValueError(
                f"objective.start={run}: it knows the vectors of another text encoder, {known or 'one trained along'}: "
                f"what objective.text and trainer.seed={self.seed} make is {self.texts_by or 'trained along'}"
            )

    def wraps(self, network: str) -> Sequence[torch.nn.Module]:
        """The transformer's blocks."""
        return tuple(self.model.dit.blocks)

    def calls(self, network: str) -> Sequence[str]:
        """Texts are encoded once for all steps of a sample."""
        return ("encode",)

    def spread(self, group: Any) -> None:
        """The transformer's tokens."""
        spread(self.model.dit, group)

    def shard_text(self, shard: Callable[[nn.Module], None]) -> None:
        """The encoder, unless it is trained along."""
        if self._text is None:
            super().shard_text(shard)
        self._shard_text = shard

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """Squared error of the velocity, summed over latent values."""
        squares_B, levels_B, clean = self._squares(batch, noise, dropout=self.objective.text_dropout)
        means = squares_B.detach() / clean[0].numel()
        flops = 3 * self.model.flops  # the way back costs twice that forward
        return Loss(
            total=squares_B.sum(), weight=float(clean.numel()), scalars=loss_by_level(means, levels_B), flops=flops
        )

    @torch.no_grad()
    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """`loss` with all texts: the mean squared error of the velocity."""
        squares_B, _, clean = self._squares(batch, noise, dropout=0.0)
        return {"loss": (float(squares_B.sum()), float(clean.numel()))}

    def latents(self, batch: Batch) -> torch.Tensor:
        """The batch's clean latents (B, C, T, h, w) of about unit variance; the posterior's mean, without its noise."""
        return batch.video.float() * self.scale if batch.latent else self.latents_of(batch.video)

    def latent_shape(self, batch: Batch) -> tuple[int, ...]:
        """(C, T, h, w) of a sample's latents."""
        if batch.latent:
            return tuple(batch.video.shape[1:])
        return (self.latent_channels, *self.grid.latents(Shape(*batch.video.shape[2:])))

    def _squares(
        self, batch: Batch, noise: SampleNoise, *, dropout: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Each sample's summed squared error (B,), its noise level (B,), and the clean latents."""
        clean = self.latents(batch)
        eps, levels = noise.normal(*clean.shape[1:]), self._levels(noise, clean)
        chance = noise.uniform()
        text = self._texts(batch, noise.uniform() < dropout)
        condition = self._training_condition(batch, clean, chance, noise)
        squares = self._error(clean, eps, levels, text, condition).square()
        return squares.flatten(1).sum(1), levels, clean

    def _error(
        self,
        clean: torch.Tensor,
        eps: torch.Tensor,
        levels: torch.Tensor,
        text: Sequence[str] | Text,
        condition: torch.Tensor | None,
    ) -> torch.Tensor:
        """What is said, less what is true."""
        if self.schedule is None:
            velocity: torch.Tensor = self.model(noised(clean, eps, levels), timesteps(levels), text, condition)
            return velocity.float() - target(clean, eps)
        seen = self.schedule.noised(clean, eps, levels)
        said: torch.Tensor = self.model(seen, self.schedule.told(levels), text, condition)
        return said.float() - self.schedule.target(clean, eps, levels)

    def velocity(
        self, latents: torch.Tensor, timesteps_B: torch.Tensor, text: Text, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """The transformer's answer, or what follows from it."""
        if self.schedule is None:
            return super().velocity(latents, timesteps_B, text, condition)
        predict = partial(super().velocity, text=text, condition=condition)
        return self.schedule.velocity(predict, latents.float(), timesteps_B / TIMESTEPS)

    def _levels(self, noise: SampleNoise, clean: torch.Tensor) -> torch.Tensor:
        if self.schedule is not None:
            return self.schedule.drawn(noise)
        shift = shift_for(self.shift, self.grid.tokens_of(clean.shape[2:]), self.base_tokens)
        return draw_levels(noise, self.objective.levels, shift=shift)

    def _texts(self, batch: Batch, dropped_B: torch.Tensor) -> Sequence[str] | Text:
        """The batch's texts, "" in place of dropped ones."""
        if batch.text is None:
            captions = without(batch.captions, dropped_B)
            return captions if self.objective.text.learns else self.encoded(captions)
        return blanked(batch.text, batch.no_text or self.encoded([""]), dropped_B)

    def _training_condition(
        self, batch: Batch, clean: torch.Tensor, chance_B: torch.Tensor, noise: SampleNoise
    ) -> torch.Tensor | None:
        """What each sample is told, by its chances; of the first frame and of what a mask leaves one or the other."""
        if not self.layout.parts:
            return None
        objective, parts = self.objective, dict[Part, torch.Tensor]()
        if "known" in self.layout.parts:
            share = objective.first_frame_share
            parts["known"] = drawn_known(
                objective.masks, share, batch, noise, clean, chance_B=chance_B, encode=self.latents_of
            )
        parts |= drawn_parts(
            objective.control,
            self.layout,
            batch,
            noise,
            clean,
            encode=self.latents_of,
            stride=self.grid.spatial_stride,
        )
        return self.layout.whole(parts, clean)


def built_dit(config: TrainConfig) -> DitModule:
    """The transformer of a run's configuration, on the meta device.

    Raises:
        ValueError: it trains something else.
    """
    module = config.objective.build(config)
    if not isinstance(module, DitModule):
        raise ValueError(f"{config.out!r} is no run of a transformer")
    return module
