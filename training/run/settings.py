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


def _leave_out(run: str, kind: type[Any], keys: Sequence[str]) -> None:
    if kind.__module__.startswith(_NETWORKS):
        raise ValueError(f"its networks were made with other settings than there are now: {', '.join(keys)}")
    _warn_once(run, ", ".join(keys))


@cache
def _warn_once(run: str, keys: str) -> None:
    """A command asks for a run's recipe several times."""
    logger.warning("%s: settings that are no longer known are left out: %s", run, keys)
