"""A pretrained transformer, or a LoRA on it, in training: its weights, its loss, and what a run keeps of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from training.families.pretrained_settings import PretrainedSettings
from training.families.pretrained_video import PretrainedVideo, latent_source, text_source
from training.families.skeleton import skeleton
from training.models.exports import Export, Layout, lora_export, plain_export
from training.models.generator import VideoGenerator
from training.models.lora import add_lora, initialise_lora, lora_parameters, merge_lora, seed_dropout
from training.models.lora_names import fill_lora
from training.models.safe_files import SafeFiles
from training.models.text import Text
from training.models.weights import halve
from training.objectives.flow import loss_by_level
from training.objectives.text_to_video import blanked, without
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise, derived_seed

NETWORK = "transformer"


class PretrainedModule(TrainModule):
    """Trains `transformer`, or its LoRA alone; the autoencoder and the text encoders are only used."""

    def __init__(self, objective: PretrainedSettings, *, seed: int = 0) -> None:
        self.objective, self.seed = objective, seed
        family, folder = objective.family, objective.folder
        objective.check_first_frames(folder)
        self.tells_first_frames = family.tells_first_frames(folder)
        self.needs_first_frames = family.needs_first_frames(folder)
        self.transformer = skeleton(family.transformer, folder.config(family.part))
        self.lora = objective.method == "lora"
        if self.lora:
            if objective.base_precision == "bf16":
                halve(self.transformer)
            targets = [
                target for each in (objective.targets or family.lora_targets).split(",") if (target := each.strip())
            ]
            add_lora(
                self.transformer,
                objective.rank,
                objective.alpha,
                seed=seed,
                targets=targets,
                but=family.idle(self.transformer),
                dropout=objective.dropout,
            )
        else:
            idle = family.idle(self.transformer)
            for name, weight in self.transformer.named_parameters():  # ranks would wait for the gradients of those
                weight.requires_grad_(not any(f"{name}.".startswith(f"{part}.") for part in idle))
        self.video = PretrainedVideo(family, folder, self.transformer)
        self.identities = {
            "tuned": folder.identity([family.part]),
            "latents_by": latent_source(family, folder).identity,
            "texts_by": text_source(family, folder).identity,
        }
        """Of the transformer that is begun with, the autoencoder, and the text encoders."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The transformer; with a LoRA, of its weights that alone learns."""
        return {NETWORK: self.transformer}

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        """The autoencoder and the text encoders, as far as they were needed: from caches, neither is."""
        return self.video.used

    def generator(self) -> VideoGenerator:
        """The pipeline with what was trained."""
        return self.video

    def first_weights(self, network: str) -> None:
        """The pipeline's, and a LoRA that changes nothing."""
        changes = lora_parameters(self.transformer)
        weights = {name: weight for name, weight in self.transformer.state_dict().items() if name not in changes}
        with SafeFiles(self.objective.folder.weights(self.objective.family.part)) as file:
            self._fill(file, weights)
        if self.lora:
            initialise_lora(self.transformer, self.seed)

    def extra_state(self) -> dict[str, Any]:
        """Which pipeline it belongs to."""
        return dict(self.identities)

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """See that the pipeline has not changed meanwhile.

        Raises:
            ValueError: a part's files, or its settings, are others.
        """
        self._check_state(state, f"objective.model={self.objective.model}")

    def check_start(self, run: str, state: Mapping[str, Any]) -> None:
        """See that it is a run on the same pipeline.

        Raises:
            ValueError: it is not.
        """
        self._check_state(state, f"objective.start={run}")

    def read_file(self, network: str, file: SafeFiles, weights: Mapping[str, torch.Tensor]) -> None:
        """A LoRA by whatever names it has, or whole weights by diffusers' names.

        Raises:
            ValueError: it holds others.
        """
        if self.lora:
            renames = [rename] if (rename := self.objective.family.comfyui_name) else []
            fill_lora(file, weights, alpha=self.objective.alpha, renames=renames)
        else:
            self._fill(file, weights)

    def exported(self, layout: Layout, *, merged: bool) -> Export:
        """The LoRA, or whole weights as a folder of diffusers' class.

        Raises:
            ValueError: it is no LoRA, or nobody knows the layout's names for this family.
        """
        if not self.lora or merged:
            if not self.lora:
                super().exported("safetensors", merged=merged)
            merge_lora(self.transformer)
            whole = plain_export(self.transformer)
            if layout == "safetensors":
                return whole
            if layout != "diffusers":
                raise ValueError(f"layout {layout} is for a LoRA alone; whole weights go to diffusers or safetensors")
            return replace(whole, config=self.objective.folder.config(self.objective.family.part))
        rename = self.objective.family.comfyui_name if layout == "comfyui" else str
        if rename is None:
            raise ValueError(
                f"what ComfyUI calls the layers of {self.objective.family.transformer} is not known here; those of "
                "diffusers and peft are"
            )
        return lora_export(
            self.transformer, layout, rank=self.objective.rank, alpha=self.objective.alpha, rename=rename
        )

    def wraps(self, network: str) -> Sequence[nn.Module]:
        """The transformer's blocks."""
        return self.objective.family.blocks(self.transformer)

    def flops(self, network: str, batch: Batch) -> float:
        """Without attention; the way back of a LoRA leads to the inputs alone."""
        whole = super().flops(network, batch)
        return whole * 2 / 3 if self.lora else whole

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """Squared error of the transformer's answer, summed over latent values."""
        if self.lora and self.objective.dropout:
            seeds = [derived_seed(self.seed, step, "dropout", clip_id) for clip_id in batch.clip_ids]
            seed_dropout(self.transformer, seeds)
        squares_B, weights_B, levels_B = self._squares(batch, noise, dropout=self.objective.text_dropout)
        means = squares_B.detach() / weights_B
        return Loss(total=squares_B.sum(), weight=float(weights_B.sum()), scalars=loss_by_level(means, levels_B))

    @torch.no_grad()
    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """`loss` with all texts."""
        squares_B, weights_B, _ = self._squares(batch, noise, dropout=0.0)
        return {"loss": (float(squares_B.sum()), float(weights_B.sum()))}

    def _squares(
        self, batch: Batch, noise: SampleNoise, *, dropout: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Each sample's summed squared error (B,), of how many values (B,), and its noise level (B,)."""
        family, path = self.objective.family, self.video.path
        clean, seen = self.video.shown(batch.video, latent=batch.latent)
        clean = family.fitted(clean, self.transformer)
        eps = noise.normal(*clean.shape[1:])
        lowest, highest = self.video.range
        levels = family.levels(noise, batch.tokens, lowest=lowest, highest=highest)
        known_B = noise.uniform() < self.objective.first_frame_share
        dropped_B = noise.uniform() < dropout
        condition = self._condition(clean, seen, known_B)
        text = self._texts(batch, condition, dropped_B)
        answer = self.video.answer(path.noised(clean, eps, levels), path.told(levels), text, condition)
        squares = (answer.float() - path.target(clean, eps, levels)).square()
        learnt = family.learnt(clean, condition, self.transformer)
        return (squares * learnt).flatten(1).sum(1), learnt.expand_as(squares).flatten(1).sum(1), levels

    def _texts(self, batch: Batch, condition: torch.Tensor | None, dropped_B: torch.Tensor) -> Text:
        """The batch's texts, "" in place of dropped ones, which are read along with no picture."""
        if batch.text is None:
            beside = None if condition is None else condition * ~dropped_B.view(-1, 1, 1, 1, 1)
            return self.video.read(without(batch.captions, dropped_B), beside)
        return blanked(batch.text, batch.no_text or self.video.encoded([""]), dropped_B)

    def _condition(self, clean: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor) -> torch.Tensor | None:
        if not self.tells_first_frames:
            return None
        if clean.shape[2] == 1:  # an image of which everything is known would leave nothing to learn
            if self.needs_first_frames:
                raise ValueError(
                    f"{self.objective.model} makes videos from their first frame, and a sample is a picture: "
                    "data.sampler.still_share must be 0, and clips no shorter than data.sampler.min_frames"
                )
            known_B = torch.zeros_like(known_B)
        return self.objective.family.condition(clean[:, :, :1], seen, known_B, clean.shape[2])

    def _fill(self, file: SafeFiles, weights: Mapping[str, torch.Tensor]) -> None:
        """Whole weights by diffusers' names, of which some are in old files and no longer used."""
        ignored = getattr(self.transformer, "_keys_to_ignore_on_load_unexpected", None) or []
        idle = self.transformer.state_dict().keys() - weights.keys()
        for name in [name for name in file.shapes if name in idle or (name not in weights and _is_any(ignored, name))]:
            del file.shapes[name]
        file.fill(weights, {name: name for name in weights})

    def _check_state(self, state: Mapping[str, Any], where: str) -> None:
        for name, what in (("tuned", "transformer"), ("latents_by", "autoencoder"), ("texts_by", "text encoder")):
            if state.get(name) != self.identities[name]:
                raise ValueError(
                    f"{where}: its {what} is another one, by files or settings: {self.identities[name]} here, "
                    f"{state.get(name, 'none')} there"
                )


def _is_any(patterns: Sequence[str], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)
