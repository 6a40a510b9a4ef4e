"""Encode a run's clips once, before it: `python -m training cache`. Training then reads latents and opens no video."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from training.data.cache.fill import fill_latents, fill_text, planned_requests
from training.data.cache.store import Store, weights_id
from training.data.clips import ClipData
from training.data.plan.plan import plan_epoch
from training.data.plan.table import ClipTable
from training.data.read.dataset import ClipDataset
from training.data.read.placement import Request, all_captions
from training.models.text import text_encoder
from training.objectives.dit import DitObjective
from training.run.config import TrainConfig
from training.run.distributed import world
from training.run.runs import trained_vae

logger = logging.getLogger(__name__)


def cache_latents(config: TrainConfig, cache: str, *, epochs: int, processes: int = 1) -> str:
    """Encode what the first epochs will show, in videos and in images, and where the text encoder is not trained, all
    captions too. Processes that torchrun started share the work. Returns where the latents lie, for `data.cache`.

    Args:
        config: what the run will be given.
        cache: a folder or bucket.
        epochs: how many. In later ones a clip is shown at the same places again wherever it has the same shape.
        processes: of the run: the last clips of each shape are divided among them.

    Raises:
        ValueError: the recipe trains no transformer on clips.
    """
    data, objective = config.data, config.objective
    if not isinstance(data, ClipData) or not isinstance(objective, DitObjective):
        raise ValueError(f"recipe {config.name} trains no transformer on a manifest's clips")
    vae = trained_vae(objective.vae)
    store = Store.latents(cache, weights_id(vae))
    table = data.table(held_out=False)
    dataset = ClipDataset(table, data.sampler, data.reading)
    with world() as here:
        vae.to(here.device)

        def encode(video: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return vae.encode(video.to(here.device)).mean

        fill_latents(
            store,
            dataset,
            _wanted(table, config, data, epochs=epochs, processes=processes),
            encode,
            batch_size=8,
            num_workers=data.num_workers,
            rank=here.rank,
            world_size=here.size,
        )
        if here.first:
            _cache_text(config, objective, table, cache, here.device)
    return store.location


def _wanted(table: ClipTable, config: TrainConfig, data: ClipData, *, epochs: int, processes: int) -> Iterator[Request]:
    """What the epochs show; and where later ones draw anew which videos are shown as images, each clip as both."""
    shares = [data.sampler.still_share]
    if data.sampler.still_share and not data.sampler.distinct_epochs:
        shares += [0.0, 1.0]
    seed, packs = config.trainer.seed, config.trainer.accumulation * processes
    sampler = data.sampler.on(config.objective.grid())
    for epoch, share in product(range(epochs), shares):
        recipe = replace(sampler, still_share=share)
        yield from planned_requests(plan_epoch(table, recipe, seed=seed, epoch=epoch, world_size=packs))


def _cache_text(
    config: TrainConfig, objective: DitObjective, table: ClipTable, cache: str, device: torch.device
) -> None:
    """Both captions of all clips, unless what reads them is still to be trained."""
    encoder: Any = text_encoder(objective.text, seed=config.trainer.seed)
    if any(weight.requires_grad for weight in encoder.parameters()):
        return
    store = Store.text(cache, weights_id(encoder))
    encoder.eval().to(device)
    with torch.no_grad():
        fill_text(store, all_captions(table), encoder.encode)
    logger.info("captions' vectors, for --set data.text_cache=: %s", store.location)
