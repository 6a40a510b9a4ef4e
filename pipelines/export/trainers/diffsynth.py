"""DiffSynth-Studio: a table of clips; everything else is on its command line.

The table is JSON lines and not CSV: its CSV goes through pandas, which takes a caption such as `NA` for none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelines.export.config_text import command, json_lines
from pipelines.export.content import TRAIN, VALIDATION, Export, Item
from pipelines.export.trainer import Text, Trainer

_WAN = "examples/wanvideo/model_training/train.py"
_WAN_TARGETS = "q,k,v,o,ffn.0,ffn.2"
_LTX_FILES = (
    "transformer",
    "text_encoder_post_modules",
    "video_vae_encoder",
    "audio_vae_encoder",
)
_MODELS: Mapping[str, Mapping[str, object]] = {
    "wan2.1": {
        "model_id_with_origin_paths": (
            "Wan-AI/Wan2.1-T2V-1.3B:diffusion_pytorch_model*.safetensors,"
            "Wan-AI/Wan2.1-T2V-1.3B:models_t5_umt5-xxl-enc-bf16.pth,Wan-AI/Wan2.1-T2V-1.3B:Wan2.1_VAE.pth"
        ),
        "lora_target_modules": _WAN_TARGETS,
    },
    "wan2.2": {
        "model_id_with_origin_paths": (
            "Wan-AI/Wan2.2-T2V-A14B:low_noise_model/diffusion_pytorch_model*.safetensors,"
            "Wan-AI/Wan2.2-T2V-A14B:models_t5_umt5-xxl-enc-bf16.pth,Wan-AI/Wan2.2-T2V-A14B:Wan2.1_VAE.pth"
        ),
        "lora_target_modules": _WAN_TARGETS,
        "max_timestep_boundary": 1,
        "min_timestep_boundary": 0.417,
    },
    "wan2.2-5b": {
        "model_id_with_origin_paths": (
            "Wan-AI/Wan2.2-TI2V-5B:diffusion_pytorch_model*.safetensors,"
            "Wan-AI/Wan2.2-TI2V-5B:models_t5_umt5-xxl-enc-bf16.pth,Wan-AI/Wan2.2-TI2V-5B:Wan2.2_VAE.pth"
        ),
        "lora_target_modules": _WAN_TARGETS,
    },
    "ltx2": {
        "model_id_with_origin_paths": ",".join(
            [
                *(f"DiffSynth-Studio/LTX-2.3-Repackage:{name}.safetensors" for name in _LTX_FILES),
                "google/gemma-3-12b-it-qat-q4_0-unquantized:model-*.safetensors",
            ]
        ),
        "lora_target_modules": "to_k,to_q,to_v,to_out.0",
    },
}
"""examples/*/model_training/lora/*.sh."""


def _texts(export: Export) -> Iterator[Text]:
    yield "metadata.jsonl", json_lines(_row(export, item) for item in export.of(TRAIN))
    if export.held_out:
        yield "metadata_validation.jsonl", json_lines(_row(export, item) for item in export.of(VALIDATION))


def _row(export: Export, item: Item) -> dict[str, str]:
    video = export.file(item)
    return {"video": video, "prompt": item.caption, **({"input_audio": video} if export.sound else {})}


def _commands(export: Export) -> Sequence[str]:
    """The size is left to each clip, below `max_pixels`: a fixed one would cut portraits out of landscapes."""
    model, frames, (width, height) = export.fitted()
    ltx = model.name == "ltx2"
    sound = {"data_file_keys": "video,input_audio", "extra_inputs": "input_audio"} if export.sound else {}
    return (
        command(
            *("accelerate", "launch", "examples/ltx2/model_training/train.py" if ltx else _WAN),
            dataset_base_path=export.at,
            dataset_metadata_path=export.place("metadata.jsonl"),
            max_pixels=width * height,
            num_frames=frames,
            **({"frame_rate": model.fps} if ltx else {}),
            dataset_repeat=export.repeats,
            **sound,
            **_MODELS[model.name],
            learning_rate="1e-4",
            num_epochs=5,
            remove_prefix_in_ckpt="pipe.dit.",
            output_path=export.place("runs"),
            lora_base_model="dit",
            lora_rank=32,
            use_gradient_checkpointing=True,
        ),
    )


TRAINER = Trainer(
    name="diffsynth",
    source=(
        "https://github.com/modelscope/DiffSynth-Studio: diffsynth/core/data/unified_dataset.py, "
        "examples/wanvideo/model_training/lora, examples/ltx2/model_training/lora"
    ),
    models=tuple(_MODELS),
    pictures=lambda model: True,  # a path that ends in jpg, png or webp is a video of one frame
    texts=_texts,
    commands=_commands,
)
