"""Recipes of released sizes, which take a cluster: `python -m training plan NAME --gpus N` says how large a one.

The method is EasyAnimate v5.1's (arXiv 2405.18991, section 4): stages of ever more tokens a step, 3,328 to 13,312 to
53,248, text by Qwen2-VL, the first frame told in some videos; the optimizer's settings are those of its scripts. How
many steps they took is not known: those here are round numbers. `--set objective.vae=RUN` names the autoencoder.
"""

from __future__ import annotations

from training.data.clips import ClipData
from training.data.plan.config import SamplerConfig
from training.models.dit import DitConfig
from training.models.sizes import ea_7b_inp, ea_12b_inp
from training.models.text_hub import QwenVlTextConfig
from training.objectives.dit import DitObjective
from training.run.config import OptimizerConfig, Stage, TrainConfig, TrainerConfig

_OPTIMIZER = OptimizerConfig(learning_rate=2e-5, epsilon=1e-10, weight_decay=5e-3, warmup_steps=100)
STAGES = {"small": (3_328, 256), "middle": (13_312, 512)}
"""Tokens of a step and side in pixels, before the last stage of 53,248 tokens and 1024 pixels: those of 49 frames."""


def ea_7b(manifest: str, out: str) -> TrainConfig:
    """6.8 G weights: EasyAnimate v5.1 7B InP, in three stages."""
    return _full("ea_7b", manifest, out, ea_7b_inp())


def ea_12b(manifest: str, out: str) -> TrainConfig:
    """11.8 G weights: EasyAnimate v5.1 12B InP, in three stages."""
    return _full("ea_12b", manifest, out, ea_12b_inp())


def _full(name: str, manifest: str, out: str, model: DitConfig) -> TrainConfig:
    return TrainConfig(
        name=name,
        out=out,
        objective=DitObjective(vae="", model=model, text=QwenVlTextConfig(), shift=2.7),
        data=_data(manifest, 53_248, 1024),
        trainer=_trainer(steps=20_000),
        optimizer=_OPTIMIZER,
        stages={
            stage: Stage(data=_data(manifest, tokens, side), trainer=_trainer(steps=50_000), optimizer=_OPTIMIZER)
            for stage, (tokens, side) in STAGES.items()
        },
    )


def _data(manifest: str, tokens: int, side: int) -> ClipData:
    """Videos of up to 49 frames; the largest fill a step alone."""
    sampler = SamplerConfig(budget_tokens=tokens, max_side=side)
    return ClipData(manifest=manifest, sampler=sampler)


def _trainer(*, steps: int) -> TrainerConfig:
    return TrainerConfig(
        steps=steps,
        precision="bf16",
        strategy="fsdp2",
        activation_checkpointing=True,
        async_checkpoints=True,
        ema_decay=0.9999,
        checkpoint_every=1000,
        eval_every=1000,
    )
