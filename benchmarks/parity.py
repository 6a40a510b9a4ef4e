"""Other people's models against their own programs: `python -m benchmarks.parity`; the last line is JSON.

Of each family a tiny random pipeline is saved as diffusers saves real ones. `loss_error` is the difference between our
loss of two clips and the recipe written with diffusers' parts alone; `lora_reload_error` the largest one between the
latents that we and the family's own program make of the same noise, after 50 steps of a LoRA that it has loaded.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path

import torch

from tests.training.families.cases import CASES
from tests.training.families.parity import lora_reload_error, loss_error
from tests.training.families.tiny_pretrained_run import run_config
from training.run.launch import train


def main(families: list[str]) -> None:
    """Measure each family, and print."""
    torch.set_num_threads(1)
    figures = {}
    for family in families:
        with tempfile.TemporaryDirectory() as scratch:
            folder, run = CASES[family].make(Path(scratch) / "pipeline"), Path(scratch) / "run"
            train(run_config(run, family, folder, "trainer.steps=50", "trainer.checkpoint_every=50"))
            errors = {
                "loss_error": loss_error(family, folder),
                "lora_reload_error": lora_reload_error(family, folder, run, Path(scratch)),
            }
        figures[family] = errors
        print(f"{family:20} " + "  ".join(f"{name} {value:.1e}" for name, value in errors.items()))
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity")
    parser.add_argument("family", nargs="*", default=list(CASES), help="(default: all)")
    logging.disable(logging.WARNING)
    main(parser.parse_args().family)
