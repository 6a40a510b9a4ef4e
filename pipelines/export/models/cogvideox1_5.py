"""CogVideoX 1.5, 5B."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="cogvideox1.5",
    fps=16.0,
    # 16 and not 8 or 4: the models before it had 8N + 1, at 8 frames a second
    frame_step=16,
    frames=81,
    max_frames=161,
    side_multiple=16,
    sizes=((1360, 768), (768, 480)),
    source=(
        "https://github.com/zai-org/CogVideo: README.md (16N + 1 frames where N <= 10, default 81; 16 "
        "frames a second; 1360x768)"
    ),
)
