"""Whether slices of a video show where they meet: PSNR of the frames at seams against those in the middle of a slice.

    python -m benchmarks.slices [--steps 1500] [--slice-latents 2] [--side 32]

Trains a small autoencoder in slices on films of moving shapes, by L1 and L2, with the layout of the recipe `tiny_vae`,
and measures films that it has not seen, of 25 frames: the first, and three slices of eight. `--slice-latents 0` is the
causal autoencoder for comparison. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import torch

from training.models.pixels import as_model_input
from training.models.vae import VaeConfig, VideoVae
from training.shapes.corpus import render, scenes

FRAMES, FPS, BATCH = 25, 8.0, 4
HELD_OUT = 32
L2_WEIGHT = 3.0
LAYOUT = VaeConfig(
    channels=(16, 32, 64), pixel_patch=2, latent_channels=8, groups=None, encoder_blocks=1, decoder_blocks=1
)


def main(steps: int, slice_latents: int, side: int) -> None:
    """Train, measure and print."""
    torch.set_num_threads(1)
    vae = VideoVae(replace(LAYOUT, slice_latents=slice_latents), seed=0)
    films = _films(256, side, seed=1)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        chosen = torch.randint(0, len(films), (BATCH,), generator=generator)
        first = int(torch.randint(0, 9, (), generator=generator))
        video = as_model_input(films[chosen, first : first + 17])
        made = vae.decode(vae.encode(video).mean)
        loss = (made - video).abs().mean() + L2_WEIGHT * (made - video).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(step, round(float(loss.detach()), 4), flush=True)
    by_frame = _psnr_by_frame(vae, _films(HELD_OUT, side, seed=2))
    print(" ".join(f"{value:.2f}" for value in by_frame))
    print(json.dumps({"steps": steps, "slice_latents": slice_latents, **_summary(by_frame, vae.config)}))


def _films(count: int, side: int, *, seed: int) -> torch.Tensor:
    """(count, F, side, side, 3) uint8."""
    films = [render(scene, size=side, num_frames=FRAMES, fps=FPS) for scene in scenes(count, seed=seed)]
    return torch.stack([torch.from_numpy(film) for film in films])


@torch.no_grad()
def _psnr_by_frame(vae: VideoVae, films: torch.Tensor) -> list[float]:
    video = as_model_input(films)
    squares = (vae.decode(vae.encode(video).mean).clamp(-1, 1) - video).square().flatten(3).mean((1, 3))
    return [float(value) for value in (10 * torch.log10(4 / squares)).mean(0)]


def _summary(by_frame: list[float], config: VaeConfig) -> dict[str, float]:
    """Frames on both sides of seams between slices, and the middle two of each slice behind the first, in the mean."""
    frames = (config.slice_latents or 2) * config.temporal_stride
    starts = range(1, len(by_frame), frames)
    seams = [number for start in starts for number in (start - 1, start) if number > 0]
    middles = [start + frames // 2 + offset for start in starts for offset in (-1, 0)]
    at_seams, in_middles = (sum(by_frame[n] for n in some) / len(some) for some in (seams, middles))
    return {
        "psnr": round(sum(by_frame) / len(by_frame), 2),
        "seam_psnr": round(at_seams, 2),
        "middle_psnr": round(in_middles, 2),
        "seam_loss_db": round(in_middles - at_seams, 3),
        "worst_seam_loss_db": round(in_middles - min(by_frame[n] for n in seams), 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--slice-latents", type=int, default=2)
    parser.add_argument("--side", type=int, default=32)
    options = parser.parse_args()
    main(options.steps, options.slice_latents, options.side)
