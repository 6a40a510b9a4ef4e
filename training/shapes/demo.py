"""All of it in one command: make films, curate them, train three models one on the other, sample, show a page.

Each stage is a command that you could have typed; it is printed before it runs. What is done is not done again.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from training.shapes.corpus import write_corpus
from training.shapes.page import Section, write_page

FILMS = 384
"""Four of each combination of words."""
PROMPTS = (
    "a red circle moving right quickly",
    "a blue square moving up quickly",
    "a yellow triangle moving left slowly",
)
WATCHED_LOSS = 0.1
"""What the watched reward may lose."""

_CURATE = (
    "rules.short_side.min=none",  # 64 pixels, as no film that is filmed has
    "rules.motion.min=none",  # the slow ones move little of the picture
    "rules.visual_quality.min=none",
    "scorers.text_area.max_frames=1",
)

_log = logging.getLogger("clipmill")


def demo(folder: Path) -> Path:
    """Make and train everything in `folder`; the page's path.

    Raises:
        subprocess.CalledProcessError: a stage failed; what it said is on the terminal.
    """
    started = time.monotonic()
    films, manifest, cache = folder / "films", folder / "manifest", folder / "cache"
    vae, dit, reward = folder / "vae", folder / "dit", folder / "reward"
    _log.info("making %d films in %s", FILMS, films)
    write_corpus(films, count=FILMS)
    settings = [part for setting in _CURATE for part in ("--set", setting)]
    _run("pipelines", "curate", films, manifest, "--captioner", "sidecar", *settings)
    _run("training", "vae", manifest, "--out", vae, "--set", "data.num_workers=1")
    _run("training", "eval", vae)
    with_vae = ("--set", f"objective.vae={vae}")
    location = _run("training", "cache", manifest, "--out", cache, "--epochs", 3, *with_vae).splitlines()[-1]
    _run("training", "dit", manifest, "--out", dit, *with_vae, "--set", f"data.cache={location}")
    _run("training", "eval", dit)
    _run("training", "reward", manifest, "--out", reward, "--set", f"objective.base={dit}")
    _run("training", "eval", reward)
    sheets = {run: _samples(folder, run) for run in (dit, reward)}
    page = folder / "index.html"
    minutes = (time.monotonic() - started) / 60
    write_page(
        page, f"ClipMill: {FILMS} films to a tuned model in {minutes:.0f} minutes", _sections(vae, dit, reward, sheets)
    )
    return page


def _samples(folder: Path, run: Path) -> dict[str, Path]:
    """A sheet for each prompt."""
    sheets = {}
    for number, prompt in enumerate(PROMPTS):
        film = folder / "samples" / f"{run.name}_{number}.mp4"
        _run("training", "sample", run, "--prompt", prompt, "--out", film)
        sheets[prompt] = film.with_suffix(".png")
    return sheets


def _sections(vae: Path, dit: Path, reward: Path, sheets: dict[Path, dict[str, Path]]) -> Sequence[Section]:
    return (
        Section(
            title="Autoencoder",
            text="4 x 8 x 8 pixels become 8 values, and back. Held-out films are of captions that were never shown.",
            run=vae,
            curves=("loss/l1", "held_out/psnr", "held_out/ssim"),
        ),
        Section(
            title="Transformer",
            text="Flow matching from captions. Of 32 samples, judged by their pixels, prompted_color_share are mostly "
            "of the colour that was asked for, red or blue, and prompted_direction_share move the way that was asked "
            "for; a quarter would by chance.",
            run=dit,
            curves=("loss/dit", "held_out/loss"),
            sheets=sheets[dit],
        ),
        Section(
            title="Reward tuning",
            text="Colour and direction are tuned for by a LoRA, on held-out prompts here. The share of background is "
            f"only watched: it may fall by {WATCHED_LOSS:g}, or the tuning has begun to paint the reward.",
            run=reward,
            curves=("held_out/mixture", "held_out/color", "held_out/direction", "held_out/watched/background"),
            sheets=sheets[reward],
        ),
    )


def _run(module: str, *arguments: object) -> str:
    """Run a command of ours; what it printed. Its log goes to the terminal."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    _log.info("\npython %s", shlex.join(command[1:]))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own modules
    print(done.stdout, end="", flush=True)
    return done.stdout


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    print(demo(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/train")))
