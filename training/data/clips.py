"""Where a run's batches come from: a manifest's kept clips, some of them held out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, product
from typing import Literal

import numpy as np
import numpy.typing as npt

from preprocess.io.at_hand import refuse_missing
from preprocess.io.bounds import check, within
from preprocess.io.roots import Roots
from preprocess.io.settings import OPERATIONAL
from preprocess.io.tables import with_moved
from training.data.cache.cached import CachedClips, CachedText, check_share
from training.data.cache.encode import cache_requests, encode_clips
from training.data.cache.store import Store
from training.data.plan.config import SamplerConfig
from training.data.plan.hashing import draw_unit, keys_of_texts
from training.data.plan.sampler import PlannedBatches
from training.data.plan.table import ClipTable, read_table
from training.data.read.beside import lacking
from training.data.read.dataset import ClipDataset, DatasetConfig
from training.data.read.loader import ClipBatches, batches
from training.data.read.placement import Request, clip_ids, requests
from training.data.shown import lost, stilled
from training.models.grid import Shape, TokenGrid
from training.run.config import LOCATION, LOOKED_AT, Data, TrainConfig
from training.run.module import Batch

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
        whole = self._whole()
        apart = self._apart(whole)
        table = whole.take(~apart)
        accumulation = config.trainer.accumulation
        planned = self._planned(table, config, rank=rank, world_size=world_size, accumulation=accumulation)
        clips = self._read(table)
        cached = self._cached(clips, config)
        if rank == 0:
            told = [lost(planned), stilled(table, planned.sampler), *(lacking(table, name) for name in self._beside())]
            if cached is None:
                self._look_for(table)
            else:
                told.append(check_share(cached, planned, config.trainer.steps))
            if self.held_out_share and not apart.any():
                told.append(
                    f"no clip is held out: data.held_out_share={self.held_out_share:g} of {len(whole)} is none. There "
                    "will be no held-out figures; a larger share gives some"
                )
            for line in filter(None, told):
                logger.warning("%s", line)
        return ClipBatches(planned, cached or clips, self.num_workers)

    def looked_at(self, config: TrainConfig) -> Iterator[Batch]:
        """The first of one rank, from the cache where they are in it."""
        table = self.table(held_out=False)
        planned = self._planned(table, config, rank=0, world_size=1, accumulation=1)
        clips = self._read(table)
        return islice(batches(planned, self._cached(clips, config) or clips, 0), LOOKED_AT)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> HeldOut:
        """The same batches each time they are gone through."""
        return HeldOut(self, config, rank=rank, world_size=world_size)

    def largest_sample(self, grid: TokenGrid) -> tuple[Shape, float]:
        """As the sampler's settings have it."""
        side = self.sampler.max_side // grid.cell * grid.cell
        return Shape(self.sampler.max_frames, side, side), self.sampler.fps

    def largest_batch(self, grid: TokenGrid) -> tuple[Shape, int]:
        """As many as fill the budget."""
        shape, _ = self.largest_sample(grid)
        return shape, max(1, self.sampler.budget_tokens // grid.tokens(shape))

    def fill_cache(self, config: TrainConfig, cache: str, *, epochs: int, processes: int) -> str:
        """See `training.data.cache.encode`.

        Raises:
            ValueError: the recipe is trained on pixels, or there is no manifest.
        """
        clips = self._read(self.table(held_out=False))
        wanted = cache_requests(
            clips.table,
            self.sampler.on(config.objective.grid()),
            seed=config.trainer.seed,
            epochs=epochs,
            world_size=config.trainer.accumulation * processes,
        )
        held_out = HeldOut(self, config, rank=0, world_size=processes)
        both = ((clips, wanted), (held_out.clips, held_out.requests()))
        return encode_clips(config, both, cache, num_workers=self.num_workers)

    def table(self, *, held_out: bool) -> ClipTable:
        """The clips of one side.

        Raises:
            ValueError: there is no manifest, no kept clip in it, or none that is left to train on.
        """
        table = self._whole()
        return table.take(self._apart(table) == held_out)

    def _whole(self) -> ClipTable:
        roots = Roots.of(self.roots.splitlines())
        table = read_table(self.manifest, self.sampler, source=self.source, roots=roots)
        assert table.clips is not None
        for name in self._beside():
            if roots.moves and name in table.clips.column_names:
                table = replace(table, clips=with_moved(table.clips, name, roots))
        return table

    def _beside(self) -> list[str]:
        """What names the files that go with clips."""
        return [name for name in (self.reading.control, self.reading.camera) if name]

    def _apart(self, table: ClipTable) -> npt.NDArray[np.bool_]:
        """(N,) which clips are held out. A clip without a caption stands for itself, and so do all of one film."""
        assert table.clips is not None
        column = {"film": "source_id", "caption": "caption"}[self.held_out_by]
        ids = clip_ids(table)
        texts = [text or own for text, own in zip(table.clips[column].to_pylist(), ids, strict=True)]
        keys = keys_of_texts(texts if len(set(texts)) > 1 else ids)
        apart: npt.NDArray[np.bool_] = draw_unit(keys, "held_out") < self.held_out_share
        if len(table) == 1:
            return np.zeros(1, np.bool_)
        if apart.all():
            raise ValueError(
                f"all {len(table)} clips of {self.manifest!r} are held out, by {self.held_out_by}: none is left to "
                f"train on. data.held_out_share is {self.held_out_share:g}: lower it"
            )
        return apart

    def _planned(
        self, table: ClipTable, config: TrainConfig, *, rank: int, world_size: int, accumulation: int
    ) -> PlannedBatches:
        sampler, seed = self.sampler.on(config.objective.grid()), config.trainer.seed
        return PlannedBatches(table, sampler, seed=seed, rank=rank, world_size=world_size, accumulation=accumulation)

    def _read(self, table: ClipTable) -> ClipDataset:
        return ClipDataset(table, self.sampler, self.reading)

    def _cached(self, clips: ClipDataset, config: TrainConfig, *, every_caption: bool = True) -> CachedClips | None:
        """What reads from the caches, where there are any and they are this run's."""
        if not self.cache:
            if self.text_cache:
                raise ValueError(
                    f"data.text_cache={self.text_cache} goes beside a cache of latents: set data.cache too"
                )
            return None
        if self._beside():
            raise ValueError(
                f"data.reading names {' and '.join(self._beside())}, which a cache of latents lacks: data.cache must "
                "be empty"
            )
        self._check_latents(config)
        self._check_texts(config)
        text = CachedText(Store(self.text_cache)) if self.text_cache else None
        return CachedClips(clips, Store(self.cache), text, every_caption=every_caption)

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
        if config.trainer.shard_text:
            raise ValueError(
                f"data.text_cache={self.text_cache}: texts are read by no encoder then, or by some ranks alone: "
                "trainer.shard_text must be false"
            )
        text, made_by = config.objective.texts_of(seed=config.trainer.seed), Store(self.text_cache).model
        if text is None:
            raise ValueError(f"recipe {config.name} reads captions, not their vectors: data.text_cache must be empty")
        if text.identity != made_by:
            raise ValueError(
                f"data.text_cache={self.text_cache}: its vectors are not those of objective.text as recipe "
                f"{config.name} has it (weights and settings: {text.identity}); fill one with "
                "this run's objective.text and trainer.seed"
            )

    def _check_latents(self, config: TrainConfig) -> None:
        vae, made_by = config.objective.latents_of(), Store(self.cache).model
        if vae is None:
            raise ValueError(f"recipe {config.name} is trained on pixels: data.cache must be empty")
        if vae.identity != made_by:
            raise ValueError(
                f"data.cache={self.cache}: its latents are not those of the autoencoder that recipe "
                f"{config.name} builds on, whose weights are {vae.identity}"
            )


class HeldOut:
    """A rank's share of the clips that are never trained on: a plan of seed 0, the middle of each clip; from the cache
    where they are in it."""

    def __init__(self, data: ClipData, config: TrainConfig, *, rank: int, world_size: int) -> None:
        self._data, self._config = data, config
        self._sampler = data.sampler.on(config.objective.grid())
        self._rank, self._world_size = rank, world_size

    @cached_property
    def clips(self) -> ClipDataset:
        """All of them."""
        data = self._data
        middle = replace(data.reading, place="middle")
        return ClipDataset(data.table(held_out=True), data.sampler, middle)

    @cached_property
    def _source(self) -> CachedClips | ClipDataset:
        return self._data._cached(self.clips, self._config, every_caption=False) or self.clips

    def requests(self) -> Iterator[Request]:
        """What all ranks show."""
        planned, count = self._planned()
        plan = planned.plan(planned.state_after(0)) if count else None
        for step, rank in product(range(count), range(self._world_size)):
            assert plan is not None
            yield from requests(plan.rank_step(step, rank))

    def __iter__(self) -> Iterator[Batch]:
        planned, count = self._planned()
        if count:
            yield from islice(batches(planned, self._source, 0), count)

    def _planned(self) -> tuple[PlannedBatches, int]:
        """The plan, and how many of its steps are shown."""
        table = self.clips.table
        planned = PlannedBatches(table, self._sampler, seed=0, rank=self._rank, world_size=self._world_size)
        if not len(table):
            return planned, 0
        return planned, min(planned.plan(planned.state_after(0)).num_steps, self._data.held_out_batches)
