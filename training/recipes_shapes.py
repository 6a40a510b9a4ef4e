"""The recipes of `make train-demo`: films of moving shapes at 64 x 64 pixels, on two CPU cores in minutes.

`--recipe training.recipes_shapes:vae` and so on. `dit` wants `--set objective.vae=RUN`, `lora` and `reward` want
`--set objective.base=RUN`.
"""

from __future__ import annotations

from dataclasses import replace

from training import recipes
from training.data.clips import ClipData
from training.data.plan.config import SamplerConfig
from training.models.discriminator import DiscriminatorConfig
from training.models.sizes import ea_tiny
from training.models.text_words import WordTextConfig
from training.models.vae import VaeConfig
from training.objectives.dit import DitObjective
from training.objectives.generate import GenerateConfig
from training.objectives.reward import RewardObjective
from training.objectives.vae import VaeObjective
from training.run.config import OptimizerConfig, Stage, TrainConfig, TrainerConfig

SIDE = 64
"""Pixels."""
LATENTS = 16
"""Channels of the autoencoder's latents."""
TUNED = GenerateConfig(num_steps=10, guidance=2.0)
"""How samples are made in tuning by rewards, and judged after it."""
EPOCHS = 4
"""Which a cache holds, each with films that begin elsewhere."""
VAE_THREADS = 2
"""Of which convolutions have some use; a transformer of so few tokens is slower by them."""
FRAMES = 5
"""Of a film: a picture's latents, and those of what follows."""
_STILL, _FILM, _TOKENS_OF_FILM = 64, 128, 32
"""Latents of a picture and of a film, and a transformer's tokens of one."""


def vae(manifest: str, out: str) -> TrainConfig:
    """4 x 8 x 8 pixels become 16 values: first of pictures, then of films, without an adversary.

    Pictures differ more than the frames of one film do, and eight of them cost less than a third of a film.
    """
    model = VaeConfig(
        channels=(16, 32, 64),
        pixel_patch=2,
        latent_channels=LATENTS,
        groups=None,
        encoder_blocks=1,
        decoder_blocks=1,
        pictures_first=True,
    )
    objective = VaeObjective(
        model=model,
        discriminator=DiscriminatorConfig(channels=(16, 32), groups=8),
        l2_weight=3.0,
        perceptual_weight=0.05,
        adversarial_start=1_000_000,
    )
    optimizer = OptimizerConfig(learning_rate=2e-3, beta2=0.99, warmup_steps=30, schedule="cosine", final_share=0.1)
    pictures = Stage(
        data=_data(manifest, budget_tokens=8 * _STILL, still_share=1.0),
        trainer=TrainerConfig(steps=1400, threads=VAE_THREADS, ema_decay=0.99, eval_every=350, checkpoint_every=350),
        optimizer=optimizer,
    )
    return TrainConfig(
        name="shapes_vae",
        out=out,
        objective=objective,
        stages={"pictures": pictures},
        data=_data(manifest, budget_tokens=2 * _FILM),
        trainer=TrainerConfig(steps=800, threads=VAE_THREADS, ema_decay=0.99, eval_every=400, checkpoint_every=400),
        optimizer=replace(optimizer, learning_rate=5e-4, warmup_steps=50, final_share=0.05),
    )


def dit(manifest: str, out: str) -> TrainConfig:
    """2.4 M weights, 32 tokens a film; three of ten films are told their first frame.

    It is wide, and has few layers: a token has 64 values of a film, and noise that is told from them passes through its
    width. Captions are read by words: from bytes, directions are learnt thrice as late. What a film shows is decided
    while it is mostly noise, so that is what most steps are about.
    """
    objective = DitObjective(
        vae="",
        model=replace(
            ea_tiny(),
            dim=160,
            heads=10,
            layers=4,
            mmdit_layers=2,
            latent_channels=LATENTS,
            in_channels=2 * LATENTS + 1,
        ),
        text=WordTextConfig(),
        first_frame_share=0.3,
        shift=3.0,
    )
    return TrainConfig(
        name="shapes_dit",
        out=out,
        objective=objective,
        data=_data(manifest, budget_tokens=16 * _TOKENS_OF_FILM, distinct_epochs=EPOCHS),
        trainer=TrainerConfig(steps=5000, threads=1, ema_decay=0.998, eval_every=2500, checkpoint_every=1000),
        optimizer=OptimizerConfig(learning_rate=3e-3, beta2=0.99, warmup_steps=50, schedule="cosine", final_share=0.05),
    )


def lora(manifest: str, out: str) -> TrainConfig:
    """Rank 16, by a dozen films of one look, of which none is held out."""
    data = replace(_data(manifest, budget_tokens=6 * _TOKENS_OF_FILM), held_out_share=0.0)
    return replace(recipes.tiny_lora(manifest, out), name="shapes_lora", data=data)


def reward(manifest: str, out: str) -> TrainConfig:
    """Rank 32, by shape above all, colour and direction; the background is watched."""
    rewards = {"color": 1.0, "direction": 0.5, "shape": 4.0}
    objective = RewardObjective(base="", rank=32, rewards=rewards, last_steps=4, sampling=TUNED)
    return TrainConfig(
        name="shapes_reward",
        out=out,
        objective=objective,
        data=_data(manifest, budget_tokens=8 * _TOKENS_OF_FILM),
        trainer=TrainerConfig(steps=80, threads=1, ema_decay=None, eval_every=40, checkpoint_every=40),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=10, weight_decay=0.0, schedule="cosine"),
    )


def _data(manifest: str, *, budget_tokens: int, still_share: float = 0.1, distinct_epochs: int = 0) -> ClipData:
    """Captions held out are never trained on."""
    sampler = SamplerConfig(
        budget_tokens=budget_tokens,
        fps=2.0,
        min_frames=FRAMES,
        max_frames=FRAMES,
        min_side=SIDE,
        max_side=SIDE,
        sides=1,
        still_share=still_share,
        distinct_epochs=distinct_epochs,
    )
    return ClipData(manifest=manifest, sampler=sampler, held_out_share=0.12, held_out_by="caption", held_out_batches=24)
