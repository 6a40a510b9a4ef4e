"""A manifest may be a stranger's: its run.json decides nothing that is opened or sent outside of the program.

Such settings are marked `OUTSIDE`: addresses of servers, names of keys, weights, files of prompts. Each that a command
uses has the default of its class, or is said on the command line or in a recipe of the user's.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from filters.base import Measurement
from filters.towers.tower import DEFAULTS
from pipelines.recipe.config import CurateConfig
from preprocess.io.at_hand import refuse_missing
from preprocess.io.nodes import records
from preprocess.io.places import refuse_elsewhere
from preprocess.io.roots import Roots
from preprocess.io.settings import is_outside
from preprocess.manifest import Manifest

MOST_SHOWN = 300
"""Characters of a value from run.json that a message repeats."""


def refuse_unsaid(
    config: CurateConfig,
    *,
    measurements: Sequence[Measurement],
    captions: bool,
    said: Sequence[str],
    recipe: CurateConfig | None = None,
    captioner_said: bool = True,
) -> None:
    """See that what these measurements, and the captioner, take from outside was not said by run.json alone.

    Args:
        config: with what run.json remembers.
        measurements: those that are to run.
        captions: whether the captioner is.
        said: the `--set` of the command line.
        recipe: one that the command line named; what it says counts as said.
        captioner_said: whether the command line named the captioner.

    Raises:
        ValueError: something was; the message says what to give.
    """
    towers = {measurement.tower for measurement in measurements}
    used = [f"scorers.{measurement.name}" for measurement in measurements]
    used += [f"towers.{tower}" for tower in towers if tower is not None] + ["captioner"] * captions
    known = {assignment.partition("=")[0].strip() for assignment in said}
    trusted: Mapping[str, Any] = {} if recipe is None else {key: value for key, value, _ in _outside(recipe)}
    facts = [fact for fact in _outside(config) if fact[0].rpartition(".")[0] in used]
    missing = [
        f"--set {shlex.quote(f'{key}={_shown(value)}')}"
        for key, value, usual in facts
        if value not in (None, usual) and key not in known and trusted.get(key) != value
    ]
    if captions and not captioner_said and any(key.startswith("captioner.") for key, _, _ in facts):
        missing.insert(0, f"--captioner {shlex.quote(_shown(config.captioner.name))}")
    if missing:
        raise ValueError(
            "run.json alone says what would be opened or asked here, and it may be a stranger's: servers, keys, files "
            f"and weights are for the command line to name. If these are right, add: {' '.join(missing)}"
        )


def refuse_strange_sources(
    manifest: Manifest, config: CurateConfig, named: Sequence[str], roots: Roots | None = None, *, opened: bool = False
) -> None:
    """See that the videos of a manifest, once `roots` has moved them, are where it is itself, or below a place that the
    command line names; and that there are any where videos are to be `opened`.

    Raises:
        ValueError: some are elsewhere, or all are missing. Of some that are missing, a warning tells.
    """
    roots = roots or Roots()
    tables = [(manifest.parted_sources(), "uri")]
    if config.captioner.reads_files:  # by the clips' own word
        tables.append((manifest.parted_clips(), "source_uri"))
    uris = (
        uri for table, column in tables for batch in table.batches([column]) for uri in set(batch[column].to_pylist())
    )
    refuse_elsewhere(
        (roots.moved(uri) for uri in uris if uri is not None), home=manifest.location, named=[*named, *roots.targets]
    )
    if opened:
        batches = manifest.parted_clips().batches(["source_uri"])
        used = (roots.moved(uri) for batch in batches for uri in batch["source_uri"].unique().to_pylist())
        refuse_missing(used, home=manifest.location, told=bool(roots.moves))


def _outside(config: CurateConfig) -> Iterator[tuple[str, Any, Any]]:
    """Key, value and usual value of each setting that is marked so."""
    for key, record in records(config):
        standard = DEFAULTS.get(record.name) if key.startswith("towers.") else None
        for field in dataclasses.fields(record):
            if is_outside(field.metadata):
                usual = field.default if standard is None else getattr(standard, field.name)
                yield f"{key}.{field.name}", getattr(record, field.name), usual


def _shown(value: object) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
