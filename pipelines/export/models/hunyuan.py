"""HunyuanVideo, 13B."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="hunyuan",
    fps=24.0,
    frame_step=4,
    frames=129,
    max_frames=129,
    side_multiple=16,
    sizes=((960, 544), (1280, 720)),
    source=(
        "https://github.com/Tencent-Hunyuan/HunyuanVideo: README.md (resolutions), hyvideo/config.py "
        "(--video-length: 129, 4n+1)"
    ),
)
