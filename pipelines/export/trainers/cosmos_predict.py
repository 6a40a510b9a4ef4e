"""Cosmos-Predict2: `videos/` and `metas/` side by side; its config is code, of which the command line changes settings.

Its reader takes a random one of the beginnings that a clip leaves, and fails where there is but one
(`randint(0, 0)` in cosmos_predict2/data/dataset_video.py): the files are one step of frames longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.export.config_text import command
from pipelines.export.content import TRAIN, Export
from pipelines.export.trainer import Text, Trainer

_LOADER = "dataloader_train"
_EXPERIMENT = "predict2_video2world_training_2b_video2world_data"


def _texts(export: Export) -> Iterator[Text]:
    yield from ()


def _commands(export: Export) -> Sequence[str]:
    _, frames, (width, height) = export.fitted()
    folder = export.place(TRAIN)
    settings = [
        f"{at}.{name}={value}"
        for at in (f"{_LOADER}.dataset", f"{_LOADER}.sampler.dataset")
        for name, value in (("dataset_dir", folder), ("num_frames", frames), ("video_size", f"[{height},{width}]"))
    ]
    return (
        command("python", "-m", "scripts.get_t5_embeddings", dataset_path=folder),
        command(
            *("torchrun", "--nproc_per_node=1", "--master_port=12341", "-m", "scripts.train"),
            *("--config=cosmos_predict2/configs/base/config.py", "--", f"experiment={_EXPERIMENT}"),
            *("model.config.train_architecture=lora", *settings),
        ),
    )


TRAINER = Trainer(
    name="cosmos-predict",
    source=(
        "https://github.com/nvidia-cosmos/cosmos-predict2: documentations/post-training_video2world.md, "
        "cosmos_predict2/configs/base/experiment/video2world_data.py"
    ),
    models=("cosmos-predict2",),
    media="videos",
    captions="metas",
    spare=True,
    learns_sound=False,
    texts=_texts,
    commands=_commands,
)
