"""What hybrid window attention saves: CPU seconds of a transformer with windows against the same one without.

    python -m benchmarks.windows [--grid 13x32x32] [--dim 384] [--layers 4] [--kinds picture,slabs]

All are measured in turn in one process on one thread, the way forward alone and a step with the way back; the time is
the process's own, so that neighbours on the machine count little. `picture` is the paper's window, `slabs` sees three
frames, and a quarter of the rows and of the columns. `flops` are counted, for the same step and for EasyAnimate's 12B
on such a grid. The last line is JSON; all ratios are hybrid over full.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import torch

from training.models import sizes
from training.models.dit import DitConfig, VideoDit
from training.models.windows import WindowConfig

TEXT_TOKENS = 64


def main(grid: tuple[int, int, int], dim: int, layers: int, kinds: list[str]) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    rows, columns = grid[1:]
    choices = {
        "none": WindowConfig(),
        "picture": WindowConfig(kind="picture"),
        "slabs": WindowConfig(kind="slabs", reach_rows=rows // 8, reach_columns=columns // 8),
    }
    layout = DitConfig(
        dim=dim, heads=6, layers=layers, mmdit_layers=layers, text_dim=64, in_channels=16, base_grid=None
    )
    latents = (grid[0], 2 * rows, 2 * columns)
    figures: dict[str, dict[str, float]] = {}
    for kind in ("none", *kinds):
        dit = VideoDit(replace(layout, windows=choices[kind]))
        with torch.device("meta"):
            large = VideoDit(replace(sizes.ea_12b(), windows=choices[kind]))
        forward, step = _seconds(dit, latents)
        figures[kind] = {
            "forward_seconds": forward,
            "step_seconds": step,
            "flops": float(dit.flops_per_sample(latents, TEXT_TOKENS)),
            "flops_12b": float(large.flops_per_sample(latents, 256)),
        }
        print(kind, figures[kind], flush=True)
    ratios = {
        f"{kind}_{name.removesuffix('_seconds')}_ratio": round(figures[kind][name] / figures["none"][name], 3)
        for kind in kinds
        for name in figures[kind]
    }
    print(json.dumps({"tokens": grid[0] * rows * columns, "dim": dim, "layers": layers, **ratios}))


def _seconds(dit: VideoDit, latents: tuple[int, int, int]) -> tuple[float, float]:
    """CPU seconds of the way forward, and of a step with the way back."""
    generator = torch.Generator().manual_seed(0)
    given = (
        torch.randn(1, dit.config.latent_channels, *latents, generator=generator),
        torch.tensor([500.0]),
        torch.randn(1, TEXT_TOKENS, dit.config.text_dim, generator=generator),
        torch.ones(1, TEXT_TOKENS, dtype=torch.bool),
    )
    began = time.process_time()
    with torch.no_grad():
        dit(*given)
    between = time.process_time()
    dit(*given).square().mean().backward()
    return round(between - began, 2), round(time.process_time() - between, 2)


def _grid(text: str) -> tuple[int, int, int]:
    frames, rows, columns = (int(part) for part in text.split("x"))
    return frames, rows, columns


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=_grid, default=(13, 32, 32), help="frames x rows x columns of tokens")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=["picture", "slabs"])
    options = parser.parse_args()
    main(options.grid, options.dim, options.layers, options.kinds)
