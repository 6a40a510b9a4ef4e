"""Training recipes: each public function here returns a whole configuration for a manifest and a run's folder, and is
what `--recipe` calls by its name.

To have your own, copy one, here or into a file of yours (`--recipe path/to/file.py:name`), and change a field.

The `tiny` ones train on two CPU cores in minutes, on the shapes corpus: 32 x 32 pixels, 9 frames, 4 frames a second.
Those of other people's models want `--set objective.model=FOLDER`, or a hub id; see docs/finetune.md.
"""

from __future__ import annotations

from dataclasses import replace

from training.data.clips import ClipData
from training.data.plan.config import SamplerConfig
from training.families.cogvideox import CogVideoX
from training.families.easyanimate import EasyAnimate
from training.families.hunyuan_video import HunyuanVideo
from training.families.hunyuan_video15 import HunyuanVideo15
from training.families.hunyuan_video_image import HunyuanVideoFromImage
from training.families.ltx import Ltx
from training.families.ltx2 import Ltx2
from training.families.recipe import lora_of
from training.families.wan import Wan
from training.families.wan22 import Wan22, WanWithFirstFrame
from training.models.discriminator import DiscriminatorConfig
from training.models.dit import DitConfig
from training.models.motion import MotionConfig
from training.models.pixart import PixArtConfig
from training.models.sizes import ea_tiny
from training.models.text_bytes import ByteTextConfig
from training.models.vae import VaeConfig
from training.objectives.diffusion import Diffusion
from training.objectives.dit import DitObjective
from training.objectives.lora import LoraObjective
from training.objectives.motion import MotionObjective
from training.objectives.reward import RewardObjective
from training.objectives.vae import VaeObjective
from training.run.config import OptimizerConfig, Stage, TrainConfig, TrainerConfig

TINY_LATENTS = 8
"""Channels of the tiny autoencoder's latents."""


def tiny_vae(manifest: str, out: str) -> TrainConfig:
    """1.7 M weights: 4 x 8 x 8 pixels become 8 values."""
    return TrainConfig(
        name="tiny_vae",
        out=out,
        objective=_tiny_vae_objective(),
        data=_tiny_data(manifest, samples=4, tokens=48),
        trainer=TrainerConfig(steps=1200, threads=1, ema_decay=0.99, eval_every=200, checkpoint_every=600),
        optimizer=OptimizerConfig(learning_rate=5e-4, beta2=0.99, warmup_steps=30, schedule="cosine", final_share=0.05),
        other_optimizers={"discriminator": OptimizerConfig(learning_rate=1e-3, beta1=0.5, beta2=0.9)},
    )


def tiny_vae_stages(manifest: str, out: str) -> TrainConfig:
    """`tiny_vae` in three stages: by pictures, then by videos, whose frames lie up to thrice as far apart, then the
    decoder alone."""
    whole, objective = tiny_vae(manifest, out), _tiny_vae_objective()
    videos = _tiny_data(manifest, samples=4, tokens=48)
    pictures = replace(videos, sampler=replace(videos.sampler, still_share=1.0))
    strided = replace(videos, reading=replace(videos.reading, max_stride=3))
    return replace(
        whole,
        name="tiny_vae_stages",
        objective=replace(objective, trains="decoder", adversarial_start=0),
        data=strided,
        trainer=replace(whole.trainer, steps=300),
        optimizer=replace(whole.optimizer, learning_rate=2e-4),
        stages={
            name: Stage(
                data=data,
                trainer=replace(whole.trainer, steps=600),
                optimizer=whole.optimizer,
                objective=replace(objective, adversarial_start=600),
            )
            for name, data in (("pictures", pictures), ("videos", strided))
        },
    )


def tiny_dit(manifest: str, out: str) -> TrainConfig:
    """1.5 M weights; `--set objective.vae=RUN` names the autoencoder."""
    return TrainConfig(
        name="tiny_dit",
        out=out,
        objective=_tiny_dit_objective(ea_tiny()),
        data=_tiny_data(manifest, samples=32),
        trainer=TrainerConfig(steps=2000, threads=1, ema_decay=0.995, eval_every=250, checkpoint_every=500),
        optimizer=OptimizerConfig(learning_rate=4e-3, beta2=0.99, warmup_steps=50, schedule="cosine", final_share=0.05),
    )


