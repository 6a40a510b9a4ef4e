"""All of it in one command: make films, curate them, train four models one on the other, show them on a page.

Each stage is a command that you could have typed; it is printed before it runs. What is done is not done again.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.film import read_film, write_picture, write_preview
from training.recipes_shapes import EPOCHS, TUNED
from training.run.samples import read_samples
from training.shapes.commands import Commands
from training.shapes.corpus import Scene, render, write_corpus
from training.shapes.page import Section, write_page
from training.shapes.truth import dominant_color

FILMS = 768
"""Eight of each combination of words."""
RADII, PACE = (0.24, 0.32), 0.5
"""Shapes that fill a quarter of the picture, and so go slowly. Every half of a second is looked at: between frames they
go as far as `corpus.SPEEDS` has it for a quarter."""
PROMPTS = (
    "a red circle moving right quickly",
    "a blue square moving up quickly",
    "a yellow triangle moving left slowly",
    "a green square moving down slowly",
)
FIRST = Scene(
    color="blue", shape="triangle", direction="right", speed="quickly", x=0.5, y=0.4, radius=0.28, grey=100, pace=PACE
)
"""Whose first frame is shown to the transformer; prompts go on from it in two ways."""
GOES_ON = ("a blue triangle moving right quickly", "a blue triangle moving down quickly")
LOOK, LOOK_FILMS, LOOK_PROMPT, LOOK_SAMPLES = "green", 12, "a circle moving left slowly", 16
"""The LoRA's films are of a colour that their captions do not name; nor does the prompt."""
SEEDS = (1, 2, 0)
"""By which samples are measured; the figures of the last are kept in the run's `evaluation.json`."""
SHOWN = 5
"""Most steps of which samples are shown beside one another: as many as a page is wide."""
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
    folder.mkdir(parents=True, exist_ok=True)
    run = Commands(folder / "costs.json")
    films, manifest = folder / "films", folder / "manifest"
    _log.info("making %d films in %s", FILMS, films)
    write_corpus(films, count=FILMS, radii=RADII, pace=PACE)
    run("pipelines", "curate", films, manifest, "--captioner", "sidecar", *_set(*_CURATE))
    sections = [_autoencoder(run, folder), _transformer(run, folder), _reward(run, folder), _lora(run, folder)]
    corpus = Section(
        title="Films",
        text=f"{FILMS} of them, each of one coloured shape that moves, found and described by curate.",
        films={"": {_caption(path): _preview(path) for path in sorted(films.glob("*.mp4"))[:6]}},
    )
    costs = Section(
        title="What it took",
        text="By command, on the clock and of all processors together; those of a cluster's workers are not counted.",
        figures=run.costs,
    )
    page = folder / "index.html"
    title = f"ClipMill: {FILMS} films to a tuned model in {run.seconds / 60:.0f} minutes"
    # What one came for comes first.
    write_page(page, title, [*sections[1:], sections[0], corpus, costs])
    return page


def _autoencoder(run: Commands, folder: Path) -> Section:
    vae = folder / "vae"
    run("training", "vae", folder / "manifest", *_recipe("vae"), "--out", vae, *_set("data.num_workers=1"))
    figures = _figures(run("training", "eval", vae))
    return Section(
        title="Autoencoder",
        text="4 x 8 x 8 pixels become 16 values, and back: held-out films on the left, what became of them on the "
        "right. box_blur_psnr is what the films would have if they were blurred by 4 x 4 pixels; shape_share, in how "
        "many of them the shape is read rightly from pixels alone.",
        films={"": {path.stem: path for path in sorted(vae.glob("given_back_*.webp"))}},
        figures=_chosen(figures, "held_out/psnr", "held_out/box_blur_psnr", "held_out/ssim", "shape_share"),
        run=vae,
        curves=("loss/l1", "held_out/psnr", "held_out/ssim"),
    )


def _transformer(run: Commands, folder: Path) -> Section:
    dit, with_vae = folder / "dit", f"objective.vae={folder / 'vae'}"
    cached = ("--out", folder / "cache", "--epochs", EPOCHS, *_set(with_vae))
    location = run("training", "cache", folder / "manifest", *_recipe("dit"), *cached).splitlines()[-1]
    first = folder / "first.png"
    write_picture(first, render(FIRST, size=64, num_frames=1)[0])
    images = ["" for _ in PROMPTS] + [str(first) for _ in GOES_ON]
    samples = (f"samples.prompts={json.dumps(PROMPTS + GOES_ON)}", f"samples.images={json.dumps(images)}")
    settings = _set(with_vae, f"data.cache={location}", "trainer.sample_every=1250", *samples)
    run("training", "dit", folder / "manifest", *_recipe("dit"), "--out", dit, *settings)
    figures, shares = _by_seeds(run, dit)
    strips: dict[str, dict[str, Path]] = {prompt: {} for prompt in PROMPTS} | {
        f"{prompt}, from the picture": {"picture": first} for prompt in GOES_ON
    }
    return Section(
        title="Transformer",
        text="Flow matching from captions, and from a first picture. Of 48 samples, judged by their pixels alone: how "
        "many are of the colour, the shape and the direction that was asked for. By chance it would be one of two "
        "colours, one of three shapes, one of four directions. An outline that is none of the shapes is a wrong one.",
        films=_over_steps(dit, strips),
        figures=_chosen(figures, "held_out/loss") | shares,
        run=dit,
        curves=("loss/dit", "held_out/loss"),
    )


