"""`export RUN FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.export import LAYOUTS, export

HELP = "write a run's weights, or its LoRA, as other programs read them"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("run_folder", metavar="RUN")
    out = "ends in .safetensors; of peft, and of whole weights for diffusers, a folder"
    command.add_argument("file", metavar="FILE", type=Path, help=out)
    command.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="whose names (default: %(default)s)")
    command.add_argument("--merged", action="store_true", help="the whole weights with the LoRA in them")


def run(options: argparse.Namespace) -> None:
    """Write them, and print where."""
    print(export(options.run_folder, options.file, options.layout, merged=options.merged))