def tiny_dit_stages(manifest: str, out: str) -> TrainConfig:
    """`tiny_dit` with tokens of one latent, at 32 pixels, and from there at 64: four times the tokens a video.

    Positions are those of the small picture at either size: what is counted anew would have to be learnt anew.
    """
    small = tiny_dit(manifest, out)
    data = _tiny_data(manifest, samples=32, tokens=48)
    return replace(
        small,
        name="tiny_dit_stages",
        objective=_tiny_dit_objective(replace(ea_tiny(), patch=1, base_grid=(4, 4))),
        stages={"small": Stage(data=data, trainer=small.trainer, optimizer=small.optimizer)},
        data=replace(data, sampler=replace(data.sampler, min_side=64, max_side=64)),
        trainer=replace(small.trainer, steps=500),
        optimizer=replace(small.optimizer, learning_rate=1e-3),
    )


def tiny_image(manifest: str, out: str) -> TrainConfig:
    """0.9 M weights of the first generation, by single frames; `--set objective.vae=RUN` names the autoencoder.

    For `tiny_motion` that should be one of frames, `tiny_vae --set objective.model.temporal_stride=1`.
    """
    model = PixArtConfig(
        dim=96, heads=6, layers=6, text_dim=64, latent_channels=TINY_LATENTS, in_channels=TINY_LATENTS, span=None
    )
    objective = DitObjective(
        vae="",
        model=model,
        text=ByteTextConfig(stride=4),
        first_frame_share=0.0,
        diffusion=Diffusion(predicts="v", spacing="trailing"),
    )
    data = _tiny_data(manifest, samples=32, tokens=4)
    return replace(
        tiny_dit(manifest, out),
        name="tiny_image",
        objective=objective,
        data=replace(data, sampler=replace(data.sampler, still_share=1.0)),
    )


def tiny_motion(manifest: str, out: str) -> TrainConfig:
    """Motion modules of 1.1 M weights for `tiny_image`; `--set objective.base=RUN` names its run."""
    motion = MotionConfig(kind="temporal", heads=6)
    data = _tiny_data(manifest, samples=16, tokens=36)
    return replace(
        tiny_dit(manifest, out),
        name="tiny_motion",
        objective=MotionObjective(base="", motion=motion),
        data=replace(data, sampler=replace(data.sampler, still_share=0.0)),
    )


def tiny_lora(manifest: str, out: str) -> TrainConfig:
    """LoRA of rank 16 by flow matching; `--set objective.base=RUN` names the transformer."""
    return TrainConfig(
        name="tiny_lora",
        out=out,
        objective=LoraObjective(base=""),
        data=replace(_tiny_data(manifest, samples=8), held_out_share=0.0),
        trainer=TrainerConfig(steps=200, threads=1, ema_decay=0.95, eval_every=50, checkpoint_every=100),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=10, weight_decay=0.0),
    )


def tiny_reward(manifest: str, out: str) -> TrainConfig:
    """LoRA of rank 8; `--set objective.base=RUN` names the transformer."""
    return TrainConfig(
        name="tiny_reward",
        out=out,
        objective=RewardObjective(base=""),
        data=_tiny_data(manifest, samples=16),
        trainer=TrainerConfig(steps=60, threads=1, ema_decay=None, eval_every=15, checkpoint_every=30),
        optimizer=OptimizerConfig(learning_rate=5e-4, warmup_steps=5, weight_decay=0.0),
    )


def wan2_1_lora(manifest: str, out: str) -> TrainConfig:
    """LoRA of Wan 2.1 by 81 frames of 480 x 832; `--set objective.model=Wan-AI/Wan2.1-T2V-1.3B-Diffusers`, or of 14 B.

    By calculation 1.3 B fits a card of 24 GB; see docs/finetune.md.
    """
    return lora_of(Wan(), "wan2_1_lora", manifest, out, tokens=32_760, fps=16.0, frames=81, side=632)


def wan2_2_high_lora(manifest: str, out: str) -> TrainConfig:
    """Of Wan 2.2's expert for much noise, by 81 frames of 480 x 832; `Wan-AI/Wan2.2-T2V-A14B-Diffusers`."""
    return lora_of(Wan22(), "wan2_2_high_lora", manifest, out, tokens=32_760, fps=16.0, frames=81, side=632)


def wan2_2_low_lora(manifest: str, out: str) -> TrainConfig:
    """Of Wan 2.2's expert for little noise, which sees details."""
    family = Wan22(expert="low")
    return lora_of(family, "wan2_2_low_lora", manifest, out, tokens=32_760, fps=16.0, frames=81, side=632)


