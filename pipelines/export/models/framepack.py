"""FramePack, on HunyuanVideo."""

from __future__ import annotations

from pipelines.export.model import Model

MODEL = Model(
    name="framepack",
    fps=30.0,
    # 36: a section is a window of 9 latents, of 4 frames each; what is left over is cut off by its trainer
    frame_step=36,
    frames=109,
    side_multiple=16,
    sizes=((832, 480),),
    source=(
        "https://github.com/lllyasviel/FramePack: demo_gradio.py (fps=30); "
        "https://github.com/kohya-ss/musubi-tuner: docs/dataset_config.md (latent_window_size * 4 * n + 1 "
        "frames), docs/framepack.md (640x640)"
    ),
)
