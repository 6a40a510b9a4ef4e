"""CogVideoX-Fun 1.5, which is CogVideoX 1.5 at half its rate."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="cogvideox-fun1.5",
    fps=8.0,
    frame_step=4,
    frames=85,
    max_frames=85,
    side_multiple=16,
    # the pixels of squares of 512, 768 and 1024
    sizes=((672, 384), (1024, 576), (1344, 768)),
    source=(
        "https://github.com/aigc-apps/VideoX-Fun: README.md (85 frames at a rate of 8 frames per second; 512, 768 and "
        "1024), scripts/cogvideox_fun/train_lora.sh"
    ),
)
