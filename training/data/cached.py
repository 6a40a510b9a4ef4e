"""Train from a cache: the same batches as from videos, but of latents, and with the captions' vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from preprocess.storage import is_remote
from training.data.cache import Reader, Store, key_of, sample_key
from training.data.dataset import ClipDataset
from training.data.hashing import salted
from training.data.placement import Request, caption_of, clip_ids, placed_clip, requests
from training.data.plan import RankStep
from training.data.shapes import Shape
from training.module import Batch


class CachedText:
    """Vectors of captions, by their text."""

    def __init__(self, store: Store) -> None:
        self._reader = Reader(store)
        self._shard = {row["key"]: row["shard"] for row in store.rows()}

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
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
    """Batches of planned steps from a cache; takes the place of `ClipDataset` in `training.data.loader`.

    A sample that was cached is what `dataset` would have read, encoded. Where a plan asks for another start or crop of
    a clip, one that was cached in this shape is given; where there is none, because the clip is bad or was not cached
    in this shape, another clip is, and this one is reported.
    """

    def __init__(self, dataset: ClipDataset, store: Store, text: CachedText | None = None) -> None:
        self.table = dataset.table
        self._dataset, self._text = dataset, text
        self._reader = Reader(store)
        self._location = store.location
        self._shard: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._of_clip: dict[tuple[str, Shape], list[str]] = defaultdict(list)
        self._of_shape: dict[Shape, list[str]] = defaultdict(list)
        self._clip: dict[str, str] = {}
        for row in sorted(store.rows(), key=lambda row: row["key"]):
            key, clip_id, shape = row["key"], row["clip_id"], Shape(row["frames"], row["height"], row["width"])
            if row["reason"] is not None:
                self._reasons[clip_id] = row["reason"]
                continue
            self._shard[key], self._clip[key] = row["shard"], clip_id
            self._of_clip[clip_id, shape].append(key)
            self._of_shape[shape].append(key)
        self._row = {clip_id: row for row, clip_id in enumerate(clip_ids(self.table))}

    @property
    def remote(self) -> bool:
        """Whether the cache lies in a bucket."""
        return is_remote(self._location)

    def batch(self, step: RankStep) -> Batch:
        """A step's latents (B, C, T, h, w), in its order.

        Raises:
            ValueError: nothing of the step's shape was cached.
        """
        found = [self._key(request) for request in requests(step)]
        shown = [self._clip[key] for key, _ in found]
        captions = [
            caption_of(self.table, self._row[clip_id], column)
            for clip_id, column in zip(shown, step.captions, strict=True)
        ]
        return Batch(
            video=torch.stack([self._reader.tensor(self._shard[key], key) for key, _ in found]),
            captions=captions,
            clip_ids=shown,
            tokens=step.tokens,
            latent=True,
            text=None if self._text is None else self._text.encode(captions),
            bad_clips=[bad for _, bad in found if bad is not None],
        )

    def _key(self, request: Request) -> tuple[str, tuple[str, str] | None]:
        """The cached sample to show, and which clip it stands in for, if it does."""
        clip = placed_clip(self.table, request.row)
        exact = sample_key(clip.clip_id, request.shape, self._dataset.placement(clip, request), self._dataset.fps)
        if exact in self._shard:
            return exact, None
        choice = salted("cached", request.seed)
        same = self._of_clip.get((clip.clip_id, request.shape))
        if same:
            return same[choice % len(same)], None
        others = [key for key in self._of_shape.get(request.shape, ()) if self._clip[key] in self._row]
        if not others:
            raise ValueError(f"no sample of {request.shape} is in the cache {self._location!r}: fill it by this recipe")
        reason = self._reasons.get(clip.clip_id, f"not cached as {request.shape}")
        return others[choice % len(others)], (clip.clip_id, reason)
