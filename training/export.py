"""What a run has trained, in a file that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from training.models.exports import Layout
from training.run.runs import trained_module

LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def export(run: str, out: Path, layout: Layout, *, merged: bool = False) -> Path:
    """Write a run's averaged weights, in the type in which the run holds them; what was written.

    Args:
        run: folder of a run.
        out: a `.safetensors` file; of `peft`, and of whole weights for `diffusers`, a folder.
        layout: whose names the weights have.
        merged: of a LoRA, the whole weights with it, in place of the LoRA alone.

    Raises:
        ValueError: there is no such run, `out` is no name of that kind, or the layout has no place for such weights.
    """
    trained_module(run).exported(layout, merged=merged).write(out)
    return out
