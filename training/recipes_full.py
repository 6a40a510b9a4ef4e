"""Recipes of released sizes, which take a cluster: `python -m training plan NAME --gpus N` says how large a one.

The method is EasyAnimate v5.1's (arXiv 2405.18991, section 4): stages of ever more tokens a sample, from pictures to
49 frames of 1024 x 1024, text by Qwen2-VL, the first frame told in some videos; the optimizer's settings are those of
its scripts. Data of each stage are bounds on a manifest's columns, those of the paper's table 2. Batches and steps are
those of the authors' report on v5.1, for 256 GPUs (theirs were over 200): elsewhere change `trainer.accumulation`.
`--set objective.vae=RUN` names the autoencoder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.data.clips import ClipData
from training.data.plan.config import SamplerConfig
from training.models.dit import DitConfig
from training.models.sizes import ea_7b_inp, ea_12b_inp
from training.models.text_hub import QwenVlTextConfig
from training.objectives.dit import DitObjective
from training.run.config import OptimizerConfig, Stage, TrainConfig, TrainerConfig

GPUS = 256
"""For which the accumulation is set: each has one sample of the stage's largest size in a micro-step."""
_OPTIMIZER = OptimizerConfig(learning_rate=2e-5, epsilon=1e-10, weight_decay=5e-3, warmup_steps=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperStage:
    """One row of what was trained."""

    tokens: int
    """Of a sample, of 49 frames at `side`."""
    side: int
    """Pixels of the largest square."""
    batch: int
    """Samples of a step, on all GPUs."""
    steps: int
    """Of the optimizer."""
    bounds: str
    """On the manifest's columns."""
    pictures: bool = False
    """Whether videos are shown as single frames."""
    first_frame_share: float = 0.0
    """Of the videos whose first frame is told: in text-to-video stages none is."""


_PRETRAIN = "motion>=0.5, aesthetic>=4, text_area<=0.02"
PAPER: dict[str, PaperStage] = {
    "pictures": PaperStage(tokens=3_328, side=256, batch=1024, steps=120_000, bounds="", pictures=True),
    "small": PaperStage(tokens=3_328, side=256, batch=1024, steps=100_000, bounds=_PRETRAIN),
    "middle": PaperStage(tokens=13_312, side=512, batch=512, steps=60_000, bounds=f"{_PRETRAIN}, short_side>=512"),
    "middle_image": PaperStage(
        tokens=13_312,
        side=512,
        batch=256,
        steps=5_000,
        bounds="motion>=2, aesthetic>=4.5, text_area<=0.02, short_side>=720",
        first_frame_share=0.5,
    ),
    "large": PaperStage(
        tokens=53_248,
        side=1024,
        batch=256,
        steps=5_000,
        bounds="motion>=2, aesthetic>=4.5, text_area<=0.02, short_side>=720",
        first_frame_share=0.5,
    ),
}
"""In order; the last is a recipe's own run. The batch of `pictures` and which stages told first frames to how many
videos are not published: those here are ours."""


def ea_7b(manifest: str, out: str) -> TrainConfig:
    """6.8 G weights: EasyAnimate v5.1 7B InP, in five stages."""
    return _full("ea_7b", manifest, out, ea_7b_inp())


def ea_12b(manifest: str, out: str) -> TrainConfig:
    """11.8 G weights: EasyAnimate v5.1 12B InP, in five stages."""
    return _full("ea_12b", manifest, out, ea_12b_inp())


def ea_12b_pictures(manifest: str, out: str) -> TrainConfig:
    """The first stage of `ea_12b` alone: pictures, by which the transformer gets to know the autoencoder."""
    return _stage("pictures", manifest, out)


def ea_12b_small(manifest: str, out: str) -> TrainConfig:
    """The second: 3,328 tokens, 49 frames of 256 x 256; `--set objective.start=RUN` names the stage before."""
    return _stage("small", manifest, out)


def ea_12b_middle(manifest: str, out: str) -> TrainConfig:
    """The third: 13,312 tokens, 49 frames of 512 x 512."""
    return _stage("middle", manifest, out)


def ea_12b_middle_image(manifest: str, out: str) -> TrainConfig:
    """The fourth: the same with first frames told, on the best clips."""
    return _stage("middle_image", manifest, out)


def ea_12b_large(manifest: str, out: str) -> TrainConfig:
    """The last: 53,248 tokens, 49 frames of 1024 x 1024."""
    return _stage("large", manifest, out)


def _full(name: str, manifest: str, out: str, model: DitConfig) -> TrainConfig:
    *before, last = PAPER.values()
    objective = DitObjective(vae="", model=model, text=QwenVlTextConfig(), shift=2.7)
    return TrainConfig(
        name=name,
        out=out,
        objective=_told(objective, last),
        data=_data(manifest, last),
        trainer=_trainer(last),
        optimizer=_OPTIMIZER,
        stages={
            stage: Stage(
                data=_data(manifest, each),
                trainer=_trainer(each),
                optimizer=_OPTIMIZER,
                objective=_told(objective, each),
            )
            for stage, each in zip(PAPER, before, strict=False)
        },
    )


def _stage(stage: str, manifest: str, out: str) -> TrainConfig:
    each = PAPER[stage]
    objective = DitObjective(vae="", model=ea_12b_inp(), text=QwenVlTextConfig(), shift=2.7)
    return TrainConfig(
        name=f"ea_12b_{stage}",
        out=out,
        objective=_told(objective, each),
        data=_data(manifest, each),
        trainer=_trainer(each),
        optimizer=_OPTIMIZER,
    )


def _told(objective: DitObjective, stage: PaperStage) -> DitObjective:
    return replace(objective, first_frame_share=stage.first_frame_share)


def _data(manifest: str, stage: PaperStage) -> ClipData:
    """Videos of up to 49 frames; the largest fill a micro-step alone."""
    sampler = SamplerConfig(
        budget_tokens=stage.tokens,
        max_side=stage.side,
        bounds=stage.bounds,
        still_share=1.0 if stage.pictures else 0.0,
    )
    return ClipData(manifest=manifest, sampler=sampler)


def _trainer(stage: PaperStage) -> TrainerConfig:
    return TrainerConfig(
        steps=stage.steps,
        accumulation=stage.batch // GPUS,
        precision="bf16",
        strategy="fsdp2",
        activation_checkpointing=True,
        ema_decay=0.9999,
        checkpoint_every=1000,
        eval_every=1000,
    )
