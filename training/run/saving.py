"""Checkpoints as a run writes them, beside its steps; `checkpoint` reads them.

The shards are written to a folder of another name; `state.json` comes last, with the size of each shard, and then the
folder gets its name. So what a crash leaves, or a disk that lost its last blocks, is never taken for a checkpoint.

Each rank has two shards: weights and their average, 8 bytes a weight in float32, and what the optimizer keeps, as many
again. Nobody needs the latter but a run that goes on, so that of older checkpoints it is deleted.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter

from preprocess.errors import StorageError
from training.run.checkpoint import HAS_OPTIMIZER, OPTIMIZER, STATE_FILE, UNFINISHED, complete, read_state
from training.run.distributed import World

GONE_ON_FROM = 2
"""How many of the newest keep what the optimizer had: the newest, and one for a disk that loses it."""
LEAVING_SECONDS = 600.0
"""How long a run that fails waits for a checkpoint that is being written."""
_WEIGHTS, _OPTIMIZER = 1, 2
"""Numbers of a rank's shards."""
_OPTIMIZER_SHARDS = f"*-0000{_OPTIMIZER}-of-0000{_OPTIMIZER}.safetensors"


class Checkpoints:
    """The checkpoints of a run. Every rank calls the same methods in the same order."""

    def __init__(self, out: str, world: World, *, keep: int, asynchronous: bool) -> None:
        self._folder = Path(out) / "checkpoints"
        self._world = world
        self._keep = keep
        self._asynchronous = asynchronous
        self._pending: _Pending | None = None
        if world.first:
            self._folder.mkdir(parents=True, exist_ok=True)
            for torn in self._folder.glob(f"*{UNFINISHED}"):
                shutil.rmtree(torn)

    def save(self, step: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Write the state after `step` steps; where asynchronous, only the copy to host memory is waited for."""
        self.finish()
        folder = self._folder / f"step_{step:08d}"
        unfinished = folder.with_name(folder.name + UNFINISHED)
        shards = {name: _OPTIMIZER if name.startswith(OPTIMIZER) else _WEIGHTS for name in tensors}
        writer = HuggingFaceStorageWriter(str(unfinished), fqn_to_index_mapping=shards, save_distributed=True)
        options = {"storage_writer": writer, "process_group": self._world.checkpoint_group}
        written: Future[Any] = Future()
        if self._asynchronous:
            under_way = dcp.async_save(dict(tensors), **options)
            assert isinstance(under_way, Future)  # as it is without a stager of one's own
            written = under_way
        else:
            with self._told(folder):
                dcp.save(dict(tensors), **options)
            written.set_result(None)
        self._pending = _Pending(written=written, unfinished=unfinished, folder=folder, state=state)
        if not self._asynchronous:
            self.finish()

    def poll(self) -> None:
        """Commit a checkpoint that has been written meanwhile; costs nothing otherwise."""
        # The writing ends on the first rank only once all ranks have written: DCP gathers their results there.
        if self._world.first and self._pending is not None and self._pending.written.done():
            pending, self._pending = self._pending, None
            self._commit(pending)

    def finish(self) -> None:
        """Wait for what is being written, and commit it.

        Raises:
            StorageError: it cannot be written, such as to a disk that is full.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            with self._told(pending.folder):
                pending.written.result()
            if self._world.first:
                self._commit(pending)
        dist.barrier(group=self._world.host_group)

    def leave(self) -> None:
        """On the way out of an error, have a checkpoint that is being written; other ranks may be gone.

        Raises:
            StorageError: it cannot be made known.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return
        wait([pending.written], timeout=LEAVING_SECONDS)
        if self._world.first and pending.written.done() and pending.written.exception() is None:
            self._commit(pending)

    @contextmanager
    def _told(self, folder: Path) -> Iterator[None]:
        """Say of what the disk refuses which checkpoint it was, and which one is safe."""
        try:
            yield
        except (OSError, dcp.CheckpointException) as error:
            causes = [error] if isinstance(error, OSError) else [each for each, _ in error.failures.values()]
            refused = next((each for each in causes if isinstance(each, OSError)), None)
            if refused is None:
                raise
            safe = complete(self._folder)
            rest = f"{safe[-1].name} is safe: the same command goes on from it" if safe else "there is none before it"
            raise StorageError(f"{folder} cannot be written: {refused.strerror or refused}; {rest}") from error

    def _commit(self, pending: _Pending) -> None:
        with self._told(pending.folder):
            self._make_known(pending)

    def _make_known(self, pending: _Pending) -> None:
        pending.written.result()
        sizes = {file.name: file.stat().st_size for file in sorted(pending.unfinished.iterdir())}
        _write_state(pending.unfinished, {**pending.state, "files": sizes, HAS_OPTIMIZER: True})
        if pending.folder.exists():  # torn, or it would have been resumed from
            shutil.rmtree(pending.folder)
        pending.unfinished.rename(pending.folder)
        _sync_folder(self._folder)
        kept = complete(self._folder)[-self._keep :]
        for other in self._folder.glob("step_*"):
            if other not in kept:  # an older one, or what is left of one
                shutil.rmtree(other)
        for older in kept[:-GONE_ON_FROM]:
            _forget_optimizer(older)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A checkpoint on its way to the disk."""

    written: Future[Any]
    unfinished: Path
    folder: Path
    state: Mapping[str, Any]


def _forget_optimizer(checkpoint: Path) -> None:
    """Delete what the optimizer kept; the checkpoint is complete before, after and in between."""
    shards = {file.name for file in checkpoint.glob(_OPTIMIZER_SHARDS)}
    if not shards:
        return
    state = read_state(checkpoint)
    left = {name: size for name, size in state["files"].items() if name not in shards}
    _write_state(checkpoint, {**state, "files": left, HAS_OPTIMIZER: False})
    for name in shards:
        (checkpoint / name).unlink()


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """In place of the one that is there, if there is one, whatever happens meanwhile."""
    unfinished = folder / f"{STATE_FILE}{UNFINISHED}"
    with unfinished.open("w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / STATE_FILE)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
