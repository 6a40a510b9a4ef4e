"""The documented recipe of each family, written with diffusers' parts and nothing of ours.

Each takes the pipeline, videos (B, 3, F, H, W) in [-1, 1], captions, standard normal noise and a whole number from 1 to
1000 for each sample, and gives the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.no_grad()
def wan(
    pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    config = pipe.vae.config
    mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(config.latents_std).view(1, -1, 1, 1, 1)
    clean = (pipe.vae.encode(video).latent_dist.mode() - mean) / std
    text, _ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False, max_sequence_length=16)
    sigma = numbers / 1000
    sigma = 3 * sigma / (1 + 2 * sigma)
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - mix) * clean + mix * eps
    answer = pipe.transformer(noisy, timestep=1000 * sigma, encoder_hidden_states=text, return_dict=False)[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss
