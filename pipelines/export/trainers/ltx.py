"""ltx-trainer, of LTX-2: a table of clips, of which it takes the first frames, and a YAML of the training.

It encodes a clip's sound by default, and learns it along with the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipelines.export.config_text import command, json_lines, yaml_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.trainer import Text, Trainer

CONFIG, ENCODED = "train.yaml", "precomputed"
CHECKPOINT, ENCODER = "PATH/TO/ltx-2.x-checkpoint.safetensors", "PATH/TO/gemma"
MOST_PROMPTS = 4
"""Captions of clips held out that are sampled while it trains."""


def _texts(export: Export) -> Iterator[Text]:
    """Its reader finds files from the folder of the table, and passes over columns that it does not know."""
    for split in (TRAIN, VALIDATION) if export.held_out else (TRAIN,):
        rows = ({"video": export.file(item), "caption": item.caption} for item in export.of(split))
        yield f"{split}.jsonl", json_lines(rows)
    yield CONFIG, yaml_of(_training(export))


def _training(export: Export) -> dict[str, Any]:
    model, frames, _ = export.fitted()
    captions = [item.caption for item in export.of(VALIDATION) if item.caption][:MOST_PROMPTS]
    return {
        "model": {"model_path": CHECKPOINT, "text_encoder_path": ENCODER, "training_mode": "lora"},
        "lora": {
            "rank": 32,
            "alpha": 32,
            "dropout": 0.0,
            "target_modules": ["to_k", "to_q", "to_v", "to_out.0"],
        },
        "training_strategy": _strategy(export),
        "optimization": {
            "learning_rate": 1e-4,
            "steps": 2000,
            "batch_size": 1,
            "gradient_accumulation_steps": 1,
            "max_grad_norm": 1.0,
            "optimizer_type": "adamw",
            "scheduler_type": "linear",
            "enable_gradient_checkpointing": True,
        },
        "acceleration": {"mixed_precision_mode": "bf16"},
        "data": {"preprocessed_data_root": export.place(ENCODED), "num_dataloader_workers": 2},
        "validation": {
            "samples": [{"prompt": caption} for caption in captions],
            "video_dims": [*export.shapes()[0], frames],
            "frame_rate": model.fps,
            "interval": 100 if captions else None,
            "generate_audio": export.sound,
        },
        "checkpoints": {"interval": 250, "keep_last_n": -1},
        "flow_matching": {"timestep_sampling_mode": "shifted_logit_normal"},
        "seed": 42,
        "output_dir": export.place("runs"),
    }


def _strategy(export: Export) -> dict[str, Any]:
    video = {"is_generated": True, "latents_dir": "latents"}
    sound = {"audio": {"is_generated": True, "latents_dir": "audio_latents"}} if export.sound else {}
    return {"name": "flexible", "video": video, **sound}


def _commands(export: Export) -> Sequence[str]:
    _, frames, _ = export.fitted()
    buckets = ";".join(f"{width}x{height}x{frames}" for width, height in export.shapes())
    return (
        command(
            *("uv", "run", "python", "scripts/process_dataset.py", export.place(f"{TRAIN}.jsonl")),
            **{
                "resolution-buckets": buckets,
                "model-path": CHECKPOINT,
                "text-encoder-path": ENCODER,
                "output-dir": export.place(ENCODED),
                **({} if export.sound else {"skip-audio": True}),
            },
        ),
        command("uv", "run", "python", "scripts/train.py", export.place(CONFIG)),
    )


TRAINER = Trainer(
    name="ltx",
    source=(
        "https://github.com/Lightricks/LTX-2: packages/ltx-trainer/docs/dataset-preparation.md, "
        "packages/ltx-trainer/configs/t2v_lora.yaml, packages/ltx-trainer/src/ltx_trainer/config.py"
    ),
    models=("ltx2",),
    texts=_texts,
    commands=_commands,
)
