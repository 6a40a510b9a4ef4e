"""The reference engine: the stages, in this process, one item after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from cluster.stage import Chain, Stage

ENGINES = ("auto", "local", "ray")
"""What a command line may ask for; `auto` is a running cluster, or else one of this machine's cores."""


class Engine(Protocol):
    """Runs every item through all stages and yields what comes out of the last one, in any order."""

    replaces_workers: bool
    """Whether a worker that died is replaced, and the next one given the same item again."""

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Iterator[Any]:
        """Start the work; closing the iterator stops it."""
        ...


class LocalEngine:
    """No workers, no copies, plain tracebacks."""

    replaces_workers = False

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Iterator[Any]:
        """Process items in order."""
        chain = Chain(stages)
        chain.setup()
        try:
            for item in items:
                yield from chain.process([item])
        finally:
            chain.close()
