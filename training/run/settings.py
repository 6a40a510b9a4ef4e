"""The recipe that a run kept, which an older version of the code may have written.

A setting that is no longer known is left out, with a warning. Those of networks say what their weights mean: none may
be left out, and one that came later has its class's default.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from preprocess.io.names import imported, recipe_in
from preprocess.io.nodes import Setting, records
from preprocess.io.settings import Settings, dump, override
from preprocess.io.trees import load
from training.run.config import TrainConfig

_NETWORKS = "training.models."
"""Where the classes of networks are, and beside each the record that it is built from."""

logger = logging.getLogger(__name__)


def restored(tree: Mapping[str, Any], run: str) -> TrainConfig:
    """The recipe of a run, from the tree in its state.

    Raises:
        ValueError: a network's setting is no longer known, or came later without a default; a value is refused; or it
            needs code that may not be imported.
    """
    config = load(tree, TrainConfig, unknown=partial(_leave_out, run))
    return dataclasses.replace(config, out=run)  # which may have been moved


def restored_by_name(kept: Settings, run: str) -> TrainConfig:
    """The same for a run from before its state held a tree: one of our recipes by its name, and what was set.

    A setting of no network that came later has the recipe's value.

    Raises:
        ValueError: there is no such recipe any more, or as for `restored`.
    """
    recipes = imported("training.recipes")
    config = recipe_in(recipes, str(kept["name"]), TrainConfig, str(kept.get("data.manifest", "")), run)
    now, networks = dump(config), _network_defaults(config)
    gone, came = sorted(kept.keys() - now.keys()), sorted(networks.keys() - kept.keys())
    places = {key.rpartition(".")[0] for key in networks}
    unclear = [key for key in gone if key.rpartition(".")[0] in places]
    unclear += [key for key in came if not isinstance(networks[key], Setting)]
    if unclear:
        raise ValueError(_other_networks(unclear))
    if gone:
        _warn_once(run, ", ".join(gone))
    wanted = {key: networks[key] for key in came} | {key: kept[key] for key in now.keys() & kept.keys()}
    assignments = [
        f"{key}={value}" for key, value in sorted(wanted.items()) if key not in ("name", "out") and now[key] != value
    ]
    return override(config, assignments)


def _leave_out(run: str, kind: type[Any], keys: Sequence[str]) -> None:
    if kind.__module__.startswith(_NETWORKS):
        raise ValueError(_other_networks(keys))
    _warn_once(run, ", ".join(keys))


def _other_networks(keys: Sequence[str]) -> str:
    return f"its networks were made with other settings than there are now: {', '.join(keys)}"


@cache
def _warn_once(run: str, keys: str) -> None:
    """A command asks for a run's recipe several times."""
    logger.warning("%s: settings that are no longer known are left out: %s", run, keys)


def _network_defaults(config: TrainConfig) -> dict[str, Any]:
    """The settings that say how networks are built, each with its class's default or `dataclasses.MISSING`."""
    return {
        f"{key}.{field.name}": field.default
        for key, record in records(config)
        for field in dataclasses.fields(record)
        if type(record).__module__.startswith(_NETWORKS) and isinstance(getattr(record, field.name), Setting)
    }
