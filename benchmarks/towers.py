"""Images a second of an image tower, against a bare loop of the same model over tensors that are ready.

    python -m benchmarks.towers [--models ViT-B-32 ViT-L-14] [--seconds 30]

Random weights of the full size, in the layout of a hub, loaded by `filters.towers.tower`. The stage takes uint8 frames:
normalising, copying to the device and back are in its time. Both take turns, batch by batch, so that a noisy machine
disturbs both alike; `ratio` is the median, over the pairs of turns, of the stage's speed to that of the bare loop.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from filters.towers.tower import LoadedTower, Tower

CPU_BATCH, GPU_BATCH = 4, 256
LEAST_PAIRS = 5


def main(models: list[str], seconds: float) -> None:
    """Measure each model for so many seconds, and print."""
    figures: dict[str, float | str] = {}
    for name in models:
        with tempfile.TemporaryDirectory() as folder:
            speed, ratio = _compare(name, Path(folder), seconds)
        key = name.lower().replace("-", "_")
        figures |= {f"{key}_images_per_second": round(speed, 2), f"{key}_ratio": round(ratio, 3)}
    print(json.dumps(figures | {"device": "cuda" if torch.cuda.is_available() else "cpu"}))


def _compare(name: str, folder: Path, seconds: float) -> tuple[float, float]:
    """Median images a second of the stage, and median ratio to the bare loop."""
    batch = GPU_BATCH if torch.cuda.is_available() else CPU_BATCH
    side = _save(name, folder)
    tower = Tower(name=name, weights=str(folder), image_size=side, batch_size=batch).load()
    pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)

    def stage() -> None:
        tower.embed_images(pixels)

    bare = _bare_batch(tower, batch, side)
    stage()
    bare()
    ours: list[float] = []
    theirs: list[float] = []
    began = time.perf_counter()
    while len(ours) < LEAST_PAIRS or time.perf_counter() - began < seconds:
        # who goes second may find the caches warmer: take turns at that, too
        for which in ((stage, ours), (bare, theirs))[:: 1 if len(ours) % 2 == 0 else -1]:
            which[1].append(_seconds(which[0]))
    speed = batch / statistics.median(ours)
    ratio = statistics.median(its / our for our, its in zip(ours, theirs, strict=True))
    print(f"{name}: {len(ours)} pairs of batches of {batch}, {speed:.2f} images/s, {ratio:.3f} of the bare loop")
    return speed, ratio


def _save(name: str, folder: Path) -> int:
    """A model with random weights as open_clip pushes it to a hub; its image size."""
    config = open_clip.get_model_config(name)
    config["text_cfg"]["layers"] = 1  # is not measured
    model = open_clip.CLIP(**config)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return int(config["vision_cfg"]["image_size"])


def _bare_batch(tower: LoadedTower, batch: int, side: int) -> Callable[[], None]:
    """The model alone, over a batch that is normalised already and lies on its device."""
    device = next(tower.model.module.parameters()).device
    ready = torch.randn(batch, 3, side, side, device=device)

    def run() -> None:
        with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.type == "cuda"):
            tower.model.images(ready)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.towers")
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "ViT-L-14"])
    parser.add_argument("--seconds", type=float, default=30.0, help="of measuring, for each model")
    options = parser.parse_args()
    main(options.models, options.seconds)
