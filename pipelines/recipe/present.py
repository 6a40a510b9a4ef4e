"""New videos follow the bounds that a manifest has now, wherever `decide` has put them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from filters.rules import Range
from pipelines.recipe.bounds import Bounds
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recorded import recorded_config
from preprocess.io.settings import difference, fingerprint

_log = logging.getLogger("clipmill")


def with_present_bounds(config: CurateConfig, run: Mapping[str, Any]) -> CurateConfig:
    """The recipe that the command line gives, with the bounds that the manifest of `run` has now.

    `curate` is given the command that began the manifest, whose bounds `decide` has moved since. So a bound that is as
    it was then, or as it is now, asks for nothing. One that is neither contradicts, and stays, to be refused.
    """
    begun = Bounds.loaded(run.get("begun"))
    if begun is None or run.get("fingerprint") == fingerprint(config):
        return config
    present = Bounds.of(recorded_config(run))
    given, was, now = Bounds.of(config).ends(), begun.ends(), present.ends()
    ends = {
        key: now.get(key) if given.get(key) in (was.get(key), now.get(key)) else given.get(key) for key in given | now
    }
    columns = dict.fromkeys([*(rule.column for rule in present.rules), *(column for column, _ in ends)])
    rules = [Range(column=name, min=ends.get((name, "min")), max=ends.get((name, "max"))) for name in columns]
    name = present.name if config.name in (begun.name, present.name) else config.name
    followed = replace(config, name=name, rules=tuple(rules))
    if fingerprint(followed) == run.get("fingerprint"):
        moved = "; ".join(difference(config, followed))
        _log.info("the bounds are those that `decide` has set since OUT was begun: %s", moved)
    return followed
