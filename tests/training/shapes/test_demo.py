"""What `make train-demo` promises, held to the figures that it measures. It takes minutes, so no part of `make test`.

`SHAPES_DEMO=FOLDER` takes one that is there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import open_browser
from tests.training.shapes.test_page import plays
from training.film import read_film
from training.shapes.demo import LOOK, LOOK_SAMPLES, SEEDS, WATCHED_LOSS, demo, look_samples, seed_figures
from training.shapes.truth import dominant_color

pytestmark = pytest.mark.attack


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = os.environ.get("SHAPES_DEMO")
    return Path(known) if known else demo(tmp_path_factory.mktemp("demo")).parent


def figures(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_shapes_are_told_in_what_the_autoencoder_gives_back(made: Path) -> None:
    vae = figures(made / "vae" / "evaluation.json")
    assert vae["shape_share"] >= 0.95
    assert vae["held_out/psnr"] > vae["held_out/box_blur_psnr"]


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_have_the_colour_and_mostly_the_direction_that_was_asked_for(made: Path, seed: int) -> None:
    """Half of their shapes are right before they are tuned for; see docs/log.md. An outline of no shape is a wrong one,
    so that chance is less than a third."""
    dit = figures(seed_figures(made / "dit", seed))
    assert dit["prompted_color_share"] >= 0.9
    assert dit["prompted_direction_share"] >= 0.8
    assert dit["prompted_shape_share"] >= 0.35


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_that_are_tuned_have_more_of_the_shapes_that_were_asked_for(made: Path, seed: int) -> None:
    before, after = (figures(seed_figures(made / run, seed)) for run in ("dit", "reward"))
    assert after["prompted_shape_share"] >= max(0.6, before["prompted_shape_share"])
    assert after["prompted_color_share"] >= 0.9
    assert after["prompted_direction_share"] >= 0.8


def test_the_reward_rises_and_the_watched_one_holds(made: Path) -> None:
    tuned = figures(made / "reward" / "evaluation.json")
    assert tuned["held_out/mixture"] > tuned["before_tuning/mixture"]
    assert tuned["held_out/watched/background"] > tuned["before_tuning/watched/background"] - WATCHED_LOSS


def test_a_lora_gives_its_look_and_takes_it_along(made: Path) -> None:
    films = {
        state: [read_film(path) for path in look_samples(made, state)] for state in ("before", "with", "taken_off")
    }
    counts = {state: sum(dominant_color(film) == LOOK for film in those) for state, those in films.items()}
    assert all(len(those) == LOOK_SAMPLES for those in films.values())
    assert counts["before"] < 0.3 * LOOK_SAMPLES
    assert counts["with"] > 0.8 * LOOK_SAMPLES
    for one, other in zip(films["before"], films["taken_off"], strict=True):
        assert np.abs(one.astype(int) - other).mean() < 0.5, "but for what rounding makes of the last bits in H.264"


def test_all_of_it_plays(made: Path) -> None:
    with open_browser() as browser:
        browser.open(made / "index.html")
        films = [
            place for place, each in enumerate(browser.all("img")) if "image/webp" in (each.get_attribute("src") or "")
        ]
        assert len(films) >= 20
        assert all(plays(browser, place) for place in films[:: len(films) // 10])
        assert not browser.console_errors()
