"""Modules of a few thousand weights, made in no time."""

import torch

from training.models.discriminator import DiscriminatorConfig
from training.models.dit import DitConfig
from training.models.on_demand import at_hand
from training.models.text_bytes import ByteTextConfig
from training.models.vae import VaeConfig, VideoVae
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule

VAE = VaeConfig(channels=(8, 8, 8), latent_channels=4, pixel_patch=2, groups=4, encoder_blocks=1, decoder_blocks=1)
JUDGE = DiscriminatorConfig(channels=(8, 16), groups=4)
DIT = DitConfig(
    dim=48,
    heads=3,
    layers=2,
    mmdit_layers=1,
    text_dim=16,
    time_dim=16,
    latent_channels=4,
    in_channels=9,
    base_grid=None,
)
TEXT = ByteTextConfig(dim=16, trainable=True)


def tiny_dit_module(*, seed: int = 0, **objective) -> DitModule:
    """A transformer that says something: the real one begins with no velocity at all."""
    module = DitModule(
        DitObjective(vae="", model=DIT, text=TEXT, latent_scale=1.0, **objective),
        at_hand(VideoVae(VAE, seed=seed)),
        seed=seed,
    )
    module.materialise("dit", torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    for part in (module.model.dit.patches_out, *(block.norm1.linear for block in module.model.dit.blocks)):
        part.weight.data.normal_(std=0.2, generator=generator)
    return module
