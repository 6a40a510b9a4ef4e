"""What run.json remembers of the recipe that made a manifest, and how later commands change a manifest in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.plugins import captioner_named, scorer_named, with_captioner, with_scorer
from preprocess.io import trees
from preprocess.io.names import recipe_in
from preprocess.io.settings import dump, fingerprint, override
from preprocess.manifest import Manifest


def load(manifest: Manifest) -> dict[str, Any]:
    """run.json of a finished manifest.

    Raises:
        ValueError: there is none.
    """
    run = manifest.run()
    if run is None or manifest.parted_clips().schema is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    return run


def recorded_config(run: Mapping[str, Any]) -> CurateConfig:
    """The recipe that a manifest has now: with the `--set` of its run, and the filters and captioner added since.

    Raises:
        ValueError: it needs code that is not ours and that the command line has not named, or is no longer understood.
    """
    try:
        return trees.load(run["config"], CurateConfig) if "config" in run else _config_by_name(run)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # a class may be given anything: values of the right types that its own arithmetic cannot take
        what = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"the recipe in run.json: {what}") from error


def with_added(config: CurateConfig, run: Mapping[str, Any]) -> CurateConfig:
    """`config` with the filters that `filter` added to the manifest, set as they were then: new clips get them too."""
    names = {str(name) for name in run.get("added", ()) if all(scorer.name != name for scorer in config.scorers)}
    if not names:
        return config
    recorded = recorded_config(run)
    added = tuple(scorer for scorer in recorded.scorers if scorer.name in names)
    columns = {column for scorer in added for column in scorer.columns}
    others = tuple(scorer for scorer in config.scorers if not scorer.columns.keys() & columns)
    wanted = {scorer.tower for scorer in added} - {tower.name for tower in config.towers}
    towers = tuple(tower for tower in recorded.towers if tower.name in wanted)
    return replace(config, scorers=(*others, *added), towers=(*config.towers, *towers))


def run_of(config: CurateConfig) -> dict[str, Any]:
    """What run.json, and with it every reader and the report, needs to know of a recipe."""
    return {
        "recipe": {
            "name": config.name,
            "rules": [{"column": rule.column, "min": rule.min, "max": rule.max} for rule in config.rules],
            "scorers": [scorer.name for scorer in config.scorers],
            "captioner": config.captioner.name,
            "rule_columns": config.rule_columns,
            "timed_columns": sorted(config.timed_columns),
        },
        "settings": dump(config),
        "fingerprint": fingerprint(config),
        "config": trees.kept(config),
    }


def _config_by_name(run: Mapping[str, Any]) -> CurateConfig:
    """The recipe of a manifest from before run.json held all of it: one of ours by its name, and what was set."""
    names = [run["settings"]["captioner"], *run.get("added", ())]
    if any(":" in name for name in names):
        raise ValueError(f"{names}: a file names no modules")
    config = with_captioner(recipe_in(recipes, run["recipe"]["name"], CurateConfig), captioner_named(names[0]))
    for name in names[1:]:
        config = with_scorer(config, scorer_named(name))
    before = dump(config)
    changed = {key: value for key, value in run["settings"].items() if before.get(key, "absent") != value}
    return override(config, [f"{key}={value}" for key, value in changed.items()], imports=False)
