"""What a pipeline is made of: plain classes that know nothing of where they run."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So much more of something, for the metrics of whoever runs the stages."""

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


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

    def timed(self, items: Sequence[Any]) -> tuple[list[Any], Mapping[str, float]]:
        """What `process` makes of the items, and the seconds it took, by the name of the stage."""
        began = time.monotonic()
        results = list(self.process(items))
        return results, {self.name: time.monotonic() - began}

    def counts(self, results: Sequence[Any]) -> Iterable[Count]:
        """What these results of `process` amount to."""
        return ()

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
        return self.timed(items)[0]

    def timed(self, items: Sequence[Any]) -> tuple[list[Any], Mapping[str, float]]:
        """Each stage apart."""
        seconds: dict[str, float] = {}
        for stage in self.stages:
            items, taken = stage.timed(items)
            for name, value in taken.items():
                seconds[name] = seconds.get(name, 0.0) + value
        return list(items), seconds

    def counts(self, results: Sequence[Any]) -> Iterable[Count]:
        """Those of the last stage."""
        return self.stages[-1].counts(results)

    def close(self) -> None:
        """Close in the opposite order."""
        for stage in reversed(self.stages):
            stage.close()
