"""Sampling that keeps what is known of a video: in each step it stands in what the model believes the video is.

A model that is told of known frames and places makes them nearly as they are, as well as it has learnt to copy.
Pipelines for inpainting put the known back in each step, latents in place of latents (RePaint, arXiv 2201.09865;
Blended Latent Diffusion, arXiv 2206.02779). A latent of several frames of which one is known cannot be; so here
pixels replace pixels, as hard consistency does in ReSample (arXiv 2307.08123): the step's video is decoded, what is
known is put into it, and it is encoded again. Sampling ends in just that video's latents, so what is known comes out as
the autoencoder alone keeps it, and the rest is made in its sight.

It costs a decoding and an encoding a step.
"""

from __future__ import annotations

import torch

from training.models.conditions import Told
from training.models.generator import VideoGenerator
from training.objectives.flow import TIMESTEPS, Velocity


def keeping(generator: VideoGenerator, velocity: Velocity, told: Told) -> Velocity:
    """The velocity towards the video that `velocity` leads to, with what is known of `told`, a video of each sample or
    one for all, in its place. No gradient passes.

    Raises:
        ValueError: nothing is known, or the model has latents of more frames than the video.
    """
    told = told.to(generator.device)
    if told.video is None or told.known is None:
        raise ValueError("nothing is known that could be kept")
    video, known = told.video, told.known > 0

    @torch.no_grad()
    def towards(latents: torch.Tensor, told_B: torch.Tensor) -> torch.Tensor:
        levels = (told_B / TIMESTEPS).view(-1, *[1] * (latents.ndim - 1))
        believed = generator.decoded(latents.float() - levels * velocity(latents, told_B).float())
        if believed.shape[2:] != video.shape[2:]:
            raise ValueError(f"latents of {believed.shape[2]} frames for a video of {video.shape[2]}: none can be kept")
        clean = generator.latents_of(torch.where(known, video, believed))
        return (latents.float() - clean) / levels

    return towards
