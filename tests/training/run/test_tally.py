"""What ranks lose is told as it is: tokens, and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.run.distributed import world
from training.run.tally import Tally

ROOT = Path(__file__).parents[3]
STEPS = (((40, 30), (0.5, 0.0)), ((20, 20), (0.0, 0.25)), ((40, 40), (0.25, 0.25)))
"""Tokens of two ranks, and the seconds that each waited for its data."""


def test_idle_tokens_and_waits_are_told_apart() -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*launcher, __file__], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    seconds = row["seconds_per_step"] * len(STEPS)
    assert row["idle_token_share"] == pytest.approx(1 - 190 / 200)
    assert row["tokens_per_second"] == pytest.approx(190 / seconds)
    assert row["time/data_wait_share"] * seconds == pytest.approx((0.5 + 0.25 + 0.5) / 2)
    assert row["time/data_of_others_wait_share"] * seconds == pytest.approx((0.5 + 0.25) / 2)


if __name__ == "__main__":
    with world() as here:
        tally = Tally(here, None)
        for tokens, waits in STEPS:
            tally.stepped({}, tokens, waits)
        row = tally.row()
        if here.first:
            print(json.dumps(row))
