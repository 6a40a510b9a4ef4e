"""finetrainers: a folder of clips and `.txt`, and a JSON that names it with the sizes to train at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelines.export.config_text import command, json_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.trainer import Text, Trainer

_BLOCKS = "(transformer_blocks|single_transformer_blocks).*"
_MODELS: Mapping[str, Mapping[str, object]] = {
    "wan2.1": {
        "model_name": "wan",
        "pretrained_model_name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
        "target_modules": "blocks.*(to_q|to_k|to_v|to_out.0)",
    },
    "cogvideox1.5": {
        "model_name": "cogvideox",
        "pretrained_model_name_or_path": "THUDM/CogVideoX1.5-5B",
        "target_modules": f"{_BLOCKS}(to_q|to_k|to_v|to_out.0)",
    },
    "hunyuan": {
        "model_name": "hunyuan_video",
        "pretrained_model_name_or_path": "hunyuanvideo-community/HunyuanVideo",
        "target_modules": f"{_BLOCKS}(to_q|to_k|to_v|to_out.0|add_q_proj|add_k_proj|add_v_proj|to_add_out)",
    },
}
"""examples/training/sft/*/*/train.sh."""


def _texts(export: Export) -> Iterator[Text]:
    """The trigger word is in the captions: `id_token` would put it there once more. Repeats are so many datasets."""
    model, frames, (width, height) = export.fitted()
    dataset = {
        "data_root": export.place(TRAIN),
        "dataset_type": "video",
        "video_resolution_buckets": [[frames, tall, wide] for wide, tall in export.shapes()],
        "reshape_mode": "bicubic",
        "remove_common_llm_caption_prefixes": False,
    }
    yield "training.json", json_of({"datasets": [dataset] * export.repeats})
    if export.held_out:
        wishes = {"num_inference_steps": 50, "height": height, "width": width, "num_frames": frames}
        samples = [
            {"caption": item.caption, **wishes, "frame_rate": round(model.fps)} for item in export.of(VALIDATION)
        ]
        yield "validation.json", json_of({"data": samples})


def _commands(export: Export) -> Sequence[str]:
    model, _, _ = export.fitted()
    held_out = {"validation_dataset_file": export.place("validation.json"), "validation_steps": 500}
    return (
        command(
            *("torchrun", "--standalone", "--nnodes=1", "--nproc_per_node=1", "train.py"),
            parallel_backend="ptd",
            **_MODELS[model.name],
            dataset_config=export.place("training.json"),
            enable_precomputation=True,
            precomputation_items=min(len(list(export.of(TRAIN))), 512),
            flow_weighting_scheme="logit_normal",
            training_type="lora",
            seed=42,
            batch_size=1,
            train_steps=3000,
            rank=32,
            lora_alpha=32,
            gradient_checkpointing=True,
            checkpointing_steps=500,
            enable_slicing=True,
            enable_tiling=True,
            optimizer="adamw",
            lr="5e-5",
            **(held_out if export.held_out else {}),
            output_dir=export.place("runs"),
        ),
    )


TRAINER = Trainer(
    name="finetrainers",
    source="https://github.com/a-r-r-o-w/finetrainers: docs/dataset/README.md, examples/training/sft",
    models=tuple(_MODELS),
    captions="",
    learns_sound=False,
    texts=_texts,
    commands=_commands,
)
