"""Encode a run's clips once, before it: `python -m training cache`. Training then reads latents and opens no video."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import torch

from training.data.cache.fill import fill_latents, fill_text, planned_requests
from training.data.cache.store import Store
from training.data.plan.config import GridSampler
from training.data.plan.plan import plan_epoch
from training.data.plan.table import ClipTable
from training.data.read.dataset import ClipDataset
from training.data.read.placement import Request, all_captions
from training.run.config import TrainConfig
from training.run.distributed import world

logger = logging.getLogger(__name__)


def encode_clips(
    config: TrainConfig,
    wanted: Sequence[tuple[ClipDataset, Iterable[Request]]],
    cache: str,
    *,
    num_workers: int,
) -> str:
    """Encode the samples, and where the text encoder is not trained, all captions of their clips; processes that
    torchrun started share the work. Returns where the latents lie, for `data.cache`.

    Raises:
        ValueError: the recipe is trained on pixels.
    """
    source = config.objective.latents_of()
    if source is None:
        raise ValueError(f"recipe {config.name} is trained on pixels: there are no latents to keep")
    store = Store.latents(cache, source.identity)
    with world() as here:
        encode = partial(source.encoded, source.load().to(here.device))
        for clips, those in wanted:
            fill_latents(
                store, clips, those, encode, batch_size=8, num_workers=num_workers, rank=here.rank, world_size=here.size
            )
        if here.first:
            captions = {caption for clips, _ in wanted for caption in all_captions(clips.table)}
            _encode_captions(config, sorted(captions), cache, here.device)
    return store.location


def cache_requests(
    table: ClipTable, sampler: GridSampler, *, seed: int, epochs: int, world_size: int
) -> Iterator[Request]:
    """What the epochs show, in videos and in images. In later ones a clip is shown at the same places again wherever it
    has the same shape; where they draw anew which videos are shown as images, each clip is there as both."""
    shares = [sampler.still_share]
    if sampler.still_share and not sampler.distinct_epochs:
        shares += [0.0, 1.0]
    for epoch, share in product(range(epochs), shares):
        settings = replace(sampler, still_share=share)
        yield from planned_requests(plan_epoch(table, settings, seed=seed, epoch=epoch, world_size=world_size))


def _encode_captions(config: TrainConfig, captions: Sequence[str], cache: str, device: torch.device) -> None:
    """Both captions of all clips, unless what reads them is still to be trained."""
    text = config.objective.texts_of(seed=config.trainer.seed)
    if text is None:
        return
    store = Store.text(cache, text.identity)
    encoder = text.load().eval().to(device)
    with torch.no_grad():
        fill_text(store, captions, encoder.encode)
    logger.info("captions' vectors, for --set data.text_cache=: %s", store.location)
