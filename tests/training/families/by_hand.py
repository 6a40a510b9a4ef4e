"""The documented recipe of each family, written with diffusers' parts and nothing of ours.

Each takes the pipeline, videos (B, 3, F, H, W) in [-1, 1], captions, standard normal noise of the latents' shape and a
source of random numbers for each sample, and gives the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

NOISE_SEED = 3
"""Of the noise that samples are compared on."""


@torch.no_grad()
def wan(
    pipe: Any,
    video: torch.Tensor,
    captions: Sequence[str],
    eps: torch.Tensor,
    noise: Any,
    *,
    shift: float = 3,
    part: str = "transformer",
    above: float = 0,
    below: float = 1,
    from_image: bool = False,
) -> torch.Tensor:
    clean = wan_latents(pipe, video)
    length = 512 if from_image else 16
    text, _ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False, max_sequence_length=length)
    sigma = noise.integers(1, 1001) / 1000
    # Those of all shifted levels that lie between the two.
    lowest, highest = (level / (shift - (shift - 1) * level) for level in (above, below))
    sigma = lowest + (highest - lowest) * sigma
    sigma = shift * sigma / (1 + (shift - 1) * sigma)
    assert ((sigma >= above) & (sigma <= below)).all()
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - mix) * clean + mix * eps
    told: dict[str, Any] = {}
    if from_image:
        noisy = torch.cat([noisy, torch.cat([wan_condition(pipe, each) for each in video])], dim=1)
        if pipe.image_encoder is not None:
            seen = [pipe.encode_image(picture_of(each), "cpu") for each in video]
            told["encoder_hidden_states_image"] = torch.cat(seen)
    answer = getattr(pipe, part)(noisy, timestep=1000 * sigma, encoder_hidden_states=text, return_dict=False, **told)[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss


def wan_condition(pipe: Any, video: torch.Tensor) -> torch.Tensor:
    frames, height, width = video.shape[1:]
    channels = pipe.vae.config.z_dim
    kind = {"dtype": torch.float32, "device": "cpu", "latents": torch.zeros(1)}
    condition: torch.Tensor = pipe.prepare_latents(video[None, :, 0], 1, channels, height, width, frames, **kind)[1]
    return condition


def picture_of(video: torch.Tensor) -> Any:
    """The first frame of (3, F, H, W) in [-1, 1], as programs are given one."""
    from PIL import Image

    return Image.fromarray(((video[:, 0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy())


@torch.no_grad()
def wan_from_first_frame(
    pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any
) -> torch.Tensor:
    """As Wan 2.2 of 5 B is called: the first latent is clean, its tokens' timestep is 0; the others are learnt."""
    clean = wan_latents(pipe, video)
    text, _ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False, max_sequence_length=16)
    sigma = noise.integers(1, 1001) / 1000
    sigma = 5 * sigma / (1 + 4 * sigma)
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = torch.cat([clean[:, :, :1], ((1 - mix) * clean + mix * eps)[:, :, 1:]], dim=2)
    frames, height, width = clean.shape[2:]
    times = (1000 * sigma).repeat(frames, height // 2 * (width // 2), 1).permute(2, 0, 1).clone()
    times[:, 0] = 0
    answer = pipe.transformer(noisy, timestep=times.flatten(1), encoder_hidden_states=text, return_dict=False)[0]
    loss: torch.Tensor = (answer - (eps - clean))[:, :, 1:].square().mean()
    return loss


def wan_latents(pipe: Any, video: torch.Tensor) -> torch.Tensor:
    config = pipe.vae.config
    mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(config.latents_std).view(1, -1, 1, 1, 1)
    latents: torch.Tensor = (pipe.vae.encode(video).latent_dist.mode() - mean) / std
    return latents


@torch.no_grad()
def cogvideox(
    pipe: Any,
    video: torch.Tensor,
    captions: Sequence[str],
    eps: torch.Tensor,
    noise: Any,
    *,
    from_image: bool = False,
) -> torch.Tensor:
    """As diffusers' train_cogvideox_lora.py: the squared error of x, weighed by 1 / (1 - alpha).

    And as its train_cogvideox_image_to_video_lora.py, but for the noise on the picture.
    """
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
    seen, offset = noisy, None
    if from_image:
        scale = pipe.vae.config.scaling_factor
        image = pipe.vae.encode(video[:, :, :1]).latent_dist.mode().permute(0, 2, 1, 3, 4)
        image = image / scale if pipe.vae.config.invert_scale_latents else image * scale
        seen = torch.cat([noisy, torch.cat([image, torch.zeros_like(noisy[:, 1:])], dim=1)], dim=2)
        offset = torch.tensor([2.0])
    v = pipe.transformer(seen, text, times, ofs=offset, image_rotary_emb=rotary, return_dict=False)[0]
    x = scheduler.get_velocity(v.double(), noisy.double(), times)
    weights = 1 / (1 - scheduler.alphas_cumprod.double()[times]).view(-1, 1, 1, 1, 1)
    loss: torch.Tensor = (weights * (x - clean).square()).mean()
    return loss


@torch.no_grad()
def ltx(
    pipe: Any,
    video: torch.Tensor,
    captions: Sequence[str],
    eps: torch.Tensor,
    noise: Any,
    *,
    first_frame: bool = False,
) -> torch.Tensor:
    """As Lightricks' trainer: sigmoid of a normal number whose mean follows the tokens."""
    vae = pipe.vae
    clean = pipe._normalize_latents(vae.encode(video).latent_dist.mode(), vae.latents_mean, vae.latents_std)
    frames, height, width = clean.shape[2:]
    sigma = torch.sigmoid(noise.normal() + 0.95 + 1.1 * (frames * height * width - 1024) / 3072)
    clean, eps = pipe._pack_latents(clean), pipe._pack_latents(eps)
    mix = sigma.view(-1, 1, 1).expand(-1, clean.shape[1], 1).clone()
    told = height * width if first_frame else 0
    mix[:, :told] = 0
    text, mask, *_ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False)
    answer = pipe.transformer(
        (1 - mix) * clean + mix * eps,
        text,
        1000 * mix[..., 0],
        mask,
        frames,
        height,
        width,
        rope_interpolation_scale=(8 / 25, 32, 32),
        return_dict=False,
    )[0]
    loss: torch.Tensor = (answer - (eps - clean))[:, told:].square().mean()
    return loss


