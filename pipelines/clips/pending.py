"""A clip on its way through the stages: its row so far, and what was kept of its frames for those that follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from preprocess.manifest import Row
from preprocess.measurement import Look


@dataclass(slots=True, kw_only=True)
class PendingClip:
    """What travels between workers. Each stage fills columns of `row` and lets go of a look that none will need."""

    row: Row
    looks: dict[str, Look] = field(default_factory=dict)
    """By `Measurement.sees`."""
    left_out: str | None = None
    """Why a measurement has no value for this clip, where the clip killed whoever measured it."""


class Pending(Protocol):
    """An item of any pipeline of stages: clips that were decoded together."""

    @property
    def clips(self) -> Iterable[PendingClip]:
        """The clips, source by source in time order."""
        ...
