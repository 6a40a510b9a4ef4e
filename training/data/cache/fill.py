"""Fill a cache (`training.data.cache.store`): encode each sample and caption once, before training."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import torch

from preprocess.errors import MediaError
from training.data.cache.store import LATENT_INDEX, TEXT_INDEX, Store, key_of, sample_key
from training.data.plan.plan import EpochPlan
from training.data.read.dataset import ClipDataset, Frames
from training.data.read.loader import load_ahead
from training.data.read.placement import PlacedClip, Placement, Request, placed_clip, requests
from training.models.grid import Shape

Encode = Callable[[torch.Tensor], torch.Tensor]
"""uint8 (B, F, H, W, 3) to latents (B, C, T, h, w)."""
EncodeText = Callable[[Sequence[str]], tuple[torch.Tensor, torch.Tensor]]
"""`training.models.text.TextEncoder.encode`: vectors (B, L, D), and a mask (B, L) that is True up to the text's end."""

_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a call has done."""

    written: int
    """Entries made now."""
    present: int
    """Entries that were there."""
    bad_clips: tuple[tuple[str, str], ...] = ()
    """(clip id, reason) of those that could not be read now. The index says so; they are not tried again."""


def planned_requests(plan: EpochPlan) -> Iterator[Request]:
    """Every sample of an epoch, on all ranks."""
    for step in range(plan.num_steps):
        for rank in range(plan.world_size):
            yield from requests(plan.rank_step(step, rank))


def fill_latents(
    store: Store,
    dataset: ClipDataset,
    wanted: Iterable[Request],
    encode: Encode,
    *,
    batch_size: int = 1,
    samples_per_shard: int = 64,
    num_workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Filled:
    """Encode the samples that the store has not yet. Ranks take turns at the shards.

    A shard's samples have one shape, and are encoded in the same batches whatever was done before.
    """
    samples = {sample.key: sample for sample in (_placed(dataset, request) for request in wanted)}
    known = {row["key"] for row in store.rows()}
    shards = [
        [sample for sample in shard if sample.key not in known]
        for shard in _by_shape(list(samples.values()), samples_per_shard)[rank::world_size]
    ]
    todo = iter([sample for shard in shards for sample in shard])
    loaded = load_ahead(todo, _Read(dataset), num_workers=num_workers, remote=dataset.remote)
    written, bad = 0, []
    for shard in filter(None, shards):
        rows: list[dict[str, Any]] = []
        tensors: dict[str, torch.Tensor] = {}
        for piece in _pieces(shard, batch_size):  # frames of a whole shard would be gigabytes
            frames = list(itertools.islice(loaded, len(piece)))
            rows += [
                sample.row(why if isinstance(why, str) else None) for sample, why in zip(piece, frames, strict=True)
            ]
            tensors |= _encoded(
                encode, {s.key: f for s, f in zip(piece, frames, strict=True) if not isinstance(f, str)}
            )
        store.write(tensors, rows, LATENT_INDEX)
        written += len(tensors)
        bad += [(row["clip_id"], row["reason"]) for row in rows if row["reason"] is not None]
    for clip_id, reason in bad:
        logger.warning("clip %s cannot be read (%s) and is not in the cache", clip_id, reason)
    return Filled(written=written, present=len(samples.keys() & known), bad_clips=tuple(bad))


def fill_text(
    store: Store, captions: Iterable[str], encode: EncodeText, *, batch_size: int = 16, texts_per_shard: int = 1024
) -> Filled:
    """Encode the captions that the store has not yet, and the empty one, which guidance is trained with.

    Raises:
        ValueError: the encoder pads elsewhere than at the end.
    """
    texts = {key_of(text): text for text in ("", *captions)}
    known = {row["key"] for row in store.rows()}
    written = 0
    for shard in _pieces(list(texts), texts_per_shard):
        missing = [key for key in shard if key not in known]
        tensors: dict[str, torch.Tensor] = {}
        for keys in _pieces(missing, batch_size):
            vectors_BLD, mask_BL = encode([texts[key] for key in keys])
            for key, vectors, mask in zip(keys, vectors_BLD.detach().cpu(), mask_BL.cpu().bool(), strict=True):
                length = int(mask.sum())
                if not mask[:length].all():
                    raise ValueError(f"the mask of {texts[key]!r} has gaps: text must come first, padding last")
                tensors[key] = vectors[:length].clone()
        if missing:
            store.write(tensors, [{"key": key, "caption": texts[key]} for key in missing], TEXT_INDEX)
        written += len(missing)
    return Filled(written=written, present=len(texts.keys() & known))


def _encoded(encode: Encode, frames: Mapping[str, Frames]) -> dict[str, torch.Tensor]:
    if not frames:
        return {}
    batch = torch.stack([torch.from_numpy(one) for one in frames.values()])
    latents_BCTHW = encode(batch).detach().cpu()
    return {key: latents.clone() for key, latents in zip(frames, latents_BCTHW, strict=True)}


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sample that is to be cached."""

    key: str
    clip: PlacedClip
    shape: Shape
    placement: Placement

    def row(self, reason: str | None) -> dict[str, Any]:
        crop = {f"crop_{side}": value for side, value in asdict(self.placement.crop).items()}
        where = {**asdict(self.shape), **crop, "start_ticks": self.placement.start_ticks}
        return {"key": self.key, "clip_id": self.clip.clip_id, "reason": reason, **where}


def _placed(dataset: ClipDataset, request: Request) -> _Placed:
    clip = placed_clip(dataset.table, request.row)
    placement = dataset.placement(clip, request)
    return _Placed(
        sample_key(clip.clip_id, request.shape, placement, dataset.rate(placement)), clip, request.shape, placement
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What workers do: a sample's frames, or why there are none."""

    dataset: ClipDataset

    def __call__(self, sample: _Placed) -> Frames | str:
        try:
            return self.dataset.read(sample.clip, sample.shape, sample.placement)
        except MediaError as error:
            return str(error)


def _by_shape(samples: list[_Placed], size: int) -> list[list[_Placed]]:
    samples = sorted(samples, key=lambda sample: sample.shape)  # stable: the rest stays in the order of the plan
    return [
        piece for _, same in itertools.groupby(samples, lambda sample: sample.shape) for piece in _pieces([*same], size)
    ]


def _pieces(items: list[_Item], size: int) -> list[list[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
