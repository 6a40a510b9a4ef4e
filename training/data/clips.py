"""Where a run's batches come from: a manifest's kept clips, some of them held out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Literal

from preprocess.io.at_hand import refuse_missing
from preprocess.io.bounds import check, within
from preprocess.io.roots import Roots
from preprocess.io.settings import OPERATIONAL
from training.data.cache.cached import CachedClips, CachedText, check_share
from training.data.cache.encode import cache_requests, encode_clips
from training.data.cache.store import Store
from training.data.plan.choice import SLOW_FPS, frames_at_rate, too_slow
from training.data.plan.config import GridSampler, SamplerConfig
from training.data.plan.hashing import draw_unit, keys_of_texts
from training.data.plan.sampler import PlannedBatches
from training.data.plan.table import ClipTable, read_table
from training.data.read.dataset import ClipDataset, DatasetConfig
from training.data.read.loader import ClipBatches, StepSource, batches
from training.models.grid import Shape, TokenGrid
from training.models.weights import weights_id
from training.run.config import LOCATION, Data, TrainConfig
from training.run.module import Batch

_FEW_LOST = 0.005
"""Share of the clips that no epoch shows, or not as videos, before it is told."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipData(Data):
    """A manifest as training and held-out clips. Clips of one film are on the same side, or those of one caption."""

    manifest: str = field(metadata=LOCATION)
    """Folder or bucket that `python -m pipelines curate` wrote."""
    source: str = field(default="", metadata=LOCATION)
    """Where its videos may be opened that are neither on its disk nor in a bucket; "" for nowhere else."""
    roots: str = field(default="", metadata=OPERATIONAL)
    """Moves such as `/data=/mnt/data`, one a line: where the videos are that the manifest names in another place."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    reading: DatasetConfig = field(default_factory=DatasetConfig)
    held_out_share: float = field(default=0.02, metadata=within("[0, 1)"))
    """Share of the films, or of the captions, that is never trained on."""
    held_out_by: Literal["film", "caption"] = "film"
    """With `caption`, clips of equal captions are on the same side, so that held-out prompts have not been seen."""
    held_out_batches: int = 8
    """Most batches of a rank that an evaluation takes."""
    cache: str = field(default="", metadata=LOCATION)
    """Where `python -m training cache` has put latents, which are trained on instead of pixels; "" for none."""
    text_cache: str = field(default="", metadata=LOCATION)
    """Where it has put the vectors of captions, beside the latents; "" for none."""
    num_workers: int = field(default=0, metadata=OPERATIONAL)
    """Processes that read, on each rank."""

    def __post_init__(self) -> None:
        check(self)

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> ClipBatches:
        """Endless, in the order of the epochs' plans.

        Raises:
            ValueError: there is no manifest, no kept clip in it, or a cache that is of no use to this run.
        """
        table = self.table(held_out=False)
        if not len(table):
            raise ValueError(
                f"all clips of {self.manifest!r} are held out, by {self.held_out_by}: none is left to train on"
            )
        planned = PlannedBatches(
            table,
            self.sampler.on(config.objective.grid()),
            seed=config.trainer.seed,
            rank=rank,
            world_size=world_size,
            accumulation=config.trainer.accumulation,
        )
        clips = ClipDataset(table, self.sampler, self.reading)
        told = [_lost(planned), _stilled(table, planned.sampler)]
        source: StepSource = clips
        if self.cache:
            self._check_latents(config)
            self._check_texts(config)
            text = CachedText(Store(self.text_cache)) if self.text_cache else None
            source = cached = CachedClips(clips, Store(self.cache), text)
            told.append(check_share(cached, planned, config.trainer.steps))
        elif self.text_cache:
            raise ValueError(f"data.text_cache={self.text_cache} is used beside a cache of latents: set data.cache too")
        elif rank == 0:
            self._look_for(table)
        if rank == 0:
            for line in filter(None, told):
                logger.warning("%s", line)
        return ClipBatches(planned, source, self.num_workers)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> HeldOut:
        """The same batches each time they are gone through."""
        return HeldOut(self, config.objective.grid(), rank=rank, world_size=world_size)

    def largest_sample(self, grid: TokenGrid) -> tuple[Shape, float]:
        """As the sampler's settings have it."""
        side = self.sampler.max_side // grid.cell * grid.cell
        return Shape(self.sampler.max_frames, side, side), self.sampler.fps

    def fill_cache(self, config: TrainConfig, cache: str, *, epochs: int, processes: int) -> str:
        """See `training.data.cache.encode`.

        Raises:
            ValueError: the recipe is trained on pixels, or there is no manifest.
        """
        clips = ClipDataset(self.table(held_out=False), self.sampler, self.reading)
        wanted = cache_requests(
            clips.table,
            self.sampler.on(config.objective.grid()),
            seed=config.trainer.seed,
            epochs=epochs,
            world_size=config.trainer.accumulation * processes,
        )
        return encode_clips(config, clips, wanted, cache, num_workers=self.num_workers)

    def table(self, *, held_out: bool) -> ClipTable:
        """The clips of one side.

        Raises:
            ValueError: there is no manifest, or no kept clip in it.
        """
        table = read_table(self.manifest, self.sampler, source=self.source, roots=Roots.of(self.roots.splitlines()))
        assert table.clips is not None
        column = {"film": "source_id", "caption": "caption"}[self.held_out_by]
        texts = [text or "" for text in table.clips[column].to_pylist()]
        return table.take((draw_unit(keys_of_texts(texts), "held_out") < self.held_out_share) == held_out)

    def _look_for(self, table: ClipTable) -> None:
        """See that there are videos, and say which are not where they should be.

        Raises:
            ValueError: none is.
        """
        assert table.clips is not None
        uris = table.clips["source_uri"].unique().to_pylist()
        refuse_missing(uris, home=self.manifest, told=bool(self.roots))

    def _check_texts(self, config: TrainConfig) -> None:
        if not self.text_cache:
            return
        text, made_by = config.objective.texts_of(), Store(self.text_cache).model
        if text is None:
            raise ValueError(f"recipe {config.name} reads captions, not their vectors: data.text_cache must be empty")
        if (wanted := text.identity(seed=config.trainer.seed)) != made_by:
            raise ValueError(
                f"data.text_cache={self.text_cache}: its vectors are not those of objective.text as recipe "
                f"{config.name} has it (weights and settings: {wanted}); fill one with this run's objective.text and "
                "trainer.seed"
            )

    def _check_latents(self, config: TrainConfig) -> None:
        vae, made_by = config.objective.latents_of(), Store(self.cache).model
        if vae is None:
            raise ValueError(f"recipe {config.name} is trained on pixels: data.cache must be empty")
        if (wanted := weights_id(vae)) != made_by:
            raise ValueError(
                f"data.cache={self.cache}: its latents are not those of the autoencoder that recipe "
                f"{config.name} builds on, whose weights are {wanted}"
            )


