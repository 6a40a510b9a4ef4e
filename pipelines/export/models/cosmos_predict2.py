"""Cosmos-Predict2 Video2World, 2B and 14B."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="cosmos-predict2",
    fps=16.0,
    frame_step=4,
    frames=93,
    max_frames=93,
    side_multiple=16,
    sizes=((1280, 704),),
    source=(
        "https://github.com/nvidia-cosmos/cosmos-predict2: documentations/setup.md (16 FPS), "
        "cosmos_predict2/configs/base/experiment/video2world_data.py (93 frames, 704x1280)"
    ),
)
