"""LTX-2, 2.3 and 2.5, which learn sound along with pictures."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="ltx2",
    fps=24.0,
    frame_step=8,
    frames=121,
    side_multiple=32,
    sizes=((960, 544), (768, 512), (1280, 704)),
    sound=True,
    source=(
        "https://github.com/Lightricks/LTX-2: packages/ltx-trainer/docs/dataset-preparation.md (multiples "
        "of 32, frames % 8 == 1), packages/ltx-trainer/configs/t2v_lora.yaml (24 frames a second, "
        "960x544)"
    ),
)
