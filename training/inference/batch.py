"""Many prompts into a folder, as they are made; the same again makes what is missing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from training.film import PICTURE_SUFFIX, Frames, write_film, write_picture
from training.inference.making import How
from training.inference.prompts import Asked
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.run.checkpoint import identity, latest
from training.run.config import Precision
from training.run.distributed import own_device
from training.run.runs import config_of, own_precision, trained_generator
from training.sample import tell_cached, videos

LIST = "samples.jsonl"
"""What the folder holds: a line for each film, with all that it was made of."""

Row = tuple[Path, Asked, int]
"""Where a film goes, what it shows, and its seed."""


def sample_each(
    run: str,
    asked: Sequence[Asked],
    folder: Path,
    *,
    count: int = 1,
    seed: int = 0,
    shape: Shape | None = None,
    config: GenerateConfig,
    precision: Precision | None = None,
    offload: bool = False,
    with_lora: bool = True,
    how: How,
) -> list[Path]:
    """Write a film for each prompt, or a picture where a shape has one frame, and `samples.jsonl` beside them.

    Args:
        run: folder of a run that trained a transformer, or tuned one.
        asked: prompts, of which each may have its own negative prompt and seed.
        folder: for `00000_seed_0.mp4` and so on, by the prompts' order.
        count: how many for each prompt, with one seed after the other.
        seed: the first one, of prompts without one.
        shape: frames and pixels; None takes the largest that the run was trained on.
        config: steps and guidance.
        precision: see `training.sample.sample`.
        offload: see there.
        with_lora: see there.
        how: see there.

    Raises:
        ValueError: there is no such run, or the model makes no videos of that shape.
        OSError: the folder cannot be written to.
    """
    if count < 1:
        raise ValueError(f"count is {count}, must be at least 1")
    trained = config_of(run)
    largest, fps = trained.data.largest_sample(trained.objective.grid())
    shape = shape or largest
    suffix = PICTURE_SUFFIX if shape.frames == 1 else ".mp4"
    rows = [
        (folder / f"{number:05d}_seed_{own}{suffix}", each, own)
        for number, each in enumerate(asked)
        for own in range(seed if each.seed is None else each.seed, (seed if each.seed is None else each.seed) + count)
    ]
    checkpoint = latest(run)
    assert checkpoint is not None
    same = {"run": run, "checkpoint": identity(checkpoint), "shape": asdict(shape), "with_lora": with_lora}
    same |= asdict(config)
    told = {path: same | {"prompt": each.prompt, "seed": own} for path, each, own in rows}
    for path, each, _ in rows:
        told[path]["negative"] = config.negative if each.negative is None else each.negative
    folder.mkdir(parents=True, exist_ok=True)
    before = _read(folder)
    missing = [row for row in rows if before.get(row[0].name) != told[row[0]] or not row[0].exists()]
    if missing:
        device = own_device()
        precision = precision or own_precision(trained, device)
        generator = trained_generator(run, device, precision=precision, offload=offload, with_lora=with_lora)
        for negative, own, some in _alike(missing, config.negative):
            setting, texts = replace(config, negative=negative), [each.prompt for _, each, _ in some]
            films = videos(generator, texts, shape, setting, seed=own, precision=precision, how=how)
            for (path, _, _), film in zip(some, films, strict=True):
                _write(path, film, fps)
                with (folder / LIST).open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"film": path.name} | told[path]) + "\n")
        if how.cache is not None:
            tell_cached(how.cache, [], None)
    return [path for path, _, _ in rows]


def _alike(rows: Sequence[Row], negative: str) -> list[tuple[str, int, list[Row]]]:
    """What can be made together: of one negative prompt and seed, and no prompt twice, which would have other noise."""
    groups: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    repeats: dict[tuple[str, str, int], int] = defaultdict(int)
    for row in rows:
        _, each, own = row
        against = negative if each.negative is None else each.negative
        groups[against, own, repeats[each.prompt, against, own]].append(row)
        repeats[each.prompt, against, own] += 1
    return [(against, own, some) for (against, own, _), some in groups.items()]


def _write(path: Path, film: Frames, fps: float) -> None:
    if path.suffix == PICTURE_SUFFIX:
        write_picture(path, film[0])
    else:
        write_film(path, film, fps=fps)


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """What each film was made of; a line that a crash has torn is none."""
    found: dict[str, dict[str, Any]] = {}
    path = folder / LIST
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            made = json.loads(line)
            found[made.pop("film")] = made
        except (ValueError, KeyError, AttributeError):
            continue
    return found
