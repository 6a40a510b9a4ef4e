"""What ranks lose is told as it is: tokens, and time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.ranks import in_ranks
from training.run.distributed import world
from training.run.tally import Tally

STEPS = (((40, 30), (0.5, 0.0)), ((20, 20), (0.0, 0.25)), ((40, 40), (0.25, 0.25)))
"""Tokens of two ranks, and the seconds that each waited for its data."""


def test_idle_tokens_and_waits_are_told_apart(tmp_path: Path) -> None:
    told = tmp_path / "row.json"
    assert in_ranks(2, tell, told) == 0
    row = json.loads(told.read_text())
    seconds = row["seconds_per_step"] * len(STEPS)
    assert row["idle_token_share"] == pytest.approx(1 - 190 / 200)
    assert row["tokens_per_second"] == pytest.approx(190 / seconds)
    assert row["time/data_wait_share"] * seconds == pytest.approx((0.5 + 0.25 + 0.5) / 2)
    assert row["time/data_of_others_wait_share"] * seconds == pytest.approx((0.5 + 0.25) / 2)


def tell(told: Path) -> None:
    with world() as here:
        tally = Tally(here, None)
        for tokens, waits in STEPS:
            tally.stepped({}, tokens, waits)
        row = tally.row()
        if here.first:
            told.write_text(json.dumps(row))
