"""FastVideo: `videos/` and a JSON list of them, which it turns into Parquet of latents first.

Its guide names path and caption alone; its code (fastvideo/workflow/preprocess/components.py) also wants size, rate
and number of frames, and drops what has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelines.export.config_text import command, json_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.trainer import Text, Trainer

ENCODED = "encoded"
_MODELS: Mapping[str, tuple[str, str]] = {
    "wan2.1": ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "wan_training_pipeline.py"),
    "ltx2": ("FastVideo/LTX2-Distilled-Diffusers", "ltx2_training_pipeline.py"),
}
"""Weights, and the script in fastvideo/training; examples/training/finetune."""


def _texts(export: Export) -> Iterator[Text]:
    for split in (TRAIN, VALIDATION):
        rows = [
            {
                "path": item.file.name,
                "cap": item.caption,
                "resolution": {"width": item.file.width, "height": item.file.height},
                "fps": item.file.fps,
                "duration": item.file.duration_seconds,
                "num_frames": item.file.num_frames,
            }
            for item in export.of(split)
        ]
        if rows:
            yield f"{split}/videos2caption.json", json_of(rows)


def _preparation(export: Export) -> Mapping[str, object]:
    model, frames, (width, height) = export.fitted()
    return {
        "video_loader_type": "torchvision",
        "dataset_type": "merged",
        "dataset_path": export.place(TRAIN),
        "dataset_output_dir": export.place(ENCODED),
        **({"with_audio": "true"} if export.sound else {}),
        "preprocess_video_batch_size": 1,
        "dataloader_num_workers": 0,
        "max_height": height,
        "max_width": width,
        "num_frames": frames,
        "train_fps": round(model.fps),
    }


def _commands(export: Export) -> Sequence[str]:
    model, frames, (width, height) = export.fitted()
    weights, script = _MODELS[model.name]
    return (
        command(
            *("torchrun", "--nproc_per_node=1", "-m", "fastvideo.pipelines.preprocess.v1_preprocessing_new"),
            model_path=weights,
            mode="preprocess",
            workload_type="t2v",
            **{f"preprocess.{name}": value for name, value in _preparation(export).items()},
        ),
        command(
            *("torchrun", "--nnodes=1", "--nproc_per_node=1", f"fastvideo/training/{script}"),
            model_path=weights,
            pretrained_model_name_or_path=weights,
            data_path=export.place(ENCODED),
            num_latent_t=(frames - 1) // model.frame_step + 1,
            num_height=height,
            num_width=width,
            num_frames=frames,
            lora_training="True",
            lora_rank=32,
            num_gpus=1,
            max_train_steps=5000,
            train_batch_size=1,
            learning_rate="5e-5",
            mixed_precision="bf16",
            output_dir=export.place("runs"),
        ),
    )


TRAINER = Trainer(
    name="fastvideo",
    source=(
        "https://github.com/hao-ai-lab/FastVideo: docs/training/data_preprocess.md, "
        "fastvideo/workflow/preprocess/components.py, examples/training/finetune"
    ),
    models=tuple(_MODELS),
    media="videos",
    texts=_texts,
    commands=_commands,
)
