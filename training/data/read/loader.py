"""Batches of a rank's planned steps, loaded ahead by worker processes; how many workers there are changes nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from training.data.plan.plan import RankStep
from training.data.plan.sampler import PlannedBatches, SamplerState
from training.data.read.dataset import UnreadableError
from training.run.module import Batch

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)


class StepSource(Protocol):
    """What makes batches of planned steps: `dataset.ClipDataset`, or `cached.CachedClips`. It is copied to workers."""

    @property
    def remote(self) -> bool:
        """Whether it reads from a bucket."""
        ...

    def batch(self, step: RankStep) -> Batch:
        """The samples of a step, in its order."""
        ...


def batches(planned: PlannedBatches, dataset: StepSource, num_workers: int) -> Iterator[Batch]:
    """Batches of the steps from `planned.state` on, without end. Clips that had to be replaced are logged."""
    for _, batch in _arrivals(planned, dataset, num_workers):
        yield batch


class ClipBatches:
    """A rank's endless batches that know how far they are, as `training.run.config.Batches` wants them."""

    def __init__(self, planned: PlannedBatches, dataset: StepSource, num_workers: int = 0) -> None:
        self._dataset, self._num_workers = dataset, num_workers
        self._planned = planned
        self._state = planned.state

    def __iter__(self) -> Iterator[Batch]:
        self._planned = self._planned.at(self._state)
        self._state = self._planned.state_after(0)
        for step, batch in _arrivals(self._planned, self._dataset, self._num_workers):
            self._state = self._planned.after(self._state, step)
            yield batch

    def state_dict(self) -> Mapping[str, Any]:
        """Where to go on after the batches that were handed out, whatever was fetched ahead; the same on each rank."""
        return self._state.to_json()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that any world size left, at the next iteration.

        Raises:
            ValueError: it is of other clips, another sampler or another seed.
        """
        self._planned = self._planned.at(SamplerState.from_json(state))
        self._state = self._planned.state


def _arrivals(planned: PlannedBatches, dataset: StepSource, num_workers: int) -> Iterator[tuple[RankStep, Batch]]:
    under_way: deque[RankStep] = deque()
    steps = _noted(planned, under_way)
    for batch in load_ahead(steps, dataset.batch, num_workers=num_workers, remote=dataset.remote):
        for clip_id, reason in batch.bad_clips:
            logger.warning("clip %s cannot be read (%s), another is shown", clip_id, reason)
        for clip_id, reason in batch.unread:
            logger.warning("clip %s is shown without what goes with it (%s)", clip_id, reason)
        yield under_way.popleft(), batch


def _noted(planned: PlannedBatches, under_way: deque[RankStep]) -> Iterator[RankStep]:
    for step in planned:
        under_way.append(step)
        yield step


def load_ahead(
    keys: Iterator[_Key], load: Callable[[_Key], _Item], *, num_workers: int, remote: bool
) -> Iterator[_Item]:
    """`load` of each key, in order; by worker processes some keys ahead where there are any.

    Args:
        keys: drawn from in this process, as far ahead as the workers are.
        load: copied to the workers.
        num_workers: processes; with 0, this one loads each when it is asked for.
        remote: whether `load` reads from a bucket. The threads that Arrow's clients have started do not survive a fork;
            starting workers afresh takes seconds.

    Raises:
        UnreadableError: `load` raised it.
    """
    start = "forkserver" if remote else "fork"
    loader: DataLoader[_Item | _Refused] = DataLoader(
        _Loaded(load),
        sampler=keys,
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_unchanged,
        generator=torch.Generator(),  # the loader draws a seed that is not used; not from the trainer's generator
        worker_init_fn=_one_thread,
        multiprocessing_context=start if num_workers else None,
        prefetch_factor=2 if num_workers else None,
        pin_memory=torch.cuda.is_available(),  # by a thread of the loader's
    )
    for item in loader:
        if isinstance(item, _Refused):
            raise UnreadableError(item.why)
        yield item


@dataclass(frozen=True, slots=True)
class _Refused:
    """What a worker could not read. An error that passes through torch's loader brings the worker's traceback along."""

    why: str


class _Loaded(Dataset[_Item | _Refused], Generic[_Key, _Item]):
    """A torch map-style dataset of whatever keys."""

    def __init__(self, load: Callable[[_Key], _Item]) -> None:
        self._load = load

    def __getitem__(self, key: _Key) -> _Item | _Refused:
        try:
            return self._load(key)
        except UnreadableError as error:
            return _Refused(str(error))


def _unchanged(item: _Item) -> _Item:
    return item


def _one_thread(worker: int) -> None:
    """Workers are as many as the processor has room for: threads of their own would only fight over it."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
