"""The recipe that a command line asks for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.recipe.config import CurateConfig


def chosen(options: argparse.Namespace) -> CurateConfig:
    """The recipe that the command line names, or that a file holds, with the captioner that it names.

    Raises:
        ValueError: there is none of that name, or it is not well-formed.
    """
    from pipelines.recipe.config import CurateConfig, recipe
    from pipelines.recipe.plugins import captioner_named, with_captioner
    from preprocess.io.config_files import read_config

    config = recipe(options.recipe) if options.config is None else read_config(options.config, CurateConfig)
    if options.captioner is not None:
        config = with_captioner(config, captioner_named(options.captioner))
    return config
