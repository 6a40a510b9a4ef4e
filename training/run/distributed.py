"""Which rank this process is, and what the ranks tell each other."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """This process among the ranks. A process on its own is the one rank of its world."""

    rank: int
    size: int
    device: torch.device
    host_group: Any
    """Of gloo, for what is no tensor."""
    checkpoint_group: Any
    """Of gloo, and of nobody else: an asynchronous checkpoint talks on it while steps go on."""

    @property
    def first(self) -> bool:
        """Whether this rank writes for all."""
        return self.rank == 0

    def neighbours(self, count: int) -> Any:
        """A process group of this rank and those next to it, `count` in all; every rank calls it.

        Raises:
            ValueError: the ranks cannot be divided so.
        """
        if self.size % count:
            raise ValueError(f"{self.size} ranks cannot be divided into groups of trainer.sequence_ranks={count}")
        groups = [dist.new_group([*range(first, first + count)]) for first in range(0, self.size, count)]
        return groups[self.rank // count]

    def summed(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the ranks, in float64, so that every rank gets the very same."""
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return [float(value) for value in tensor.tolist()]

    def numbers(self, *values: float) -> list[tuple[float, ...]]:
        """Each value of every rank: a tuple of all ranks' first, one of their second, ..."""
        mine = torch.tensor(values, dtype=torch.float64, device=self.device)
        of_all = torch.empty(self.size * len(values), dtype=torch.float64, device=self.device)
        dist.all_gather_into_tensor(of_all, mine)
        return [tuple(column) for column in of_all.view(self.size, len(values)).T.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """What each rank has, in their order; of any kind, and so not for every step."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.host_group)
        return values

    def told(self, value: Any) -> Any:
        """What the first rank has. Classes of a file that Ray's workers lack, such as an objective of one's own, travel
        with it: torch would look for the file."""
        if self.size == 1:
            return value
        from cluster.by_value import packed  # Ray takes a moment to import

        said = [packed(value) if self.first else b""]
        dist.broadcast_object_list(said, src=0, group=self.host_group)
        return pickle.loads(said[0])  # noqa: S301 - written by the first rank

    def merged(self, figures: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """(sum, count) by name, added over the ranks, which need not have the same names."""
        total: dict[str, tuple[float, float]] = {}
        for those in self.gathered(dict(figures)):
            add_figures(total, those)
        return {name: total[name] for name in sorted(total)}


def add_figures(total: dict[str, tuple[float, float]], more: Mapping[str, tuple[float, float]]) -> None:
    """Add (sum, count) by name to `total`."""
    for name, (value, count) in more.items():
        before = total.get(name, (0.0, 0.0))
        total[name] = (before[0] + value, before[1] + count)


@contextmanager
def world() -> Iterator[World]:
    """Join the ranks that torchrun or Ray started, or be a world of one; leave them at the end.

    A process group that is there already (Ray makes one) is used and left as it is.
    """
    device = own_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    ours = not dist.is_initialized()
    if ours:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        if "RANK" in os.environ and "MASTER_ADDR" in os.environ:
            dist.init_process_group(backend)
        else:
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield World(
            rank=dist.get_rank(),
            size=dist.get_world_size(),
            device=device,
            host_group=dist.new_group(backend="gloo"),
            checkpoint_group=dist.new_group(backend="gloo"),
        )
    finally:
        if ours:
            dist.destroy_process_group()


def own_device() -> torch.device:
    """The GPU of this process, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # Ray shows a worker all GPUs of its node's workers, or just its own
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
