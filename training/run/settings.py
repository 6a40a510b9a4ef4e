"""A recipe with the settings that a run kept, which an older version of the code may have written."""

from __future__ import annotations

import dataclasses
import logging
from functools import cache
from typing import Any

from preprocess.io.settings import Setting, Settings, dump, override, records
from training.run.config import TrainConfig

_NETWORKS = "training.models."
"""Where the classes of networks are, and beside each the record that it is built from."""

logger = logging.getLogger(__name__)


def restored(config: TrainConfig, kept: Settings) -> TrainConfig:
    """The recipe with the settings that a run kept, which an older version of the code may have written.

    A setting that is no longer known is left out, with a warning; one that came later has the recipe's value. Those of
    networks say what their weights mean: none may be left out, and one that came later has its class's default.

    Raises:
        ValueError: a network's setting is no longer known, or came later without a default; or a value is refused.
    """
    now, networks = dump(config), _network_defaults(config)
    gone, came = sorted(kept.keys() - now.keys()), sorted(networks.keys() - kept.keys())
    records = {key.rpartition(".")[0] for key in networks}
    unclear = [key for key in gone if key.rpartition(".")[0] in records]
    unclear += [key for key in came if not isinstance(networks[key], Setting)]
    if unclear:
        raise ValueError(f"its networks were made with other settings than there are now: {', '.join(unclear)}")
    if gone:
        _warn_once(f"{config.out}: settings that are no longer known are left out: {', '.join(gone)}")
    wanted = {key: networks[key] for key in came} | {key: kept[key] for key in now.keys() & kept.keys()}
    assignments = [
        f"{key}={'none' if value is None else value}"
        for key, value in sorted(wanted.items())
        if key not in ("name", "out") and now[key] != value
    ]
    return override(config, assignments)


@cache
def _warn_once(message: str) -> None:
    """A command asks for a run's recipe several times."""
    logger.warning(message)


def _network_defaults(config: TrainConfig) -> dict[str, Any]:
    """The settings that say how networks are built, each with its class's default or `dataclasses.MISSING`."""
    return {
        f"{key}.{field.name}": field.default
        for key, record in records(config)
        for field in dataclasses.fields(record)
        if type(record).__module__.startswith(_NETWORKS) and isinstance(getattr(record, field.name), Setting)
    }
