"""Wan 2.2 TI2V-5B, with an autoencoder of its own."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="wan2.2-5b",
    fps=24.0,
    frame_step=4,
    frames=121,
    max_frames=121,
    # vae_stride 16 times patch_size 2
    side_multiple=32,
    sizes=((1280, 704),),
    source=(
        "https://github.com/Wan-Video/Wan2.2: wan/configs/wan_ti2v_5B.py (sample_fps, frame_num, "
        "vae_stride, patch_size), wan/configs/__init__.py (SUPPORTED_SIZES)"
    ),
)
