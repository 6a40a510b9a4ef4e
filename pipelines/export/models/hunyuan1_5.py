"""HunyuanVideo 1.5, 8B."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="hunyuan1.5",
    fps=24.0,
    frame_step=4,
    frames=121,
    max_frames=121,
    side_multiple=16,
    sizes=((848, 480), (1280, 720)),
    source=(
        "https://github.com/Tencent-Hunyuan/HunyuanVideo-1.5: generate.py (--video_length: 121 is the "
        "optimal value; fps=24; --resolution: 480p, 720p)"
    ),
)
