"""See that models, libraries and servers are there before any video is opened."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar, Protocol

from filters.base import EmbeddingScorer, Measurement
from pipelines.config import CurateConfig
from preprocess.weights import MissingWeightsError


class Needy(Protocol):
    """What filters, towers and captioners have in common."""

    libraries: ClassVar[tuple[str, ...]]

    def check(self) -> None:
        """See that weights or a server are there."""
        ...


def check_models(config: CurateConfig, *, measurements: Sequence[Measurement], captions: bool) -> None:
    """Look for what these measurements, and the captioner, will load.

    Raises:
        ValueError: something is missing; one sentence says what, which setting names it, and what does without it.
    """
    names = {scorer.tower for scorer in measurements if isinstance(scorer, EmbeddingScorer)}
    towers = [tower for tower in config.towers if tower.name in names]
    needing: list[Needy] = [*towers, *measurements, *([config.captioner] if captions else [])]
    try:
        for each in needing:
            each.check()
    except MissingWeightsError as error:
        raise ValueError(f"{error}; `--recipe default` needs no weights") from error
    missing = sorted({library for each in needing for library in each.libraries if find_spec(library) is None})
    if missing:
        raise ValueError(
            f"{', '.join(missing)} is not installed: `make setup-all` does that; `--recipe default` does without"
        )