@torch.no_grad()
def hunyuan_video(
    pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any
) -> torch.Tensor:
    clean = pipe.vae.encode(video).latent_dist.mode() * pipe.vae.config.scaling_factor
    words, whole, mask = pipe.encode_prompt(list(captions))
    assert (words[0] - words[1]).abs().max() > 1e-3  # that it reads more than its template
    sigma = noise.integers(1, 1001) / 1000
    sigma = 7 * sigma / (1 + 6 * sigma)
    mix = sigma.view(-1, 1, 1, 1, 1)
    answer = pipe.transformer(
        (1 - mix) * clean + mix * eps,
        1000 * sigma,
        words,
        mask,
        whole,
        guidance=torch.full((len(video),), 1000.0),
        return_dict=False,
    )[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss


@torch.no_grad()
def hunyuan_video_from_image(
    pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any
) -> torch.Tensor:
    """As the pipeline calls either kind of weights; what is given to the transformer clean is not learnt."""
    clean = pipe.vae.encode(video).latent_dist.mode() * pipe.vae.config.scaling_factor
    in_place = pipe.transformer.config.image_condition_type == "token_replace"
    read = [
        pipe.encode_prompt(picture_of(each), caption, image_embed_interleave=4 if in_place else 2)
        for each, caption in zip(video, captions, strict=True)
    ]
    words, whole, mask = (torch.cat(each) for each in zip(*read, strict=True))
    assert (words[0, -30:] - words[1, -30:]).abs().max() > 1e-3
    sigma = noise.integers(1, 1001) / 1000
    sigma = 7 * sigma / (1 + 6 * sigma)
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - mix) * clean + mix * eps
    size = {"height": video.shape[3], "width": video.shape[4], "num_frames": video.shape[2]}
    settings = {
        "dtype": torch.float32,
        "device": "cpu",
        "image_condition_type": pipe.transformer.config.image_condition_type,
    }
    first = pipe.prepare_latents(video[:, :, 0], len(video), clean.shape[1], **size, **settings)[1]
    if in_place:
        shown = torch.cat([first, noisy[:, :, 1:]], dim=2)
    else:
        first[:, :, 1:] = 0
        is_told = torch.ones_like(first[:, :1])
        is_told[:, :, 1:] = 0
        shown = torch.cat([noisy, first, is_told], dim=1)
    guidance = torch.full((len(video),), 1000.0)
    answer = pipe.transformer(shown, 1000 * sigma, words, mask, whole, guidance=guidance, return_dict=False)[0]
    loss: torch.Tensor = (answer - (eps - clean))[:, :, 1 if in_place else 0 :].square().mean()
    return loss


