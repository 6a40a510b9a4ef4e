"""diffusion-pipe: folders of clips and `.txt`, a TOML of the data and one of the training.

It takes whatever else lies in a folder of clips for one, unless it ends in `.txt`, `.json` and the like
(utils/dataset.py): its config lies beside the folders. Clips without a caption it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.export.config_text import command, toml_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.trainer import Text, Trainer
from preprocess.kinds import PICTURE

_WAN = {"type": "wan", "dtype": "bfloat16", "transformer_dtype": "float8", "timestep_sample_method": "logit_normal"}
_COMFY = {"dtype": "bfloat16", "diffusion_model_dtype": "float8", "timestep_sample_method": "logit_normal"}
_MODELS: Mapping[str, Mapping[str, Any]] = {
    "wan2.1": {**_WAN, "ckpt_path": "PATH/TO/Wan2.1-T2V-1.3B"},
    "wan2.2": {
        **_WAN,
        "ckpt_path": "PATH/TO/Wan2.2-T2V-A14B",
        "transformer_path": "PATH/TO/Wan2.2-T2V-A14B/low_noise_model",
        "min_t": 0,
        "max_t": 0.875,
    },
    "wan2.2-5b": {**_WAN, "ckpt_path": "PATH/TO/Wan2.2-TI2V-5B"},
    "hunyuan": {
        "type": "hunyuan-video",
        "ckpt_path": "PATH/TO/HunyuanVideo/ckpts",
        "dtype": "bfloat16",
        "transformer_dtype": "float8",
        "timestep_sample_method": "logit_normal",
    },
    "hunyuan1.5": {
        **_COMFY,
        "type": "hunyuan_video_15",
        "diffusion_model": "PATH/TO/hunyuanvideo1.5_480p_t2v_fp16.safetensors",
        "vae": "PATH/TO/hunyuanvideo15_vae_fp16.safetensors",
        "text_encoders": [
            {
                "paths": [
                    "PATH/TO/qwen_2.5_vl_7b.safetensors",
                    "PATH/TO/byt5_small_glyphxl_fp16.safetensors",
                ],
                "type": "hunyuan_video_15",
            }
        ],
    },
    "ltx2": {
        **_COMFY,
        "type": "ltx2",
        "diffusion_model": "PATH/TO/ltx-2.3-22b-dev.safetensors",
        "text_encoder": "PATH/TO/gemma_3_12B_it_fp4_mixed.safetensors",
        "shift": 1,
    },
}
"""docs/supported_models.md."""


def _texts(export: Export) -> Iterator[Text]:
    model, _, _ = export.fitted()
    yield "dataset.toml", toml_of(_dataset(export, TRAIN, export.repeats))
    evaluation: dict[str, Any] = {}
    if export.held_out:
        yield "validation.toml", toml_of(_dataset(export, VALIDATION, 1))
        evaluation["eval_datasets"] = [{"name": VALIDATION, "config": export.place("validation.toml")}]
    training = {
        "output_dir": export.place("runs"),
        "dataset": export.place("dataset.toml"),
        "epochs": 100,
        "micro_batch_size_per_gpu": 1,
        "pipeline_stages": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": 1.0,
        "warmup_steps": 100,
        "eval_every_n_epochs": 1,
        "eval_before_first_step": True,
        "eval_micro_batch_size_per_gpu": 1,
        "eval_gradient_accumulation_steps": 1,
        "save_every_n_epochs": 2,
        "checkpoint_every_n_minutes": 120,
        "activation_checkpointing": True,
        "partition_method": "parameters",
        "save_dtype": "bfloat16",
        "caching_batch_size": 1,
        "steps_per_print": 1,
        "video_clip_mode": "single_beginning",
        **evaluation,
        "model": dict(_MODELS[model.name]),
        "adapter": {"type": "lora", "rank": 32, "dtype": "bfloat16"},
        "optimizer": {
            "type": "adamw_optimi",
            "lr": 2e-5,
            "betas": [0.9, 0.99],
            "weight_decay": 0.01,
            "eps": 1e-8,
        },
    }
    yield "train.toml", toml_of(training)


def _dataset(export: Export, split: str, repeats: int) -> dict[str, Any]:
    _, frames, size = export.fitted()
    return {
        "resolutions": [list(size)],
        "enable_ar_bucket": True,
        "min_ar": 0.5,
        "max_ar": 2.0,
        "num_ar_buckets": 7,
        "frame_buckets": [1, frames] if PICTURE in export.kinds(split) else [frames],
        "directory": [{"path": export.place(split), "num_repeats": repeats}],
    }


def _commands(export: Export) -> Sequence[str]:
    start = command("deepspeed", "--num_gpus=1", "train.py", "--deepspeed", config=export.place("train.toml"))
    # its README: cards of the 4000 series need both, others may not
    return (f"NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1 {start}",)


TRAINER = Trainer(
    name="diffusion-pipe",
    source="https://github.com/tdrussell/diffusion-pipe: examples/dataset.toml, examples/main_example.toml",
    models=tuple(_MODELS),
    captions="",
    pictures=lambda model: True,
    learns_sound=False,
    texts=_texts,
    commands=_commands,
)
