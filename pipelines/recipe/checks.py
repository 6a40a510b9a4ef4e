"""See that models, libraries and servers are there before any video is opened."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar, Protocol

from filters.base import Measurement
from pipelines.recipe.config import CurateConfig
from preprocess.io.settings import difference
from preprocess.io.weights import MissingWeightsError


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
    names = {scorer.tower for scorer in measurements}
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


def refuse_mixed_towers(before: CurateConfig, config: CurateConfig, *, anew: Sequence[Measurement]) -> None:
    """See that a tower which changes leaves no column behind that it did not measure.

    Raises:
        ValueError: columns other than those that are measured `anew` came from the tower as it was.
    """
    names = {scorer.name for scorer in anew}
    changes = [line for line in difference(before, config) if line.startswith("towers.")]
    for tower in before.towers:
        changed = [line for line in changes if line.startswith(f"towers.{tower.name}.")]
        others = [scorer.name for scorer in before.scorers if scorer.tower == tower.name]
        left = [name for name in others if name not in names]
        if changed and left:
            raise ValueError(
                f"{', '.join(left)} in this manifest came from another tower {tower.name} ({'; '.join(changed)}); "
                "curate into a new OUT to change it"
            )
