"""SimpleTuner: a folder of clips and `.txt`, a JSON list of what it reads, and one of the training.

Each line of a `.txt` is another caption to it. Clips without sound break LTX-2 where sound is asked for
(its issue 2537), which is why an export with sound has no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.export.config_text import command, json_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.trainer import Text, Trainer

_MODELS: Mapping[str, Mapping[str, str]] = {
    "wan2.1": {"model_family": "wan", "model_flavour": "t2v-480p-14b-2.1"},
    "wan2.2-5b": {"model_family": "wan", "model_flavour": "ti2v-5b-2.2"},
    "hunyuan1.5": {"model_family": "hunyuanvideo", "model_flavour": "t2v-480p"},
    "ltx2": {"model_family": "ltxvideo2", "model_flavour": "2.3-dev"},
}
"""HUGGINGFACE_PATHS of the classes in simpletuner/helpers/models; of Wan 2.2 A14B it has image-to-video alone."""


def _texts(export: Export) -> Iterator[Text]:
    model, frames, (width, height) = export.fitted()
    text_embeds = {
        "id": "text-embeds",
        "type": "local",
        "dataset_type": "text_embeds",
        "default": True,
        "cache_dir": export.place("cache", "text"),
    }
    yield "multidatabackend.json", json_of([_videos(export), text_embeds])
    prompt = next((item.caption for split in (VALIDATION, TRAIN) for item in export.of(split) if item.caption), "")
    training = {
        "data_backend_config": export.place("multidatabackend.json"),
        **_MODELS[model.name],
        "model_type": "lora",
        "lora_type": "standard",
        "lora_rank": 16,
        "optimizer": "adamw_bf16",
        "learning_rate": 6e-5,
        "lr_scheduler": "constant_with_warmup",
        "lr_warmup_steps": 50,
        "train_batch_size": 1,
        "max_train_steps": 2000,
        "num_train_epochs": 0,
        "gradient_checkpointing": True,
        "mixed_precision": "bf16",
        "base_model_precision": "int8-torchao",
        "checkpoint_step_interval": 250,
        "resolution": round(math.sqrt(width * height)),
        "resolution_type": "pixel_area",
        "minimum_image_size": 0,
        "framerate": round(model.fps),
        "validation_prompt": prompt,
        "validation_resolution": f"{width}x{height}",
        "validation_num_video_frames": frames,
        "validation_steps": 250,
        "report_to": "none",
        "seed": 42,
        "output_dir": export.place("runs"),
    }
    yield "config.json", json_of(training)


def _videos(export: Export) -> dict[str, Any]:
    _, frames, (width, height) = export.fitted()
    sound = {"audio": {"auto_split": True, "allow_zero_audio": False}} if export.sound else {}
    return {
        "id": "clips",
        "type": "local",
        "dataset_type": "video",
        "instance_data_dir": export.place(TRAIN),
        "cache_dir_vae": export.place("cache", "vae"),
        "caption_strategy": "textfile",
        "metadata_backend": "discovery",
        "crop": False,
        "resolution": round(math.sqrt(width * height)),  # of `pixel_area`: the side of a square of as many pixels
        "resolution_type": "pixel_area",
        "minimum_image_size": 0,  # it would leave out smaller clips
        "repeats": export.repeats - 1,  # documentation/DATALOADER.md: 0 is no repeat, 9 shows each clip ten times
        "video": {"num_frames": frames, "min_frames": frames, "bucket_strategy": "aspect_ratio"},
        **sound,
    }


def _commands(export: Export) -> Sequence[str]:
    """`CONFIG_PATH` is the folder of a config.json (simpletuner/helpers/configuration/json_file.py)."""
    path = command(export.at)
    return (f"CONFIG_BACKEND=json CONFIG_PATH={path} simpletuner train",)


TRAINER = Trainer(
    name="simpletuner",
    source=(
        "https://github.com/bghira/SimpleTuner: documentation/DATALOADER.md, documentation/quickstart/WAN.md, "
        "simpletuner/examples"
    ),
    models=tuple(_MODELS),
    captions="",
    texts=_texts,
    commands=_commands,
)
