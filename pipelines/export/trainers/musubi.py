"""musubi-tuner: a folder of clips and `.txt`, and a TOML of it. It takes frames as they come, whatever their rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.export.config_text import command, toml_of
from pipelines.export.content import TRAIN, Export
from pipelines.export.trainer import Text, Trainer
from preprocess.kinds import PICTURE, VIDEO

CONFIG = "dataset.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """The scripts of a model, and what they are told beside the dataset."""

    scripts: str
    """What their names begin with."""
    network: str
    vae: str = "PATH/TO/vae.safetensors"
    encoders: Mapping[str, str]
    latents: Mapping[str, object]
    training: Mapping[str, object]


_WAN = {"t5": "PATH/TO/models_t5_umt5-xxl-enc-bf16.pth"}
_LLAMA = {"text_encoder1": "PATH/TO/text_encoder", "text_encoder2": "PATH/TO/text_encoder_2"}
_QWEN = {"text_encoder": "PATH/TO/qwen_2.5_vl_7b.safetensors", "byt5": "PATH/TO/byt5_small_glyphxl_fp16.safetensors"}
_SIGLIP = {"image_encoder": "PATH/TO/sigclip_vision_patch14_384.safetensors"}
_WHOLE = {"vae": "PATH/TO/vae.safetensors", "weighting_scheme": "none"}
_FAMILIES = {
    "wan2.1": _Family(
        scripts="wan_",
        network="lora_wan",
        encoders=_WAN,
        latents={},
        training={"task": "t2v-14B", "discrete_flow_shift": 3.0},
    ),
    "wan2.2": _Family(
        scripts="wan_",
        network="lora_wan",
        encoders=_WAN,
        latents={},
        training={
            "task": "t2v-A14B",
            "discrete_flow_shift": 12.0,
            "min_timestep": 0,
            "max_timestep": 875,
            "preserve_distribution_shape": True,
        },
    ),
    "hunyuan": _Family(
        scripts="",
        network="lora",
        encoders=_LLAMA,
        latents={"vae_chunk_size": 32, "vae_tiling": True},
        training={"discrete_flow_shift": 7.0},
    ),
    "hunyuan1.5": _Family(
        scripts="hv_1_5_",
        network="lora_hv_1_5",
        encoders=_QWEN,
        latents={},
        training={**_WHOLE, **_QWEN, "task": "t2v", "discrete_flow_shift": 2.0},
    ),
    "framepack": _Family(
        scripts="fpack_",
        network="lora_framepack",
        encoders=_LLAMA,
        latents={**_SIGLIP, "vae_chunk_size": 32},
        training={**_WHOLE, **_LLAMA, **_SIGLIP, "discrete_flow_shift": 3.0},
    ),
}
"""By model; docs/wan.md, hunyuan_video.md, hunyuan_video_1_5.md and framepack.md."""


def _texts(export: Export) -> Iterator[Text]:
    """The clips have the model's rate already: with `source_fps`, frames would be dropped once more."""
    model, frames, size = export.fitted()
    whole = model.name == "framepack"  # which learns a clip in sections, all of them
    videos = {
        "video_directory": export.place(TRAIN),
        "cache_directory": export.place("cache"),
        "num_repeats": export.repeats,
        "frame_extraction": "full" if whole else "head",
        **({"max_frames": frames} if whole else {"target_frames": [frames]}),
    }
    pictures = {
        "image_directory": export.place(TRAIN),
        "cache_directory": export.place("cache-pictures"),  # each dataset has to have one of its own
        "num_repeats": export.repeats,
    }
    kinds = export.kinds(TRAIN)
    datasets = [each for each, kind in ((videos, VIDEO), (pictures, PICTURE)) if kind in kinds]
    general = {
        "resolution": list(size),
        "caption_extension": ".txt",
        "batch_size": 1,
        "enable_bucket": True,
        "bucket_no_upscale": False,
    }
    yield CONFIG, toml_of({"general": general, "datasets": datasets})


def _commands(export: Export) -> Sequence[str]:
    model, _, _ = export.fitted()
    family = _FAMILIES[model.name]
    home, config = "src/musubi_tuner/", {"dataset_config": export.place(CONFIG)}
    trained = f"{home}{family.scripts or 'hv_'}train_network.py"
    return (
        command("python", f"{home}{family.scripts}cache_latents.py", **config, vae=family.vae, **family.latents),
        command(
            "python",
            f"{home}{family.scripts}cache_text_encoder_outputs.py",
            **config,
            **family.encoders,
            batch_size=16,
        ),
        command(
            *("accelerate", "launch", "--num_cpu_threads_per_process", 1, "--mixed_precision", "bf16", trained),
            dit="PATH/TO/dit.safetensors",
            **config,
            **family.training,
            sdpa=True,
            mixed_precision="bf16",
            timestep_sampling="shift",
            optimizer_type="adamw8bit",
            learning_rate="2e-4",
            gradient_checkpointing=True,
            max_data_loader_n_workers=2,
            persistent_data_loader_workers=True,
            network_module=f"networks.{family.network}",
            network_dim=32,
            max_train_epochs=16,
            save_every_n_epochs=1,
            seed=42,
            output_dir=export.place("runs"),
            output_name="lora",
        ),
    )


TRAINER = Trainer(
    name="musubi",
    source="https://github.com/kohya-ss/musubi-tuner: docs/dataset_config.md, docs/wan.md and its neighbours",
    models=tuple(_FAMILIES),
    captions="",
    pictures=lambda model: model != "framepack",  # whose sections are of videos alone
    learns_sound=False,
    texts=_texts,
    commands=_commands,
)
