"""Wan 2.1, 1.3B and 14B."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="wan2.1",
    fps=16.0,
    frame_step=4,
    frames=81,
    max_frames=81,
    # the autoencoder's 8 times the transformer's patches of 2
    side_multiple=16,
    sizes=((832, 480), (1280, 720)),
    source=(
        "https://github.com/Wan-Video/Wan2.1: wan/configs/shared_config.py (sample_fps), "
        "wan/configs/__init__.py (SIZE_CONFIGS), generate.py (frame_num: 81, 4n+1)"
    ),
)
