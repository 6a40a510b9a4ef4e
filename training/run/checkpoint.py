"""Checkpoints by torch.distributed.checkpoint: whole or not there, and readable at any number of ranks.

A checkpoint is a folder of safetensors shards, one a rank, and `state.json`. It holds what is trained: a LoRA, and not
the weights that it changes. The shards are written to a folder of another name; `state.json` comes last, with the size
of each shard, and then the folder gets its name. So what a crash leaves, or a disk that lost its last blocks, is never
taken for a checkpoint. Nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from preprocess.errors import StorageError
from training.run.distributed import World
from training.run.module import TrainModule, give_memory, on_meta, saved_state

STATE_FILE = "state.json"
UNFINISHED = ".unfinished"


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
        writer = HuggingFaceStorageWriter(str(unfinished), save_distributed=True)
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
            self._commit(self._pending)
            self._pending = None

    def finish(self) -> None:
        """Wait for what is being written, and commit it.

        Raises:
            StorageError: it cannot be written, such as to a disk that is full.
        """
        if self._pending is not None:
            with self._told(self._pending.folder):
                self._pending.written.result()
            if self._world.first:
                self._commit(self._pending)
            self._pending = None
        dist.barrier(group=self._world.host_group)

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
        with (pending.unfinished / STATE_FILE).open("w") as file:
            json.dump({**pending.state, "files": sizes}, file)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(pending.unfinished)
        if pending.folder.exists():  # torn, or it would have been resumed from
            shutil.rmtree(pending.folder)
        pending.unfinished.rename(pending.folder)
        _sync_folder(self._folder)
        kept = complete(self._folder)[-self._keep :]
        for other in self._folder.glob("step_*"):
            if other not in kept:  # an older one, or what is left of one
                shutil.rmtree(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A checkpoint on its way to the disk."""

    written: Future[Any]
    unfinished: Path
    folder: Path
    state: Mapping[str, Any]


def latest(out: str) -> Path | None:
    """The newest complete checkpoint of a run, or None."""
    folders = complete(Path(out) / "checkpoints")
    return folders[-1] if folders else None


def complete(folder: Path) -> list[Path]:
    """The complete checkpoints in a folder, oldest first."""
    return [each for each in sorted(folder.glob("step_*")) if each.suffix != UNFINISHED and _is_complete(each)]


def read_state(checkpoint: Path) -> dict[str, Any]:
    """What was saved beside the tensors."""
    state: dict[str, Any] = json.loads((checkpoint / STATE_FILE).read_text())
    return state


def read_tensors(checkpoint: Path, tensors: Mapping[str, torch.Tensor], *, group: Any = None) -> None:
    """Fill tensors, sharded or not, from a checkpoint of any number of ranks.

    Raises:
        ValueError: a tensor is missing from the checkpoint, or has another shape there.
    """
    reader = HuggingFaceStorageReader(str(checkpoint))
    held = reader.read_metadata().state_dict_metadata
    for name, tensor in tensors.items():
        there = held.get(name)
        shape = tuple(there.size) if isinstance(there, TensorStorageMetadata) else None
        if shape != tuple(tensor.shape):
            found = f"{name} is {shape or 'missing'}, expected {tuple(tensor.shape)}"
            raise ValueError(f"{checkpoint}: of other networks than the recipe's: {found}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as a process alone wants it
        dcp.load(dict(tensors), storage_reader=reader, process_group=group, no_dist=group is None)


def read_networks(out: str, module: TrainModule, *, averaged: bool = True) -> int:
    """Fill a module's networks, on this process alone, from a run's newest checkpoint; the step it was made after.

    Networks made on the meta device get memory on the CPU; what the checkpoint lacks has its first weights there.

    Raises:
        ValueError: there is no complete checkpoint, or it is one of other networks.
    """
    checkpoint = latest(out)
    if checkpoint is None:
        raise ValueError(f"{out}: no complete checkpoint in it")
    for name, network in module.networks.items():
        if len(saved_state(network)) < len(network.state_dict()):
            module.materialise(name, torch.device("cpu"))
        elif on_meta(network):
            give_memory(network, torch.device("cpu"))
        read_weights(checkpoint, name, saved_state(network), averaged=averaged)
    state = read_state(checkpoint)
    module.load_extra_state(state["extra"])
    return int(state["step"])


def read_weights(checkpoint: Path, network: str, weights: Mapping[str, torch.Tensor], *, averaged: bool = True) -> None:
    """Fill weights of a network, sharded or not, by their names in it; ranks need not do so together.

    `averaged` takes the moving average of those of which one was kept.

    Raises:
        ValueError: a weight is missing from the checkpoint, or has another shape there.
    """
    averages = read_state(checkpoint)["averages"].get(network, ()) if averaged else ()
    kinds = {key: "average" if key in averages else "network" for key in weights}
    read_tensors(checkpoint, {f"{kinds[key]}.{network}.{key}": weight for key, weight in weights.items()})


def identity(checkpoint: Path) -> str:
    """Tells a checkpoint from any other, also of the same step: its name and a digest of its state."""
    digest = hashlib.sha256((checkpoint / STATE_FILE).read_bytes()).hexdigest()
    return f"{checkpoint.name}-{digest[:16]}"


def _is_complete(checkpoint: Path) -> bool:
    try:
        files: Mapping[str, int] = read_state(checkpoint)["files"]
        return all((checkpoint / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError):  # a folder of another kind, unfinished, or damaged
        return False


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
