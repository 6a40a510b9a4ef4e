"""Where a run's batches come from: a manifest's kept clips, some of them held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np

from preprocess.settings import OPERATIONAL
from training.config import TrainConfig
from training.data.cache import Store
from training.data.cached import CachedClips
from training.data.dataset import ClipDataset, DatasetConfig
from training.data.hashing import draw_unit, keys_of
from training.data.loader import ClipBatches, batches
from training.data.recipe import SamplerConfig
from training.data.sampler import PlannedBatches
from training.data.table import ClipTable, read_table
from training.module import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipData:
    """A manifest as training and held-out clips. Clips of one film are on the same side, or those of one caption."""

    manifest: str
    """Folder or bucket that `python -m pipelines curate` wrote."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    reading: DatasetConfig = field(default_factory=DatasetConfig)
    held_out_share: float = 0.02
    """Share of the films, or of the captions, that is never trained on."""
    held_out_by: Literal["film", "caption"] = "film"
    """With `caption`, clips of equal captions are on the same side, so that held-out prompts have not been seen."""
    held_out_batches: int = 8
    """Most batches of a rank that an evaluation takes."""
    cache: str = ""
    """Where `python -m training cache` has put latents, which are trained on instead of pixels; "" for none."""
    num_workers: int = field(default=0, metadata=OPERATIONAL)
    """Processes that read, on each rank."""

    def __post_init__(self) -> None:
        if not 0 <= self.held_out_share < 1:
            raise ValueError(f"held_out_share is {self.held_out_share}, must be in [0, 1)")
        if self.held_out_by not in ("film", "caption"):
            raise ValueError(f"held_out_by is {self.held_out_by!r}, must be film or caption")

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> ClipBatches:
        """Endless, in the order of the epochs' plans."""
        table = self.table(held_out=False)
        planned = PlannedBatches(
            table,
            self.sampler,
            seed=config.trainer.seed,
            rank=rank,
            world_size=world_size,
            accumulation=config.trainer.accumulation,
        )
        clips = ClipDataset(table, self.sampler, self.reading)
        return ClipBatches(planned, CachedClips(clips, Store(self.cache)) if self.cache else clips, self.num_workers)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> HeldOut:
        """The same batches each time they are gone through."""
        return HeldOut(self, rank=rank, world_size=world_size)

    def table(self, *, held_out: bool) -> ClipTable:
        """The clips of one side.

        Raises:
            ValueError: there is no manifest, or no kept clip in it.
        """
        table = read_table(self.manifest, self.sampler)
        assert table.clips is not None
        column = {"film": "source_id", "caption": "caption"}[self.held_out_by]
        texts = [(text or "").encode() for text in table.clips[column].to_pylist()]
        return table.take((draw_unit(keys_of(np.array(texts)), "held_out") < self.held_out_share) == held_out)


class HeldOut:
    """A rank's share of the clips that are never trained on: a plan of seed 0, the middle of each clip."""

    def __init__(self, data: ClipData, *, rank: int, world_size: int) -> None:
        self._data = data
        self._rank = rank
        self._world_size = world_size

    def __iter__(self) -> Iterator[Batch]:
        data = self._data
        table = data.table(held_out=True)
        if not len(table):
            return
        planned = PlannedBatches(table, data.sampler, seed=0, rank=self._rank, world_size=self._world_size)
        count = min(planned.plan(planned.state_after(0)).num_steps, data.held_out_batches)
        dataset = ClipDataset(table, data.sampler, DatasetConfig(backend=data.reading.backend, place="middle"))
        yield from islice(batches(planned, dataset, 0), count)
