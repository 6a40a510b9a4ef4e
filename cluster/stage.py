"""What a pipeline is made of: plain classes that know nothing of where they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar


class Stage(ABC):
    """One step, run by one or many workers, each with its own copy. Items must pickle."""

    name: ClassVar[str]
    cpus: ClassVar[float] = 1.0
    gpus: ClassVar[float] = 0.0

    def setup(self) -> None:  # noqa: B027 - many stages have nothing to load
        """Load models and open what is needed, once in each worker, before the first item."""

    @abstractmethod
    def process(self, item: Any) -> Iterable[Any]:
        """Turn one item into any number of items. An exception stops the run: it is a bug, not bad data."""

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""


class Chain(Stage):
    """Several stages as one, for a worker that runs them back to back: what passes between them is never copied."""

    name = "chain"

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = tuple(stages)

    def setup(self) -> None:
        """Set up each stage in turn."""
        for stage in self.stages:
            stage.setup()

    def process(self, item: Any) -> Iterable[Any]:
        """Pass an item through all stages."""
        items: list[Any] = [item]
        for stage in self.stages:
            items = [result for each in items for result in stage.process(each)]
        return items

    def close(self) -> None:
        """Close in the opposite order."""
        for stage in reversed(self.stages):
            stage.close()
