"""Checkpoints by torch.distributed.checkpoint: whole or not there, and readable at any number of ranks.

A checkpoint is a folder of safetensors shards and `state.json`. It holds what is trained: a LoRA, and not the weights
that it changes. `saving` writes them. Nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from training.run.module import TrainModule, give_memory, on_meta, saved_state

STATE_FILE = "state.json"
OPTIMIZER = "optimizer."
"""How the names of the tensors begin that only a run that goes on reads."""
HAS_OPTIMIZER = "has_optimizer"
"""Of a checkpoint's state: False where those are gone, since there are newer ones to go on from."""
UNFINISHED = ".unfinished"


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
