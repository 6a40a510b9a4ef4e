"""The objective of the video transformer: flow matching on latents, with text, and with or without a first frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from preprocess.io.bounds import at_least, check, within
from preprocess.io.settings import OPERATIONAL
from training.models import vae_chunks
from training.models.conditions import ConditionLayout, Part
from training.models.dit_names import diffusers_name, easyanimate_name
from training.models.exports import Export, Layout, transformer_export
from training.models.generator import VideoGenerator
from training.models.grid import Shape, TokenGrid
from training.models.on_demand import OnDemand, TextSource, VaeSource, not_trained_yet
from training.models.released_vae import is_released, released_scale
from training.models.safe_files import SafeFiles
from training.models.sequence import spread
from training.models.text import Text, TextConfig
from training.models.text_bytes import ByteTextConfig
from training.models.transformer import TransformerConfig
from training.models.weights import initialise
from training.objectives.control import ControlConfig, drawn_known, drawn_parts
from training.objectives.diffusion import Diffusion, Schedule
from training.objectives.flow import (
    TIMESTEPS,
    Levels,
    check_shift,
    draw_levels,
    loss_by_level,
    noised,
    shift_for,
    target,
    timesteps,
)
from training.objectives.latent_video import LatentVideoGenerator, measured_scale
from training.objectives.masks import MaskConfig
from training.objectives.text_to_video import blanked, without
from training.objectives.vae import named_vae, trained_vae, vae_config, vae_source
from training.run.checkpoint import latest, read_state
from training.run.config import LOCATION, WEIGHTS, Objective, TrainConfig
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise
from training.run.planned import Planned, from_caches


@dataclass(frozen=True, slots=True, kw_only=True)
class DitObjective(Objective):
    """One model for images (videos of one frame) and videos, from text and, in a share of the steps, a first frame."""

    vae: str = field(metadata=LOCATION)
    """Folder of the run that trained the autoencoder, or one of diffusers' `AutoencoderKLMagvit`; "" takes the `vae`
    of the pipeline that `start` names."""
    model: TransformerConfig
    text: TextConfig
    latent_scale: float | None = None
    """What latents are multiplied by, to have unit variance as the noise has; None: measured at the start."""
    text_dropout: float = field(default=0.1, metadata=within("[0, 1]"))
    """Share of samples that are shown without text, so that guidance has something to lead away from."""
    first_frame_share: float = field(default=0.2, metadata=within("[0, 1]"))
    """Share of videos of which the first frame is told."""
    masks: MaskConfig = field(default_factory=MaskConfig)
    """Of what else is told: other frames, and parts of frames."""
    told: tuple[str, ...] = ()
    """Parts of the condition, in the order of their channels: `known`, `control`, `reference`, `rays`; none: those of
    EasyAnimate's model with as many channels."""
    control: ControlConfig = field(default_factory=ControlConfig)
    """How often training shows control videos, reference pictures and cameras."""
    shift: float = 1.0
    """Of the noise levels; see `flow.shifted`."""
    levels: Levels = field(default_factory=Levels)
    diffusion: Diffusion = field(default_factory=Diffusion)
    """What is predicted; where that is not the velocity, `shift` and `levels` are not looked at."""
    decode_tile: int | None = field(default=None, metadata=OPERATIONAL | at_least(1))
    """Side in pixels of the squares, overlapping by a quarter, in which larger pictures are decoded; None decodes them
    whole."""
    start: str = field(default="", metadata=WEIGHTS)
    """A transformer's run, a safetensors file, a released pipeline's folder (with a `transformer` and a `vae`) or a hub
    id to begin with; "" begins with new weights."""

    def __post_init__(self) -> None:
        check(self)
        check_shift(self.shift)
        if (told := self.first_frame_share + self.masks.share) > 1:
            raise ValueError(f"first_frame_share and masks.share are {told:g} together, must be at most 1")
        if self.masks.share and "known" not in self.layout.parts:
            raise ValueError(
                "masks.share is set, and the model has no channels for a condition of what is known (model.in_channels)"
            )

    @property
    def layout(self) -> ConditionLayout:
        """The condition's channels.

        Raises:
            ValueError: `told` and the model's channels do not go together.
        """
        model = self.model
        return ConditionLayout.of(self.told, latent_channels=model.latent_channels, channels=model.condition_channels)

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


class DitModule(TrainModule, LatentVideoGenerator):
    """Trains `dit`, which is made on the meta device; the autoencoder and a large text encoder are only used."""

    def __init__(self, objective: DitObjective, vae: VaeSource, *, seed: int = 0) -> None:
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


def _known_scale(run: str) -> float | None:
    """That of a transformer's run; None of what is no run, or none of a transformer."""
    checkpoint = latest(run) if run else None
    if checkpoint is None:
        return None
    scale: float | None = read_state(checkpoint)["settings"].get("objective.latent_scale")
    return scale


def built_dit(config: TrainConfig) -> DitModule:
    """The transformer of a run's configuration, on the meta device.

    Raises:
        ValueError: it trains something else.
    """
    module = config.objective.build(config)
    if not isinstance(module, DitModule):
        raise ValueError(f"{config.out!r} is no run of a transformer")
    return module
