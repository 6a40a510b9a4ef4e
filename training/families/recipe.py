"""What recipes of a LoRA on a pretrained model have in common."""

from __future__ import annotations

from training.data.clips import ClipData
from training.data.plan.config import SamplerConfig
from training.families.family import Family
from training.families.pretrained import PretrainedObjective
from training.run.config import OptimizerConfig, TrainConfig, TrainerConfig


def lora_of(
    family: Family,
    name: str,
    manifest: str,
    out: str,
    *,
    tokens: int,
    fps: float,
    frames: int,
    side: int,
    first_frame_share: float = 0.0,
) -> TrainConfig:
    """A LoRA of rank 32 by a few dozen clips, of which nothing is held out; `--set objective.model=` names the model.

    Args:
        family: how it is trained.
        name: the recipe's.
        manifest: of the clips.
        out: the run's folder.
        tokens: of a step: those of one clip of the most frames.
        fps: frames a second that the model knows.
        frames: the most of a clip; it may have as few as 17.
        side: of the square, in pixels, whose area all clips have.
        first_frame_share: of the clips of which the first frame is told.
    """
    sampler = SamplerConfig(
        budget_tokens=tokens,
        fps=fps,
        min_frames=17,
        max_frames=frames,
        min_side=side,
        max_side=side,
        sides=1,
        distinct_epochs=4,
    )
    return TrainConfig(
        name=name,
        out=out,
        objective=PretrainedObjective(model="", family=family, first_frame_share=first_frame_share),
        data=ClipData(manifest=manifest, sampler=sampler, held_out_share=0.0),
        trainer=TrainerConfig(
            steps=1000,
            precision="bf16",
            activation_checkpointing=True,
            ema_decay=None,
            eval_every=250,
            checkpoint_every=250,
        ),
        optimizer=OptimizerConfig(learning_rate=1e-4, warmup_steps=20),
    )
