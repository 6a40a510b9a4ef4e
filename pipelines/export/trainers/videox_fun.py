"""VideoX-Fun, and EasyAnimate with the same table: a JSON list of clips; the rest is on the command line.

It takes every `video_sample_stride`-th frame, whatever their rate: 1 here, since the clips have the model's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from pipelines.export.config_text import command, json_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.trainer import Text, Trainer

_WAN_TARGETS = {"target_name": "q,k,v,ffn.0,ffn.2"}
_MODELS: Mapping[str, Mapping[str, object]] = {
    "wan2.1": {
        "script": "scripts/wan2.1/train_lora.py",
        "config_path": "config/wan2.1/wan_civitai.yaml",
        "pretrained_model_name_or_path": "PATH/TO/Wan2.1-T2V-14B",
        **_WAN_TARGETS,
    },
    "wan2.2": {
        "script": "scripts/wan2.2/train_lora.py",
        "config_path": "config/wan2.2/wan_civitai_t2v.yaml",
        "pretrained_model_name_or_path": "PATH/TO/Wan2.2-T2V-A14B",
        "boundary_type": "low",
        "train_mode": "normal",
        **_WAN_TARGETS,
    },
    "wan2.2-5b": {
        "script": "scripts/wan2.2/train_lora.py",
        "config_path": "config/wan2.2/wan_civitai_5b.yaml",
        "pretrained_model_name_or_path": "PATH/TO/Wan2.2-TI2V-5B",
        "boundary_type": "full",
        "train_mode": "normal",
        **_WAN_TARGETS,
    },
    "hunyuan": {
        "script": "scripts/hunyuanvideo/train_lora.py",
        "pretrained_model_name_or_path": "PATH/TO/HunyuanVideo",
        "target_name": "to_q,to_k,to_v,ff.0,ff.2,ff_context.0,ff_context.2",
    },
    "cogvideox-fun1.5": {
        "script": "scripts/cogvideox_fun/train_lora.py",
        "pretrained_model_name_or_path": "PATH/TO/CogVideoX-Fun-V1.5-5b-InP",
        "target_name": "to_q,to_k,to_v,ff.0,ff.2",
    },
    "easyanimate5.1": {  # in the folder of EasyAnimate, which takes the same table
        "script": "scripts/train_lora.py",
        "config_path": "config/easyanimate_video_v5.1_magvit_qwen.yaml",
        "pretrained_model_name_or_path": "PATH/TO/EasyAnimateV5.1-12b-zh-InP",
        "loss_type": "flow",
        "train_mode": "inpaint",
    },
}
"""scripts/*/train_lora.sh."""


def _texts(export: Export) -> Iterator[Text]:
    for split, name in ((TRAIN, "metadata.json"), (VALIDATION, "metadata_validation.json")):
        rows = [
            {
                "file_path": export.file(item),
                "text": item.caption,
                "type": "image" if item.is_picture else "video",
                "width": item.file.width,
                "height": item.file.height,
            }
            for item in export.of(split)
        ]
        if rows:
            yield name, json_of(rows)


def _commands(export: Export) -> Sequence[str]:
    model, frames, (width, height) = export.fitted()
    side = round(math.sqrt(width * height) / 16) * 16  # it makes each clip as large as a square of this side
    options = dict(_MODELS[model.name])
    lora = {"rank": 64, "network_alpha": 32, "use_peft_lora": True} if "target_name" in options else {}
    return (
        command(
            *("accelerate", "launch", "--mixed_precision=bf16", options.pop("script")),
            **options,
            train_data_dir=export.at,
            train_data_meta=export.place("metadata.json"),
            image_sample_size=side,
            video_sample_size=side,
            token_sample_size=side,
            video_sample_stride=1,
            video_sample_n_frames=frames,
            train_batch_size=1,
            video_repeat=export.repeats,
            gradient_accumulation_steps=1,
            dataloader_num_workers=8,
            num_train_epochs=100,
            checkpointing_steps=50,
            learning_rate="1e-04",
            seed=42,
            output_dir=export.place("runs"),
            gradient_checkpointing=True,
            mixed_precision="bf16",
            adam_weight_decay="3e-2",
            adam_epsilon="1e-10",
            vae_mini_batch=1,
            max_grad_norm=0.05,
            random_hw_adapt=True,
            training_with_video_token_length=True,
            enable_bucket=True,
            uniform_sampling=True,
            **lora,
            low_vram=True,
        ),
    )


TRAINER = Trainer(
    name="videox-fun",
    source=(
        "https://github.com/aigc-apps/VideoX-Fun: README.md (Data Preprocess), "
        "videox_fun/data/dataset_image_video.py; https://github.com/aigc-apps/EasyAnimate: scripts/train_lora.sh"
    ),
    models=tuple(_MODELS),
    pictures=lambda model: True,
    learns_sound=False,
    texts=_texts,
    commands=_commands,
)
