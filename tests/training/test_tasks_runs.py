"""Each task shows its effect in one small model that was trained on all of them: minutes, so no part of `make test`.

Shots are held out. What the autoencoder alone keeps of a film is what a sample could keep at best.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.tasks_runs import FPS, SHAPE, base_runs, held_out, stood
from training.film import Frames
from training.models.conditions import Told
from training.objectives.generate import GenerateConfig, generate
from training.objectives.latent_video import LatentVideoGenerator
from training.objectives.tasks import camera, condition_of, control, ends, known_frames, start_of, together
from training.run.noise import SampleNoise
from training.run.runs import trained_generator
from training.shapes.paths import Shot, cameras, render_path, render_shot
from training.shapes.seen import background_motion, camera_move, overlap, shape_motion
from training.shapes.truth import dominant_color

pytestmark = pytest.mark.attack
SIZE: dict[str, Any] = {"size": SHAPE.height, "num_frames": SHAPE.frames, "fps": FPS}
COUNT = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = os.environ.get("TASKS_RUNS")
    return Path(known) if known else tmp_path_factory.mktemp("base")


@pytest.fixture(scope="module")
def model(folder: Path) -> LatentVideoGenerator:
    _, dit = base_runs(folder)
    made = trained_generator(str(dit))
    assert isinstance(made, LatentVideoGenerator)
    return made


@pytest.fixture(scope="module")
def untold(model: LatentVideoGenerator) -> list[Frames]:
    """What the captions alone make."""
    return made(model, [shot.scene.caption for shot in shots_of()])


@pytest.fixture(scope="module")
def best(model: LatentVideoGenerator) -> list[Frames]:
    """What the autoencoder alone keeps."""
    return passed_through(model, films_of(shots_of()))


def shots_of(count: int = COUNT, shape: str = "") -> list[Shot]:
    found = [shot for shot in held_out(12 * count) if shape in ("", shot.scene.shape)]
    return found[:count]


def films_of(drawn: Sequence[Shot]) -> list[Frames]:
    return [render_shot(shot, **SIZE) for shot in drawn]


@torch.no_grad()
def made(
    model: LatentVideoGenerator,
    captions: Sequence[str],
    told: Sequence[Told] | None = None,
    *,
    guidance: float = 1.0,
    keep: bool = False,
    **how: Any,
) -> list[Frames]:
    """A sample for each caption, told its own, of which what is known may be kept."""
    latent = (model.latent_channels, *model.grid.latents(SHAPE))
    ids = [f"{number} {caption}" for number, caption in enumerate(captions)]
    noise = SampleNoise(1, 0, ids, stream="sample").normal(*latent)
    condition = None if told is None else torch.cat([condition_of(model, one, SHAPE, 1) for one in told])
    config = GenerateConfig(num_steps=20, guidance=guidance)
    if told is not None and keep:
        videos, known = zip(*((one.video, one.known) for one in told), strict=True)
        how["kept"] = Told(video=torch.cat(videos), known=torch.cat(known))
    return pixels(model, generate(model, captions, noise, config, condition=condition, **how))


def told_and_kept(
    model: LatentVideoGenerator, captions: Sequence[str], told: Sequence[Told]
) -> dict[str, list[Frames]]:
    """Both ways of giving what is known: as a condition alone, and put back in each step."""
    return {"kept": made(model, captions, told, keep=True), "told": made(model, captions, told)}


@torch.no_grad()
def pixels(model: LatentVideoGenerator, latents: torch.Tensor) -> list[Frames]:
    levels = model.decoded(latents).clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return list(levels.permute(0, 2, 3, 4, 1).numpy())


@torch.no_grad()
def passed_through(model: LatentVideoGenerator, films: Sequence[Frames]) -> list[Frames]:
    """What the autoencoder alone keeps."""
    return pixels(model, torch.cat([start_of(model, film, 1) for film in films]))


def psnr(films: Sequence[Frames], wanted: Sequence[Frames], where: np.ndarray) -> float:
    """dB over all films, where a mask (F, H, W) is set."""
    off = np.stack(films).astype(float) - np.stack(wanted).astype(float)
    return float(10 * np.log10(255**2 / np.mean(off[:, where] ** 2)))


def jump(films: Sequence[Frames], place: int) -> float:
    """Grey levels by which a pixel changes between the first two frames (0) or the last two (-1)."""
    pair = slice(0, 2) if place == 0 else slice(-2, None)
    return float(np.mean([np.abs(np.diff(film[pair].astype(float), axis=0)).mean() for film in films]))


def listed(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items())


@pytest.mark.parametrize("which", ["first", "last", "both"])
def test_frames_that_are_given_are_kept(
    model: LatentVideoGenerator, untold: list[Frames], best: list[Frames], which: str
) -> None:
    drawn = shots_of()
    films, captions = films_of(drawn), [shot.scene.caption for shot in drawn]
    given = [(film[0] if which != "last" else None, film[-1] if which != "first" else None) for film in films]
    told = [ends(first, last, SHAPE) for first, last in given]
    known = np.zeros((SHAPE.frames, SHAPE.height, SHAPE.width), np.bool_)
    known[[place for place, picture in ((0, given[0][0]), (-1, given[0][1])) if picture is not None]] = True
    each = {**told_and_kept(model, captions, told), "untold": untold, "autoencoder": best}
    there = {name: psnr(made_of, films, known) for name, made_of in each.items()}
    beside = {name: psnr(made_of, films, ~known) for name, made_of in each.items()}
    jumps = {name: jump(made_of, 0 if which == "first" else -1) for name, made_of in each.items()}
    print(f"{which}, given frames, dB: {listed(there)}; the others: {listed(beside)}; change, levels: {listed(jumps)}")
    assert there["kept"] > there["autoencoder"] - 1
    assert there["told"] > there["untold"] + 2
    assert beside["kept"] > beside["untold"] + 0.5
    assert jumps["kept"] < 1.5 * jumps["autoencoder"]


def test_what_is_known_around_a_hole_is_kept_and_the_hole_fits(
    model: LatentVideoGenerator, untold: list[Frames], best: list[Frames]
) -> None:
    drawn = shots_of()
    films, captions = films_of(drawn), [shot.scene.caption for shot in drawn]
    known = np.ones((SHAPE.frames, SHAPE.height, SHAPE.width), np.bool_)
    known[:, 8:24, 8:24] = False
    told = [known_frames(film, known) for film in films]
    each = {**told_and_kept(model, captions, told), "untold": untold, "autoencoder": best}
    around = {name: psnr(made_of, films, known) for name, made_of in each.items()}
    hole = {name: psnr(made_of, films, ~known) for name, made_of in each.items()}
    print(f"around a hole: {listed(around)}; in it: {listed(hole)}")
    assert around["kept"] > around["autoencoder"] - 1
    assert around["told"] > around["untold"] + 2
    assert hole["kept"] > hole["untold"] + 1


def test_a_video_is_kept_as_far_as_strength_says(
    model: LatentVideoGenerator, untold: list[Frames], best: list[Frames]
) -> None:
    drawn = shots_of()
    films, captions = films_of(drawn), [shot.scene.caption for shot in drawn]
    start = torch.cat([start_of(model, film, 1) for film in films])
    found = {}
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        again = made(model, captions, start=start, strength=strength)
        found[strength] = psnr(again, films, np.ones(films[0].shape[:3], np.bool_))
        if strength == 0:
            assert all(np.array_equal(one, other) for one, other in zip(again, best, strict=True))
        if strength == 1:
            assert all(np.array_equal(one, other) for one, other in zip(again, untold, strict=True))
    print("dB by strength:", {strength: round(value, 2) for strength, value in found.items()})
    assert sorted(found.values(), reverse=True) == list(found.values())


def test_a_shape_follows_its_path(model: LatentVideoGenerator) -> None:
    """The captions do not say where it goes."""
    drawn = shots_of(shape="circle")
    paths, captions = [render_path(shot, **SIZE) for shot in drawn], [shot.scene.caption_short for shot in drawn]
    films = made(model, captions, [control(path) for path in paths])
    (own, others), (best, _) = (overlaps(each, paths) for each in (films, passed_through(model, films_of(drawn))))
    colors = [dominant_color(film) == shot.scene.color for film, shot in zip(films, drawn, strict=True)]
    untold, _ = overlaps(made(model, captions), paths)
    print(
        f"IoU with its path {own:.3f}, with others' {others:.3f} ({own / others:.2f} times), untold {untold:.3f}, "
        f"the autoencoder alone {best:.3f}; of its colour {np.mean(colors):.2f}"
    )
    assert own >= 3 * others
    assert own >= 3 * untold
    assert np.mean(colors) > 0.8


def overlaps(films: Sequence[Frames], paths: Sequence[Frames]) -> tuple[float, float]:
    """Mean overlap (IoU) with a film's own path, and with the others'."""
    table = np.array([[overlap(film, path) for path in paths] for film in films])
    return float(np.diag(table).mean()), float(table[~np.eye(len(table), dtype=bool)].mean())


def test_a_camera_moves_as_told(model: LatentVideoGenerator) -> None:
    """By the shape, which stands before a wall, and by the wall. No caption says it; one of five is right by chance."""
    drawn = [stood(shot) for shot in shots_of(2 * COUNT) if shot.move is not None]
    films, captions = films_of(drawn), [shot.scene.caption_short for shot in drawn]
    told = [camera(cameras(shot, num_frames=SHAPE.frames, fps=FPS)) for shot in drawn]
    first = [ends(film[0], None, SHAPE) for film in films]
    each = {
        "camera": made(model, captions, told),
        "nothing": made(model, captions),
        "camera and first frame": made(model, captions, [together(both) for both in zip(told, first, strict=True)]),
        "first frame": made(model, captions, first),
        "autoencoder": passed_through(model, films),
    }
    of_shape, of_wall = (
        {name: share_as_told(made_of, drawn, motion) for name, made_of in each.items()}
        for motion in (shape_motion, background_motion)
    )
    print(f"camera as told, by the shape: {listed(of_shape)}; by the wall: {listed(of_wall)}")
    assert of_wall["camera"] >= 0.6
    assert of_wall["camera and first frame"] >= 0.9
    assert of_shape["camera"] >= of_shape["nothing"] + 0.2
    assert of_shape["camera and first frame"] >= of_shape["first frame"] + 0.15


def share_as_told(films: Sequence[Frames], drawn: Sequence[Shot], motion: Callable[..., tuple[float, float]]) -> float:
    moves = [camera_move(*motion(film, fps=FPS)) for film in films]
    return float(np.mean([move == shot.move for move, shot in zip(moves, drawn, strict=True)]))


def test_a_reference_gives_its_colour_to_a_text_that_names_none(model: LatentVideoGenerator) -> None:
    drawn = shots_of()
    told = [Told(reference=control(film[:1]).control) for film in films_of(drawn)]
    films = made(model, [""] * len(drawn), told)
    same = [dominant_color(film) == shot.scene.color for film, shot in zip(films, drawn, strict=True)]
    print(f"of the reference's colour: {np.mean(same):.2f}")
    assert np.mean(same) >= 0.5


def test_text_alone_still_leads(model: LatentVideoGenerator) -> None:
    drawn = shots_of()
    films = made(model, [shot.scene.caption for shot in drawn], guidance=3.0)
    colors = [dominant_color(film) == shot.scene.color for film, shot in zip(films, drawn, strict=True)]
    print(f"of the colour that was asked for: {np.mean(colors):.2f}")
    assert np.mean(colors) >= 0.7
