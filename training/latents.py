"""Encode a run's clips once, before it: `python -m training cache`. Training then reads latents and opens no video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from training.clips import ClipData
from training.config import TrainConfig
from training.data.cache import Store, weights_id
from training.data.cache_fill import fill_latents, planned_requests
from training.data.dataset import ClipDataset
from training.data.placement import Request
from training.data.plan import plan_epoch
from training.data.table import ClipTable
from training.dit import DitObjective
from training.runs import trained_vae


def cache_latents(config: TrainConfig, cache: str, *, epochs: int) -> str:
    """Encode what the first epochs will show, in videos and in images; where it lies, for `--set data.cache=`.

    Later epochs show the same places of the clips again.

    Raises:
        ValueError: the recipe trains no transformer on clips.
    """
    data, objective = config.data, config.objective
    if not isinstance(data, ClipData) or not isinstance(objective, DitObjective):
        raise ValueError(f"recipe {config.name} trains no transformer on a manifest's clips")
    vae = trained_vae(objective.vae)
    store = Store.latents(cache, weights_id(vae))
    table = data.table(held_out=False)

    def encode(video: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return vae.encode(video).mean

    dataset = ClipDataset(table, data.sampler, data.reading)
    wanted = _wanted(table, data, seed=config.trainer.seed, epochs=epochs)
    fill_latents(store, dataset, wanted, encode, batch_size=8, num_workers=data.num_workers)
    return store.location


def _wanted(table: ClipTable, data: ClipData, *, seed: int, epochs: int) -> Iterator[Request]:
    """Each clip as the epochs would show it were there no images of videos, and as such an image.

    Which videos are shown as images is drawn anew each epoch, also in those to come.
    """
    moving = replace(data.sampler, still_share=0.0)
    for epoch in range(epochs):
        for request in planned_requests(plan_epoch(table, moving, seed=seed, epoch=epoch, world_size=1)):
            yield request
            if data.sampler.still_share:
                yield replace(request, shape=replace(request.shape, frames=1))
