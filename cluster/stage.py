"""What a pipeline is made of: plain classes that know nothing of where they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any


class Stage(ABC):
    """One step, run by one or many workers, each with its own copy. Items must pickle."""

    name: str
    cpus: float = 1.0
    gpus: float = 0.0
    """Share of a GPU it asks for; a cluster without GPUs runs it on a CPU."""
    apart: bool = False
    """True for stages that mostly wait, for a server say: they get a single worker of their own."""
    batch_items: int = 1
    """Items handed over at a time, where the stage has workers of its own."""

    def setup(self) -> None:  # noqa: B027 - many stages have nothing to load
        """Load models and open what is needed, once in each worker, before the first item."""

    @abstractmethod
    def process(self, items: Sequence[Any]) -> Iterable[Any]:
        """Turn up to `batch_items` items into any number of items. An exception stops the run: a bug, not bad data."""

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""


class Chain(Stage):
    """Several stages as one, for a worker that runs them back to back: what passes between them is never copied."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self.name = " + ".join(stage.name for stage in stages)
        # what runs back to back needs as much as its hungriest member
        self.cpus = max((stage.cpus for stage in stages), default=0.0)

    def setup(self) -> None:
        """Set up each stage in turn."""
        for stage in self.stages:
            stage.setup()

    def process(self, items: Sequence[Any]) -> Iterable[Any]:
        """Pass items through all stages."""
        for stage in self.stages:
            items = list(stage.process(items))
        return items

    def close(self) -> None:
        """Close in the opposite order."""
        for stage in reversed(self.stages):
            stage.close()