def hunyuan_begun(noise: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """What its pipeline is to be given for it to begin with this noise: it mixes a thousandth of the picture in."""
    return (noise - (1 - 0.999) * first) / 0.999


@torch.no_grad()
def hunyuan_video15(
    pipe: Any,
    video: torch.Tensor,
    captions: Sequence[str],
    eps: torch.Tensor,
    noise: Any,
    *,
    from_image: bool = False,
) -> torch.Tensor:
    latents = [pipe.vae.encode(each).latent_dist.mode() for each in video.split(1)]  # it masks one at a time alone
    clean = torch.cat(latents) * pipe.vae.config.scaling_factor
    caption, mask, quoted, quoted_mask = pipe.encode_prompt(list(captions), batch_size=len(captions))
    assert (caption[0] - caption[1]).abs().max() > 1e-3
    sigma = noise.integers(1, 1001) / 1000
    sigma = 5 * sigma / (1 + 4 * sigma)
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - mix) * clean + mix * eps
    kind = {"dtype": noisy.dtype, "device": noisy.device}
    if from_image:
        pictures = [picture_of(each) for each in video]
        told = [
            torch.cat(pipe.prepare_cond_latents_and_mask(z[None], picture, 1, *video.shape[3:], **kind), dim=1)
            for z, picture in zip(noisy, pictures, strict=True)
        ]
        beside, image = torch.cat(told), torch.cat([pipe.encode_image(each, 1, **kind) for each in pictures])
    else:
        beside = torch.cat(pipe.prepare_cond_latents_and_mask(noisy, **kind), dim=1)
        image = torch.zeros(len(video), 729, pipe.vision_states_dim)
    answer = pipe.transformer(
        torch.cat([noisy, beside], dim=1),
        1000 * sigma,
        caption,
        mask,
        encoder_hidden_states_2=quoted,
        encoder_attention_mask_2=quoted_mask,
        image_embeds=image,
        return_dict=False,
    )[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss


@torch.no_grad()
def easyanimate(
    pipe: Any,
    video: torch.Tensor,
    captions: Sequence[str],
    eps: torch.Tensor,
    noise: Any,
    *,
    from_image: bool = False,
) -> torch.Tensor:
    """From a first frame as the pipeline calls it, but for the noise on the picture."""
    clean = pipe.vae.encode(video).latent_dist.mode() * pipe.vae.config.scaling_factor
    text, *_ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False)
    assert (text[0] - text[1]).abs().max() > 1e-3
    sigma = noise.integers(1, 1001) / 1000
    mix = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - mix) * clean + mix * eps
    told = None
    if from_image:
        from diffusers.pipelines.easyanimate.pipeline_easyanimate_inpaint import resize_mask

        black = torch.cat([video[:, :, :1], -torch.ones_like(video[:, :, 1:])], dim=2)
        seen = pipe.prepare_mask_latents(None, black, len(video), 0, 0, video.dtype, video.device, None, False, 0.0)[1]
        unknown = torch.ones_like(video[:, :1])
        unknown[:, :, 0] = 0
        mask = resize_mask(1 - unknown, seen, True) * pipe.vae.config.scaling_factor
        told = torch.cat([mask, seen], dim=1)
    answer = pipe.transformer(noisy, 1000 * sigma, encoder_hidden_states=text, inpaint_latents=told, return_dict=False)[
        0
    ]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss


