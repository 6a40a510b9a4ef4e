"""The objective of the video autoencoder: L1, L2, perceptual and KL, later joined by two discriminators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.bounds import check
from training.models.discriminator import Discriminator, DiscriminatorConfig
from training.models.exports import Export, Layout, plain_export
from training.models.grid import TokenGrid
from training.models.on_demand import VaeSource
from training.models.released_vae import is_released, released_config, released_vae
from training.models.safe_files import SafeFiles
from training.models.vae import Posterior, VaeConfig, VideoVae
from training.models.vae_names import diffusers_config, diffusers_name
from training.models.weights import files_id, initialise, weights_id
from training.objectives.lpips import Lpips, LpipsConfig
from training.objectives.perceptual import RandomFeatures
from training.objectives.quality import box_blurred, psnr, ssim
from training.run.checkpoint import identity, latest
from training.run.config import WEIGHTS, Objective, TrainConfig
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise
from training.run.runs import config_of, trained_module

LARGEST_WEIGHT = 1e4
"""Of the adversarial loss, which grows without bound as its gradient vanishes; taming-transformers' figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeObjective(Objective):
    """Weights of the losses, each of which is a mean over pixels, over latent values, or over patches."""

    model: VaeConfig
    discriminator: DiscriminatorConfig
    l2_weight: float = 0.1
    """L1 has 1. L2 pulls a shape into place where L1 is content with none: the median of a small one is background."""
    perceptual_weight: float = 0.1
    """Of the distance between random features."""
    kl_weight: float = 1e-4
    """Per latent value. EasyAnimate's 1e-6, on sums, is 5e-6 a value against the mean over its pixels."""
    adversarial_weight: float = 0.5
    """Size of the adversarial gradient, in units of the other losses' at the same video."""
    adversarial_start: int = 50_000
    """Step from which the discriminators are trained and listened to."""
    trains: Literal["all", "decoder"] = "all"
    """`decoder` leaves the encoder as it is, to the bit: latents stay what transformers know, and films get better."""
    lpips: LpipsConfig = field(default_factory=LpipsConfig)
    """A trained network in place of the random features."""
    start: str = field(default="", metadata=WEIGHTS)
    """An autoencoder's run, a safetensors file or a hub id to begin with; "" begins with new weights."""

    def __post_init__(self) -> None:
        check(self)

    def starts_from(self) -> str:
        """See `start`."""
        return self.start

    def grid(self) -> TokenGrid:
        """A latent counts as a token."""
        return self.model.grid()

    def build(self, config: TrainConfig) -> VaeModule:
        """Networks with first weights from the run's seed."""
        return VaeModule(self, seed=config.trainer.seed)


