"""What run.json remembers of the recipe that made a manifest, and how later commands change a manifest in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.plugins import with_captioner, with_scorer
from preprocess.io.settings import dump, fingerprint, override
from preprocess.manifest import Manifest


def load(manifest: Manifest) -> tuple[dict[str, Any], pa.Table]:
    """run.json and the clips of a finished manifest.

    Raises:
        ValueError: there is none.
    """
    run, clips = manifest.run(), manifest.clips()
    if run is None or clips is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    return run, clips


def recorded_config(run: Mapping[str, Any]) -> CurateConfig:
    """The recipe that a manifest has now: with the `--set` of its run, and the filters and captioner added since."""
    config = with_captioner(recipes.by_name(run["recipe"]["name"]), run["settings"]["captioner"])
    return _as_recorded(with_added(config, run), run, prefixes=("",))


def with_added(config: CurateConfig, run: Mapping[str, Any]) -> CurateConfig:
    """`config` with the filters that `filter` added to the manifest, set as they were then: new clips get them too."""
    names = [name for name in run.get("added", ()) if all(scorer.name != name for scorer in config.scorers)]
    towers = {tower.name for tower in config.towers}
    for name in names:
        config = with_scorer(config, name)
    new = [tower.name for tower in config.towers if tower.name not in towers]
    prefixes = (*(f"scorers.{name}." for name in names), *(f"towers.{name}." for name in new))
    return _as_recorded(config, run, prefixes=prefixes)


def _as_recorded(config: CurateConfig, run: Mapping[str, Any], *, prefixes: tuple[str, ...]) -> CurateConfig:
    """Set what the manifest has otherwise, among the settings that begin with one of `prefixes`."""
    known = dump(config)
    changed = {key: value for key, value in run["settings"].items() if key not in known or known[key] != value}
    return override(config, [f"{key}={value}" for key, value in changed.items() if key.startswith(prefixes)])


def run_of(config: CurateConfig) -> dict[str, Any]:
    """What run.json, and with it every reader and the report, needs to know of a recipe."""
    return {
        "recipe": {
            "name": config.name,
            "rules": [{"column": rule.column, "min": rule.min, "max": rule.max} for rule in config.rules],
            "scorers": [scorer.name for scorer in config.scorers],
            "captioner": config.captioner.name,
        },
        "settings": dump(config),
        "fingerprint": fingerprint(config),
    }