def _lost(planned: PlannedBatches) -> str | None:
    """What to say where many clips are in no step of an epoch."""
    plan = planned.plan(planned.state)
    unfit, dropped = len(plan.unfit), len(plan.dropped)
    always = unfit + (dropped if dropped >= 2 * plan.world_size else 0)  # fewer are others each epoch
    if not plan.num_steps or always <= _FEW_LOST * len(plan.table):
        return None
    return (
        f"{unfit + dropped} of {len(plan.table)} clips are in no step of the first epoch: {unfit} too small for the "
        f"sampler's shapes, {dropped} too few for a step, or of an aspect or length that none of them has"
    )


def _stilled(table: ClipTable, sampler: GridSampler) -> str | None:
    """What to say where many videos are too short, or of too few frames, to be shown as more than one of them."""
    videos, fewest = table.num_frames > 1, sampler.fewest_frames
    if fewest > sampler.max_frames:
        return None  # nothing but images was asked for
    short = videos & (frames_at_rate(table, sampler) < fewest)
    slow = videos & ~short & too_slow(table, sampler)
    stilled = int((short | slow).sum())
    if stilled <= _FEW_LOST * int(videos.sum()):
        return None
    return (
        f"{stilled} of {videos.sum()} videos are trained on as single pictures: {short.sum()} shorter than {fewest} "
        f"frames at {sampler.fps:g} fps ({fewest / sampler.fps:.2f} s), {slow.sum()} of fewer than {fewest} frames or "
        f"{SLOW_FPS * sampler.fps:g} fps. A lower data.sampler.min_frames or data.sampler.fps shows more as videos"
    )


class HeldOut:
    """A rank's share of the clips that are never trained on: a plan of seed 0, the middle of each clip."""

    def __init__(self, data: ClipData, grid: TokenGrid, *, rank: int, world_size: int) -> None:
        self._data = data
        self._sampler = data.sampler.on(grid)
        self._rank = rank
        self._world_size = world_size

    @cached_property
    def _table(self) -> ClipTable:
        return self._data.table(held_out=True)

    def __iter__(self) -> Iterator[Batch]:
        data, table = self._data, self._table
        if not len(table):
            return
        planned = PlannedBatches(table, self._sampler, seed=0, rank=self._rank, world_size=self._world_size)
        count = min(planned.plan(planned.state_after(0)).num_steps, data.held_out_batches)
        dataset = ClipDataset(table, data.sampler, DatasetConfig(backend=data.reading.backend, place="middle"))
        yield from islice(batches(planned, dataset, 0), count)