def easyanimate_told(picture: Any) -> dict[str, Any]:
    """How its pipeline is given a first frame: a video and a mask of what is to be made, of 9 frames.

    It cannot be given latents (diffusers 0.42.1 looks for noise that it has not drawn), and so draws them as we do.
    """
    from diffusers.pipelines.easyanimate.pipeline_easyanimate_inpaint import get_image_to_video_latent

    video, mask = get_image_to_video_latent(picture, None, 9, picture.size[::-1])
    seed = torch.Generator().manual_seed(NOISE_SEED)
    return {"video": video, "mask_video": mask, "noise_aug_strength": 0.0, "latents": None, "generator": seed}


@torch.no_grad()
def ltx2(pipe: Any, video: torch.Tensor, captions: Sequence[str], eps: torch.Tensor, noise: Any) -> torch.Tensor:
    """As LTX-Video; what the other stream, that of sound, is given makes no difference."""
    vae = pipe.vae
    clean = pipe._normalize_latents(vae.encode(video).latent_dist.mode(), vae.latents_mean, vae.latents_std)
    frames, height, width = clean.shape[2:]
    sigma = torch.sigmoid(noise.normal() + 0.95 + 1.1 * (frames * height * width - 1024) / 3072)
    clean, eps = (each.flatten(2).transpose(1, 2) for each in (clean, eps))
    mix = sigma.view(-1, 1, 1)
    layers, mask, *_ = pipe.encode_prompt(list(captions), do_classifier_free_guidance=False)
    text, sound_text, mask = pipe.connectors(layers, mask, padding_side="left")
    assert (text[0] - text[1]).abs().max() > 1e-3
    answer = pipe.transformer(
        (1 - mix) * clean + mix * eps,
        torch.randn(len(video), 7, 4),
        text,
        sound_text,
        1000 * sigma,
        sigma=1000 * sigma,
        encoder_attention_mask=mask,
        audio_encoder_attention_mask=mask,
        num_frames=frames,
        height=height,
        width=width,
        fps=24,
        audio_num_frames=7,
        isolate_modalities=True,
        return_dict=False,
    )[0]
    loss: torch.Tensor = (answer - (eps - clean)).square().mean()
    return loss


@torch.no_grad()
def ltx2_latents(pipe: Any, latents: torch.Tensor, caption: str, **size: int) -> torch.Tensor:
    """Four steps of Euler without sound, which the pipeline itself cannot do without."""
    frames, height, width = latents.shape[2:]
    layers, mask, *_ = pipe.encode_prompt([caption], do_classifier_free_guidance=False)
    text, sound_text, mask = pipe.connectors(layers, mask, padding_side="left")
    pipe.scheduler.set_timesteps(4, mu=1.0)
    z = latents.flatten(2).transpose(1, 2)
    for t in pipe.scheduler.timesteps:
        answer = pipe.transformer(
            z,
            torch.zeros(1, 3, 4),
            text,
            sound_text,
            t[None],
            sigma=t[None],
            encoder_attention_mask=mask,
            audio_encoder_attention_mask=mask,
            num_frames=frames,
            height=height,
            width=width,
            fps=24,
            audio_num_frames=3,
            isolate_modalities=True,
            return_dict=False,
        )[0]
        z = pipe.scheduler.step(answer, t, z, return_dict=False)[0]
    made: torch.Tensor = z
    return made
