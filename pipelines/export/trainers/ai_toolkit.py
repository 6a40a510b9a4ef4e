"""ai-toolkit: a folder of clips and `.txt`, and a YAML of the whole training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from pipelines.export.config_text import command, yaml_of
from pipelines.export.content import TRAIN, Export
from pipelines.export.trainer import Text, Trainer
from preprocess.kinds import PICTURE, VIDEO

CONFIG = "train.yaml"
_MODELS: Mapping[str, Mapping[str, object]] = {
    "wan2.1": {"name_or_path": "Wan-AI/Wan2.1-T2V-14B-Diffusers", "arch": "wan21"},
    "wan2.2": {
        "name_or_path": "ai-toolkit/Wan2.2-T2V-A14B-Diffusers-bf16",
        "arch": "wan22_14b",
        "model_kwargs": {"train_high_noise": True, "train_low_noise": True},
    },
    "wan2.2-5b": {"name_or_path": "Wan-AI/Wan2.2-TI2V-5B-Diffusers", "arch": "wan22_5b"},
    "ltx2": {"name_or_path": "Lightricks/LTX-2.3", "arch": "ltx2.3"},
}
"""config/examples, and `arch` of the classes in extensions_built_in/diffusion_models."""


def _texts(export: Export) -> Iterator[Text]:
    model, _, _ = export.fitted()
    process = {
        "type": "sd_trainer",
        "training_folder": export.place("runs"),
        "device": "cuda:0",
        "network": {"type": "lora", "linear": 32, "linear_alpha": 32},
        "save": {"dtype": "float16", "save_every": 250, "max_step_saves_to_keep": 4},
        "datasets": list(_datasets(export)),
        "train": {
            "batch_size": 1,
            "steps": 2000,
            "gradient_accumulation": 1,
            "train_unet": True,
            "train_text_encoder": False,
            "gradient_checkpointing": True,
            "noise_scheduler": "flowmatch",
            "timestep_type": "linear",
            "optimizer": "adamw8bit",
            "lr": 1e-4,
            "optimizer_params": {"weight_decay": 1e-4},
            "cache_text_embeddings": True,
            "disable_sampling": True,
            "dtype": "bf16",
            **({"switch_boundary_every": 10} if model.name == "wan2.2" else {}),
        },
        "model": {**_MODELS[model.name], "quantize": True, "quantize_te": True, "low_vram": True},
    }
    whole = {"job": "extension", "config": {"name": "lora", "process": [process]}}
    yield CONFIG, yaml_of({**whole, "meta": {"name": "[name]", "version": "1.0"}})


def _datasets(export: Export) -> Iterator[Mapping[str, object]]:
    """Of exactly `num_frames` frames, `shrink_video_to_frames` takes each one (toolkit/dataloader_mixins.py). A folder
    is read for videos, or, where that is 1, for pictures (toolkit/data_loader.py)."""
    model, frames, (width, height) = export.fitted()
    both = {
        "folder_path": export.place(TRAIN),
        "caption_ext": "txt",
        "caption_dropout_rate": 0.05,
        "num_repeats": export.repeats,
        "resolution": [round(math.sqrt(width * height))],
        "cache_latents_to_disk": True,
    }
    kinds = export.kinds(TRAIN)
    if VIDEO in kinds:
        yield {
            **both,
            "num_frames": frames,
            "fps": round(model.fps),
            "shrink_video_to_frames": True,
            **({"do_audio": True} if export.sound else {}),
        }
    if PICTURE in kinds:
        yield {**both, "num_frames": 1}


def _commands(export: Export) -> Sequence[str]:
    return (command("python", "run.py", export.place(CONFIG)),)


TRAINER = Trainer(
    name="ai-toolkit",
    source=(
        "https://github.com/ostris/ai-toolkit: config/examples/train_lora_wan22_14b_24gb.yaml, "
        "toolkit/config_modules.py (DatasetConfig)"
    ),
    models=tuple(_MODELS),
    captions="",
    pictures=lambda model: True,
    texts=_texts,
    commands=_commands,
)
