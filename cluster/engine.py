"""Where stages run: in this process, which is the reference, in a child of it, or on a cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol

from cluster.stage import Chain, Stage

ENGINES = ("auto", "local", "ray", "in-process")
"""What a command line may ask for; `auto` is a running cluster, or else one of this machine's cores."""


class Engine(Protocol):
    """Runs every item through all stages and yields what comes out of the last one, in any order."""

    replaces_workers: bool
    """Whether a worker that died is replaced, and the next one given the same item again."""

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Generator[Any, None, None]:
        """Start the work; closing the iterator stops it."""
        ...


class InProcess:
    """No workers, no copies, plain tracebacks, and a debugger sees it all. What crashes the process ends the run."""

    replaces_workers = False

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Generator[Any, None, None]:
        """Process items in order."""
        chain = Chain(stages)
        chain.setup()
        try:
            for item in items:
                yield from chain.process([item])
        finally:
            chain.close()
