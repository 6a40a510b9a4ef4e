"""The tiny run, counting exchanges of gradients: `python -m tests.training.counted_run OUT SETTING...`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from tests.training.tiny_run import tiny_config
from training.run.launch import train

NAMES = {"reduce_scatter_tensor": "scattered", "reduce_scatter_single": "scattered", "all_reduce": "copied"}
"""Versions of torch differ in which of the first two they call."""
counts = Counter({"scattered": 0, "copied": 0})


def count(name: str) -> None:
    """Figures that ranks exchange are float64, gradients float32."""
    exchange = getattr(dist, name, None)
    if exchange is None:
        return

    def counting(*given: Any, **named: Any) -> Any:
        tensors = [each for each in (*given, *named.values()) if isinstance(each, torch.Tensor)]
        counts[NAMES[name]] += tensors[0].dtype == torch.float32
        return exchange(*given, **named)

    setattr(dist, name, counting)


if __name__ == "__main__":
    for name in NAMES:
        count(name)
    train(tiny_config(sys.argv[1], *sys.argv[2:]))
    (Path(sys.argv[1]) / f"counts_{os.environ['RANK']}.json").write_text(json.dumps(counts))
