"""EasyAnimate v5.1, 7B and 12B."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="easyanimate5.1",
    fps=8.0,
    frame_step=4,
    frames=49,
    max_frames=49,
    side_multiple=16,
    # the pixels of squares of 512, 768 and 1024
    sizes=((672, 384), (1024, 576), (1344, 768)),
    source=(
        "https://github.com/aigc-apps/EasyAnimate: README.md (49 frames at 8 frames a second; 512, 768 "
        "and 1024 as the side of a square)"
    ),
)