class VaeModule(TrainModule):
    """Turns: the autoencoder, and from `adversarial_start` on the discriminator after it."""

    def __init__(self, objective: VaeObjective, *, seed: int = 0) -> None:
        self.objective = objective
        self.seed = seed
        with torch.device("meta"):
            self.vae = VideoVae(objective.model)
            self.discriminator = Discriminator(objective.discriminator)
        self.features = RandomFeatures() if objective.lpips.is_off else Lpips(objective.lpips)
        if objective.trains == "decoder":
            for part in (self.vae.encoder, self.vae.quant):
                part.requires_grad_(False)
            self.vae.saves_frozen = True

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The autoencoder and its judges."""
        return {"vae": self.vae, "discriminator": self.discriminator}

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        """What the perceptual loss compares."""
        return {"features": self.features}

    def first_weights(self, network: str) -> None:
        """From the run's seed."""
        initialise(self.networks[network], self.seed)

    def turns(self, step: int) -> Sequence[str]:
        """The discriminator rests until it is listened to."""
        return ("vae", "discriminator") if step >= self.objective.adversarial_start else ("vae",)

    def wraps(self, network: str) -> Sequence[nn.Module]:
        """The autoencoder's blocks, or the judges'."""
        if network == "vae":
            return self.vae.blocks
        judges = (self.discriminator.frames, self.discriminator.motion)
        return tuple(block for judge in judges for block in judge.blocks)

    def calls(self, network: str) -> Sequence[str]:
        """The autoencoder's two halves are called one by one, with the drawing between them."""
        return ("encode", "decode") if network == "vae" else ()

    def averages(self) -> Sequence[str]:
        """Only the autoencoder is used later."""
        return ("vae",)

    def read_file(self, network: str, file: SafeFiles, weights: Mapping[str, torch.Tensor]) -> None:
        """By our names, or by diffusers'.

        Raises:
            ValueError: it holds others.
        """
        if "quant_conv.weight" not in file.shapes:
            super().read_file(network, file, weights)
        else:
            file.fill(weights, {name: diffusers_name(name, self.objective.model) for name in weights})

    def exported(self, layout: Layout, *, merged: bool) -> Export:
        """Also by diffusers' names.

        Raises:
            ValueError: it is no LoRA, or diffusers has no such autoencoder.
        """
        if merged or layout != "diffusers":
            return super().exported(layout, merged=merged)
        config = diffusers_config(self.vae.config)
        own = plain_export(self.vae).tensors
        renamed = {diffusers_name(name, self.vae.config): value for name, value in own.items()}
        return Export(tensors=renamed, config=config)

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """Sums over pixels for the autoencoder, over videos for the discriminator."""
        if network == "discriminator":
            return self._discriminator_loss(batch, noise)
        video = batch.video
        made, posterior = self._reconstructed(video, noise)
        parts = self._parts(made, posterior, video)
        weighed = self._weighed(parts)
        total = weighed + self.objective.kl_weight * parts["kl"]
        if step >= self.objective.adversarial_start:
            fooled = self._fooled(made)
            weights = adaptive_weights(weighed, fooled, made)
            total = total + self.objective.adversarial_weight * weights * fooled
            parts |= {"adversarial": fooled, "adversarial_weight": weights}
        pixels = video[0].numel()
        scalars = {f"loss/{name}": (float(value.detach().sum()), len(video)) for name, value in parts.items()}
        return Loss(total=total.sum() * pixels, weight=float(video.numel()), scalars=scalars)

    @torch.no_grad()
    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """`loss` without adversary, `psnr` and `ssim` of what the posterior's mean decodes to, and its size.

        `box_blur_psnr` is that of the same videos blurred, which tells what a decibel is worth on them.
        """
        video = batch.video
        posterior = self.vae.encode(video)
        made = self.vae.decode(posterior.mean)
        parts = self._parts(made, posterior, video)
        figures = parts | {
            "loss": self._weighed(parts),
            "psnr": psnr(made, video),
            "box_blur_psnr": psnr(box_blurred(video), video),
            "ssim": ssim(made, video),
            "latent_square": posterior.mean.square().flatten(1).mean(1),
        }
        return {name: (float(value.sum()), float(len(video))) for name, value in figures.items()}

    @torch.no_grad()
    def given_back(self, video: torch.Tensor) -> torch.Tensor:
        """What the posterior's mean decodes to."""
        return self.vae.decode(self.vae.encode(video).mean)

    def _reconstructed(self, video: torch.Tensor, noise: SampleNoise) -> tuple[torch.Tensor, Posterior]:
        posterior = self.vae.encode(video)
        drawn = noise.normal(*posterior.mean.shape[1:]).to(posterior.mean.dtype)
        return self.vae.decode(posterior.mean + torch.exp(0.5 * posterior.logvar) * drawn), posterior

    def _parts(self, made: torch.Tensor, posterior: Posterior, video: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each loss of each video (B,), unweighted."""
        return {
            "l1": (made - video).abs().flatten(1).mean(1),
            "l2": (made - video).square().flatten(1).mean(1),
            "perceptual": self.features(made, video),
            "kl": posterior.kl() / posterior.mean[0].numel(),
        }

    def _weighed(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B,) what the reconstruction lacks, without the adversary."""
        objective = self.objective
        return parts["l1"] + objective.l2_weight * parts["l2"] + objective.perceptual_weight * parts["perceptual"]

    def _fooled(self, made: torch.Tensor) -> torch.Tensor:
        """(B,) how far the discriminators take each video for a made one."""
        return -sum_of_means(self.discriminator(made))

    def _discriminator_loss(self, batch: Batch, noise: SampleNoise) -> Loss:
        with torch.no_grad():
            made, _ = self._reconstructed(batch.video, noise)
        hinge = hinge_loss(self.discriminator(batch.video), self.discriminator(made))
        figures = {"loss/hinge": (float(hinge.detach().sum()), len(hinge))}
        return Loss(total=hinge.sum(), weight=float(len(hinge)), scalars=figures)


def vae_config(run: str) -> VaeConfig:
    """The layout of the autoencoder that a run has trained, or that a folder of diffusers' holds.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    if is_released(run):
        return released_config(run)
    objective = config_of(run).objective
    if not isinstance(objective, VaeObjective):
        raise ValueError(f"{run!r} is no run of an autoencoder")
    return objective.model


def trained_vae(run: str) -> VideoVae:
    """The autoencoder that a run has trained, or that a folder of diffusers' holds.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    if is_released(run):
        return released_vae(run)
    module = trained_module(named_vae(run))
    if not isinstance(module, VaeModule):
        raise ValueError(f"{run!r} is no run of an autoencoder")
    return module.vae


def vae_source(run: str) -> VaeSource:
    """The same without having it in memory.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    config = vae_config(run)
    if is_released(run):
        weights = files_id(sorted(Path(run).glob("*.safetensors")))
    else:
        checkpoint = latest(run)
        assert checkpoint is not None  # of which the configuration is
        weights = _weights_of(run, identity(checkpoint))
    return VaeSource(config=config, identity=weights, load=partial(trained_vae, run))


@cache
def _weights_of(run: str, checkpoint: str) -> str:
    """The id of its weights, which are read for that and let go of; `checkpoint` tells when they are others."""
    return weights_id(trained_vae(run))


def named_vae(run: str) -> str:
    """The folder of an autoencoder's run, or one of diffusers'.

    Raises:
        ValueError: it is "", as in recipes.
    """
    if not run:
        raise ValueError("no run of an autoencoder is named: --set objective.vae=RUN")
    return run


def hinge_loss(real: Sequence[torch.Tensor], made: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B,) what discriminators minimise, each with its logits (B, ...): real patches above 1, made ones below -1."""
    real_wrong = [functional.relu(1 - logits) for logits in real]
    made_wrong = [functional.relu(1 + logits) for logits in made]
    return 0.5 * (sum_of_means(real_wrong) + sum_of_means(made_wrong))


def adaptive_weights(wanted: torch.Tensor, adversarial: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """(B,) by how much each video's adversarial gradient is to be multiplied to be as large as that of the others.

    VQGAN (arXiv 2012.09841) compares gradients at the decoder's last weight, over the whole batch. Here they are
    compared at the video, for each one alone: that neither depends on how a batch is divided among ranks nor asks for
    a weight that FSDP has in pieces, and it saves a pass through the last layer.
    """
    wanted_grad, adversarial_grad = (
        torch.autograd.grad(loss.sum(), made, retain_graph=True)[0].flatten(1).norm(dim=1)
        for loss in (wanted, adversarial)
    )
    weights: torch.Tensor = (wanted_grad / (adversarial_grad + 1e-8)).clamp_max(LARGEST_WEIGHT).detach()
    return weights


def sum_of_means(logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B,) the mean over patches of each discriminator's (B, ...), summed over discriminators."""
    return torch.stack([one.flatten(1).mean(1) for one in logits]).sum(0)
