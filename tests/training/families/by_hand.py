"""The documented recipe of each family, written with diffusers' parts and nothing of ours.

Each takes the pipeline, videos (B, 3, F, H, W) in [-1, 1], captions, standard normal noise of the latents' shape and a
source of random numbers for each sample, and gives the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.no_grad()
def wan(pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any) -> torch.Tensor:
    config = pipe.vae.config
    mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(config.latents_std).view(1, -1, 1, 1, 1)
    clean = (pipe.vae.encode(video).latent_dist.mode() - mean) / std
    text, _ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False, max_sequence_length=16)
    sigma = noise.integers(1, 1001) / 1000
    sigma = 3 * sigma / (1 + 2 * sigma)
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - mix) * clean + mix * eps
    answer = pipe.transformer(noisy, timestep=1000 * sigma, encoder_hidden_states=text, return_dict=False)[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss


@torch.no_grad()
def cogvideox(pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any) -> torch.Tensor:
    """As diffusers' train_cogvideox_lora.py: the squared error of x, weighed by 1 / (1 - alpha)."""
    from diffusers import CogVideoXDPMScheduler

    scheduler = CogVideoXDPMScheduler.from_config(pipe.scheduler.config)
    clean = pipe.vae.encode(video).latent_dist.mode() * pipe.vae.config.scaling_factor
    clean = torch.cat([clean[:, :, :1], clean], dim=2).permute(0, 2, 1, 3, 4)  # three latents, in pairs
    eps = eps.permute(0, 2, 1, 3, 4)
    text, _ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False)
    times = noise.integers(1, 1001) - 1
    noisy = scheduler.add_noise(clean, eps, times)
    sides = [side * pipe.vae_scale_factor_spatial for side in clean.shape[3:]]
    rotary = pipe._prepare_rotary_positional_embeddings(*sides, clean.shape[1], clean.device)
    v = pipe.transformer(noisy, text, times, image_rotary_emb=rotary, return_dict=False)[0]
    x = scheduler.get_velocity(v.double(), noisy.double(), times)
    weights = 1 / (1 - scheduler.alphas_cumprod.double()[times]).view(-1, 1, 1, 1, 1)
    loss: torch.Tensor = (weights * (x - clean).square()).mean()
    return loss


@torch.no_grad()
def ltx(pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any) -> torch.Tensor:
    vae = pipe.vae
    clean = pipe._normalize_latents(vae.encode(video).latent_dist.mode(), vae.latents_mean, vae.latents_std)
    frames, height, width = clean.shape[2:]
    sigma = torch.sigmoid(noise.normal() + 0.95 + 1.1 * (frames * height * width - 1024) / 3072)
    clean, eps = pipe._pack_latents(clean), pipe._pack_latents(eps)
    mix = sigma.view(-1, 1, 1)
    text, mask, *_ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False)
    answer = pipe.transformer(
        (1 - mix) * clean + mix * eps,
        text,
        1000 * sigma,
        mask,
        frames,
        height,
        width,
        rope_interpolation_scale=(8 / 25, 32, 32),
        return_dict=False,
    )[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss
