"""Wan 2.2 A14B, whose two experts share the steps of the noise."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="wan2.2",
    fps=16.0,
    frame_step=4,
    frames=81,
    max_frames=81,
    # vae_stride 8 times patch_size 2
    side_multiple=16,
    sizes=((832, 480), (1280, 720)),
    source=(
        "https://github.com/Wan-Video/Wan2.2: wan/configs/shared_config.py (sample_fps, frame_num), "
        "wan/configs/wan_t2v_A14B.py (vae_stride, patch_size), wan/configs/__init__.py (SUPPORTED_SIZES)"
    ),
)