def seed_figures(run: Path, seed: int) -> Path:
    """Where a run's figures are, by samples of that seed."""
    return run / f"evaluation_{seed}.json"


def look_samples(folder: Path, state: str) -> list[Path]:
    """The films that were made before, with or without the LoRA."""
    return sorted((folder / "samples").glob(f"{state}_*.mp4"))


def _reward(run: Commands, folder: Path) -> Section:
    reward = folder / "reward"
    samples = (
        f"samples.prompts={json.dumps(PROMPTS)}",
        f"samples.guidance={TUNED.guidance}",
        "trainer.sample_every=1000",
    )
    settings = _set(f"objective.base={folder / 'dit'}", *samples)
    run("training", "reward", folder / "manifest", *_recipe("reward"), "--out", reward, *settings)
    figures, shares = _by_seeds(run, reward, "--guidance", TUNED.guidance)
    names = ("mixture", "color", "direction", "shape", "watched/background")
    return Section(
        title="Reward tuning",
        text="Before and after, from the same noise. Shape, direction and colour are tuned for by a LoRA, and measured "
        f"on held-out prompts. The share of background is only watched: it may fall by {WATCHED_LOSS:g}, or the tuning "
        "has begun to paint the reward. Shares are of 48 samples, as above, with the guidance of the tuning; "
        "what judges their shapes is what they were tuned by, but for soft edges.",
        films=_over_steps(reward, {prompt: {} for prompt in PROMPTS}),
        figures={
            name: f"{figures[f'before_tuning/{name}']:.3f} before, {figures[f'held_out/{name}']:.3f} after"
            for name in names
        }
        | shares,
        run=reward,
        curves=tuple(f"held_out/{name}" for name in names),
    )


def _lora(run: Commands, folder: Path) -> Section:
    films, manifest, lora = folder / "look_films", folder / "look", folder / "lora"
    write_corpus(films, count=LOOK_FILMS, seed=1, look=LOOK, radii=RADII, pace=PACE)
    curated = ("--captioner", "sidecar", "--engine", "local", *_set(*_CURATE))
    run("pipelines", "curate", films, manifest, *curated)
    run("training", "lora", manifest, *_recipe("lora"), "--out", lora, *_set(f"objective.base={folder / 'dit'}"))
    strips: dict[str, dict[str, Path]] = {}
    shares: dict[str, object] = {}
    states: dict[str, tuple[object, ...]] = {
        "before": (folder / "dit",),
        "with": (lora,),
        "taken_off": (lora, "--without-lora"),
    }
    for name, arguments in states.items():
        out = folder / "samples" / f"{name}.mp4"
        what = ("--prompt", LOOK_PROMPT, "--count", LOOK_SAMPLES, "--out", out)
        run("training", "sample", *arguments, *what)
        made = look_samples(folder, out.stem)
        strips[name.replace("_", " ")] = {f"{place}": _preview(path) for place, path in enumerate(made[:6])}
        right = sum(dominant_color(read_film(path)) == LOOK for path in made)
        shares[f"{LOOK}, {name.replace('_', ' ')}"] = f"{right} of {len(made)}"
    return Section(
        title="A LoRA",
        text=f"By {LOOK_FILMS} films of {LOOK} shapes whose captions do not say so. The prompt names no colour either: "
        f"{LOOK_PROMPT!r}.",
        films=strips,
        figures=shares,
    )


def _over_steps(run: Path, strips: Mapping[str, Mapping[str, Path]]) -> dict[str, dict[str, Path]]:
    """The samples of a run behind what the strips have, of which there is one a prompt, in the prompts' order."""
    filled = {name: dict(strip) for name, strip in strips.items()}
    made = read_samples(str(run))
    steps = sorted({sample.step for sample in made})
    shown = {steps[round(place * (len(steps) - 1) / (SHOWN - 1))] for place in range(SHOWN)}
    for sample in made:
        if sample.step not in shown:
            continue
        list(filled.values())[sample.index][f"step {sample.step:,}"] = sample.preview
    return filled


def _preview(film: Path) -> Path:
    """A film as a picture that plays, beside it."""
    path, frames = film.with_suffix(".webp"), read_film(film)
    write_preview(path, frames, fps=len(frames) / 2)
    return path


def _caption(film: Path) -> str:
    return str(json.loads(film.with_suffix(".json").read_text(encoding="utf-8"))["caption"])


def _by_seeds(run: Commands, trained: Path, *sampling: object) -> tuple[dict[str, Any], dict[str, object]]:
    """A run's figures by the last of `SEEDS`, and what its samples show by each of them."""
    by_seed = {}
    for seed in SEEDS:
        by_seed[seed] = _figures(run("training", "eval", trained, "--seed", seed, *sampling))
        seed_figures(trained, seed).write_text(json.dumps(by_seed[seed], indent=1), encoding="utf-8")
    shares: dict[str, object] = {
        f"{name}, seeds {', '.join(map(str, SEEDS))}": ", ".join(f"{figures[name]:.0%}" for figures in by_seed.values())
        for name in ("prompted_color_share", "prompted_shape_share", "prompted_direction_share")
    }
    return by_seed[SEEDS[-1]], shares


def _figures(printed: str) -> dict[str, Any]:
    """What `eval` printed."""
    return dict(json.loads(printed.splitlines()[-1]))


def _chosen(figures: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: figures[name] for name in names}


def _recipe(name: str) -> tuple[str, str]:
    return "--recipe", f"training.recipes_shapes:{name}"


def _set(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    print(demo(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/train")))