def wan2_2_5b_lora(manifest: str, out: str) -> TrainConfig:
    """Of Wan 2.2's 5 B by 121 frames of 704 x 1280, half of them from a first; `Wan-AI/Wan2.2-TI2V-5B-Diffusers`."""
    family, size = WanWithFirstFrame(), {"tokens": 27_280, "frames": 121, "side": 949}
    return lora_of(family, "wan2_2_5b_lora", manifest, out, fps=24.0, first_frame_share=0.5, **size)


def cogvideox_lora(manifest: str, out: str) -> TrainConfig:
    """Of CogVideoX 1.5 by 81 frames of 480 x 720; `zai-org/CogVideoX1.5-5B`."""
    return lora_of(CogVideoX(), "cogvideox_lora", manifest, out, tokens=28_350, fps=16.0, frames=81, side=588)


def ltx_lora(manifest: str, out: str) -> TrainConfig:
    """Of LTX-Video by 121 frames of 512 x 768, half of them from a first; `Lightricks/LTX-Video`."""
    family, size = Ltx(), {"tokens": 6_144, "frames": 121, "side": 627}
    return lora_of(family, "ltx_lora", manifest, out, fps=25.0, first_frame_share=0.5, **size)


def ltx2_lora(manifest: str, out: str) -> TrainConfig:
    """Of LTX-2's video, without sound, by 121 frames of 512 x 768, half of them from a first; `Lightricks/LTX-2`."""
    family, size = Ltx2(), {"tokens": 6_144, "frames": 121, "side": 627}
    return lora_of(family, "ltx2_lora", manifest, out, fps=24.0, first_frame_share=0.5, **size)


def hunyuan_video_lora(manifest: str, out: str) -> TrainConfig:
    """Of HunyuanVideo by 61 frames of 544 x 960; `hunyuanvideo-community/HunyuanVideo`."""
    return lora_of(HunyuanVideo(), "hunyuan_video_lora", manifest, out, tokens=32_640, fps=24.0, frames=61, side=722)


def hunyuan_video_image_lora(manifest: str, out: str) -> TrainConfig:
    """The same from a first frame; `hunyuanvideo-community/HunyuanVideo-I2V`, or its `HunyuanVideo-I2V-33ch`."""
    family, name = HunyuanVideoFromImage(), "hunyuan_video_image_lora"
    return lora_of(family, name, manifest, out, tokens=32_640, fps=24.0, frames=61, side=722, first_frame_share=1.0)


def hunyuan_video15_lora(manifest: str, out: str) -> TrainConfig:
    """Of HunyuanVideo 1.5 by 121 frames of 480 x 848; `hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v`."""
    family = HunyuanVideo15()
    return lora_of(family, "hunyuan_video15_lora", manifest, out, tokens=49_290, fps=24.0, frames=121, side=638)


def easyanimate_lora(manifest: str, out: str) -> TrainConfig:
    """Of EasyAnimate 5.1 by 49 frames of 512 x 512; `alibaba-pai/EasyAnimateV5.1-7b-zh-diffusers`."""
    return lora_of(EasyAnimate(), "easyanimate_lora", manifest, out, tokens=13_312, fps=8.0, frames=49, side=512)


def _tiny_vae_objective() -> VaeObjective:
    model = VaeConfig(
        channels=(16, 32, 64),
        pixel_patch=2,
        latent_channels=TINY_LATENTS,
        groups=None,
        encoder_blocks=1,
        decoder_blocks=1,
    )
    return VaeObjective(
        model=model,
        discriminator=DiscriminatorConfig(channels=(16, 32), groups=8),
        l2_weight=3.0,
        perceptual_weight=0.05,
        kl_weight=1e-4,
        adversarial_weight=0.02,
        adversarial_start=1100,
    )


def _tiny_dit_objective(layout: DitConfig) -> DitObjective:
    model = replace(layout, latent_channels=TINY_LATENTS, in_channels=2 * TINY_LATENTS + 1)
    return DitObjective(vae="", model=model, text=ByteTextConfig(stride=4), first_frame_share=0.5)


def _tiny_data(manifest: str, *, samples: int, tokens: int = 12) -> ClipData:
    """`samples` videos of `tokens` each a step, or images that fill as much; captions held out are never trained on."""
    sampler = SamplerConfig(
        budget_tokens=samples * tokens,
        fps=4.0,
        min_frames=9,
        max_frames=9,
        min_side=32,
        max_side=32,
        sides=1,
        still_share=0.1,
    )
    return ClipData(manifest=manifest, sampler=sampler, held_out_share=0.12, held_out_by="caption")
