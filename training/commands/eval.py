"""`eval RUN`."""

from __future__ import annotations

import argparse
import json

from training.commands.options import add_sampling, sampling
from training.evaluate import evaluate

HELP = "measure a run on held-out clips; for shapes, in its samples' pixels"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("run_folder", metavar="RUN")
    add_sampling(command)


def run(options: argparse.Namespace) -> None:
    """Measure, and print the figures as JSON."""
    figures = evaluate(options.run_folder, sampling(options), seed=options.seed, precision=options.precision)
    print(json.dumps(figures))
