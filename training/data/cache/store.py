"""A cache of latents and of captions' vectors on disk: shards of tensors, each with an index beside it.

    CACHE/latents/<model>/shards/<shard>.safetensors   a tensor a sample, named by its key
    CACHE/latents/<model>/index/<shard>.parquet        a row a sample: key, clip, shape, start, crop, or a reason
    CACHE/text/<model>/...                             the same with a tensor a caption

`model` says what made them (`weights_id`, `TextConfig.identity`); a sample's key is made of its clip, shape, start,
crop and rate. A shard's index is written after its tensors, both by renaming, so that its presence says that the shard
is done: whoever is killed at any point runs the same command again, and the cache is as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from preprocess.io import storage
from preprocess.io.tables import read_table, write_table
from training.data.read.placement import Placement
from training.models.grid import Shape

LATENT_INDEX = pa.schema(
    [
        ("key", pa.string()),
        ("clip_id", pa.string()),
        *((name, pa.int64()) for name in ("frames", "height", "width", "start_ticks")),
        *((name, pa.int64()) for name in ("crop_left", "crop_top", "crop_right", "crop_bottom")),
        ("reason", pa.string()),
    ]
)
"""`reason` says why a clip could not be read; there is no tensor then."""
TEXT_INDEX = pa.schema([("key", pa.string()), ("caption", pa.string())])

_OPEN_SHARDS = 8
"""Kept open by each reader; shards from buckets are in memory as long as they are."""


def sample_key(clip_id: str, shape: Shape, placement: Placement, fps: Fraction) -> str:
    """32 hex digits of all that decides a sample's pixels."""
    return key_of(clip_id, shape, placement, fps)


def key_of(*parts: object) -> str:
    """32 hex digits of a few values."""
    return hashlib.blake2b("\n".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Store:
    """The shards that one model has made."""

    location: str

    @property
    def model(self) -> str:
        """What tells the model from others, by which the folder is named."""
        return self.location.rstrip("/").rpartition("/")[2]

    @classmethod
    def latents(cls, cache: str, model: str) -> Store:
        """Of a VAE's weights."""
        return cls(storage.join(storage.absolute(cache), "latents", model))

    @classmethod
    def text(cls, cache: str, model: str) -> Store:
        """Of a text encoder's identity."""
        return cls(storage.join(storage.absolute(cache), "text", model))

    def write(self, tensors: Mapping[str, torch.Tensor], rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
        """Add a shard; it is named by its keys, so that who writes it again changes nothing."""
        name = key_of(*(row["key"] for row in rows))
        content = save({key: tensor.contiguous() for key, tensor in tensors.items()})
        storage.write_atomic(storage.join(self.location, "shards", f"{name}.safetensors"), content)
        write_table(
            storage.join(self.location, "index", f"{name}.parquet"), pa.Table.from_pylist(list(rows), schema=schema)
        )

    def rows(self) -> list[dict[str, Any]]:
        """The index of all shards that are done, each row with its `shard`, in order of shard and key."""
        found: list[dict[str, Any]] = []
        for name in storage.list_files(storage.join(self.location, "index"), ".parquet"):
            table = read_table(storage.join(self.location, "index", name))
            if table is not None:
                shard = name.removesuffix(".parquet")
                found += [{**row, "shard": shard} for row in table.sort_by("key").to_pylist()]
        return found

    def shard(self, name: str) -> Any:
        """An open shard: `get_tensor(key)`."""
        location = storage.join(self.location, "shards", f"{name}.safetensors")
        if not storage.is_remote(location):
            return safe_open(os.fsdecode(storage.local_path(location)), framework="pt")
        content = storage.read_bytes(location)
        if content is None:
            raise FileNotFoundError(location)
        return _InMemory(load(content))


class Reader:
    """Tensors of a store, by shard and key; a few shards stay open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: OrderedDict[str, Any] = OrderedDict()

    def __getstate__(self) -> Store:
        return self._store

    def __setstate__(self, store: Store) -> None:
        self._store, self._open = store, OrderedDict()

    def tensor(self, shard: str, key: str) -> torch.Tensor:
        """One tensor, as it was written."""
        if shard not in self._open:
            self._open[shard] = self._store.shard(shard)
            if len(self._open) > _OPEN_SHARDS:
                self._open.popitem(last=False)
        self._open.move_to_end(shard)
        tensor: torch.Tensor = self._open[shard].get_tensor(key)
        return tensor


@dataclass(frozen=True, slots=True)
class _InMemory:
    tensors: Mapping[str, torch.Tensor]

    def get_tensor(self, key: str) -> torch.Tensor:
        return self.tensors[key]
