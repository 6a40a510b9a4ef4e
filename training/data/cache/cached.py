"""Train from a cache: the same batches as from videos, but of latents, and with the captions' vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from preprocess.io.storage import is_remote
from training.data.cache.store import Reader, Store, key_of, sample_key
from training.data.plan.hashing import salted
from training.data.plan.plan import EpochPlan, RankStep
from training.data.plan.sampler import PlannedBatches
from training.data.plan.table import ClipTable
from training.data.read.dataset import BadClip, ClipDataset
from training.data.read.placement import Request, caption_of, clip_ids, placed_clip, requests
from training.models.grid import Shape
from training.models.text import Text
from training.run.module import Batch

_EPOCHS_LOOKED_AT = 4
"""From a run's first to its last, at its start: planning a million clips takes seconds."""
_ALL = 0.999
"""Share of a run's samples from which on nothing is said."""


class CachedText:
    """Vectors of captions, by their text."""

    def __init__(self, store: Store) -> None:
        self._reader = Reader(store)
        self._shard = {row["key"]: row["shard"] for row in store.rows()}

    def has(self, captions: Sequence[str]) -> bool:
        """Whether all of them are in the cache."""
        return all(key_of(caption) in self._shard for caption in ("", *captions))

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, D), zero after a text's end, and their mask (B, L); L is the longest text's here.

        Raises:
            ValueError: a caption is not in the cache.
        """
        vectors = [self._vectors(caption) for caption in captions]
        mask_BL = torch.zeros(len(vectors), max(len(one) for one in vectors), dtype=torch.bool)
        for row, one in enumerate(vectors):
            mask_BL[row, : len(one)] = True
        return torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True), mask_BL

    def _vectors(self, caption: str) -> torch.Tensor:
        key = key_of(caption)
        if key not in self._shard:
            raise ValueError(f"the caption {caption[:80]!r} is not in the cache: fill it with all captions first")
        return self._reader.tensor(self._shard[key], key)


class CachedClips:
    """Batches of planned steps from a cache; takes the place of `ClipDataset` in `training.data.read.loader`.

    A sample that was cached is what `dataset` would have read, encoded. Where a plan asks for another start or crop of
    a clip, one that was cached in this shape is given. A clip that filling the cache found bad is replaced by another
    and reported. A step with a clip that was not cached in its shape is read from the videos, all of it, as pixels.
    """

    def __init__(
        self, dataset: ClipDataset, store: Store, text: CachedText | None = None, *, every_caption: bool = True
    ) -> None:
        """Where `every_caption` is not set, batches with a caption that `text` lacks come without vectors."""
        self._dataset, self._text, self._every_caption = dataset, text, every_caption
        self._reader = Reader(store)
        self._location = store.location
        self._shard: dict[str, str] = {}
        self._row: dict[str, int] = {}
        self._reasons: dict[int, str] = {}
        self._of_clip: dict[tuple[int, Shape], list[str]] = defaultdict(list)
        self._of_shape: dict[Shape, list[str]] = defaultdict(list)
        row_of = {clip_id: row for row, clip_id in enumerate(clip_ids(dataset.table))}
        for entry in sorted(store.rows(), key=lambda entry: entry["key"]):
            key, row = entry["key"], row_of.get(entry["clip_id"])
            if row is None:  # of another manifest, or held out here
                continue
            if entry["reason"] is not None:
                self._reasons[row] = entry["reason"]
                continue
            shape = Shape(entry["frames"], entry["height"], entry["width"])
            self._shard[key], self._row[key] = entry["shard"], row
            self._of_clip[row, shape].append(key)
            self._of_shape[shape].append(key)

    @property
    def table(self) -> ClipTable:
        """The clips."""
        return self._dataset.table

    @property
    def remote(self) -> bool:
        """Whether the cache or some of the clips lie in a bucket."""
        return is_remote(self._location) or self._dataset.remote

    def batch(self, step: RankStep) -> Batch:
        """A step's latents (B, C, T, h, w), in its order; or its pixels, where they were not all cached."""
        found = [self._found(request) for request in requests(step)]
        if None in found:
            return self._with_texts(self._dataset.batch(step))
        keys = [key for key, _ in filter(None, found)]
        rows = [self._row[key] for key in keys]
        batch = Batch(
            video=torch.stack([self._reader.tensor(self._shard[key], key) for key in keys]),
            captions=[caption_of(self.table, row, column) for row, column in zip(rows, step.captions, strict=True)],
            clip_ids=[placed_clip(self.table, row).clip_id for row in rows],
            tokens=step.tokens,
            latent=True,
            bad_clips=[bad for _, bad in filter(None, found) if bad is not None],
        )
        return self._with_texts(batch)

    def share_of(self, plan: EpochPlan) -> float:
        """How many of an epoch's samples need no video, as a share."""
        shapes = np.repeat(plan.shape_of, np.diff(plan.starts))
        known = sum(
            row in self._reasons or (row, plan.shapes[shape]) in self._of_clip
            for row, shape in zip(plan.rows.tolist(), shapes.tolist(), strict=True)
        )
        return known / max(1, len(plan.rows))

    def _with_texts(self, batch: Batch) -> Batch:
        if self._text is None or not (self._every_caption or self._text.has(batch.captions)):
            return batch
        return replace(batch, text=self._text.encode(batch.captions), no_text=self._text.encode([""]))

    def _found(self, request: Request) -> tuple[str, BadClip | None] | None:
        """The cached sample to show, and which bad clip it stands in for, if it does; None where there is none."""
        clip = placed_clip(self.table, request.row)
        placement = self._dataset.placement(clip, request)
        exact = sample_key(clip.clip_id, request.shape, placement, self._dataset.rate(placement))
        if exact in self._shard:
            return exact, None
        choice = salted("cached", request.seed)
        same = self._of_clip.get((request.row, request.shape))
        if same:
            return same[choice % len(same)], None
        reason, others = self._reasons.get(request.row), self._of_shape.get(request.shape)
        if reason is None or not others:
            return None
        return others[choice % len(others)], (clip.clip_id, reason)


def check_share(cached: CachedClips, planned: PlannedBatches, steps: int) -> str | None:
    """What a user should know before a run of so many steps: how much of it the cache does not hold, or None.

    Raises:
        ValueError: it holds nothing of it.
    """
    first = planned.plan(planned.state)
    if not first.num_steps:
        return None  # going through them says why
    epochs = -(-steps // first.num_steps)
    looked_at = sorted({round(epoch) for epoch in np.linspace(0, epochs - 1, _EPOCHS_LOOKED_AT)})
    shares = [cached.share_of(planned.plan(replace(planned.state, epoch=epoch))) for epoch in looked_at]
    share = float(np.mean(shares))
    fill = (
        "fill it by `python -m training cache` with the settings of this run, "
        f"--processes {planned.world_size} and --epochs {min(epochs, planned.sampler.distinct_epochs or epochs)} "
        "(N will do with data.sampler.distinct_epochs=N in both)"
    )
    if not any(shares):
        raise ValueError(f"the cache holds nothing of what this run shows: {fill}")
    if share >= _ALL:
        return None
    return (
        f"the cache holds {share:.1%} of what this run shows; steps with other samples are read from videos and "
        f"encoded as they come, as without a cache. To have all: {fill}"
    )
