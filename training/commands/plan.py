"""`plan RECIPE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_settings, config_for
from training.plan.tell import bytes_of, told
from training.run.metrics import PEAK_TFLOPS

HELP = "say what a recipe takes of each GPU's memory and time, and what makes it fit; nothing is computed"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("recipe", metavar="RECIPE", help="a name as --recipe takes it, or a file as --config does")
    add_settings(command)
    command.add_argument("--gpus", type=int, default=1, help="processes, of which each has one (default: %(default)s)")
    command.add_argument("--memory", default="80GB", metavar="SIZE", help="of a GPU (default: %(default)s)")
    command.add_argument("--device", choices=PEAK_TFLOPS, default="H100", help="for the time (default: %(default)s)")
    command.add_argument("--mfu", type=float, default=0.4, help="share of its peak (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Print it, a line as soon as it is known."""
    if options.gpus < 1:
        raise ValueError(f"--gpus {options.gpus}: at least 1")
    if not 0 < options.mfu <= 1:
        raise ValueError(f"--mfu {options.mfu:g}: a share, such as 0.4")
    is_file = options.recipe.endswith((".toml", ".yaml", ".yml"))
    options.config = Path(options.recipe) if is_file else None
    config = config_for(options, manifest="", out="")
    memory = bytes_of(options.memory)
    for line in told(config, gpus=options.gpus, memory=memory, device=options.device, mfu=options.mfu):
        print(line, flush=True)
