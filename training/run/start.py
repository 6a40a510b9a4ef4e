"""Begin a run with weights that are there: another run's, a safetensors file's, or a hub's. Steps begin at 0.

Weights and their average are taken; the optimizer, the sampler and the count of steps are new. Each rank reads its own
shards, and no rank waits for another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from preprocess.io.weights import find_file, find_folder
from training.models.safe_files import SafeFiles, check_shapes
from training.run.checkpoint import identity, latest, read_state, read_tensors
from training.run.module import TrainModule

SETTING = "objective.start"
TRANSFORMER_PART = "transformer"
"""Folder within that of a pipeline, as diffusers and EasyAnimate have them."""


def start_from(what: str, module: TrainModule, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fill a new run's tensors.

    Args:
        what: a run's folder, a safetensors file or a folder of some, a pipeline's folder, or a hub id.
        module: whose networks they are; it says what files call its weights.
        tensors: `network.NAME.KEY` and `average.NAME.KEY`; others are left as they are.

    Raises:
        ValueError: there is no such thing, or its weights are of other names or shapes.
    """
    weights = {name: tensor for name, tensor in tensors.items() if name.startswith("network.")}
    averages = {name: tensor for name, tensor in tensors.items() if name.startswith("average.")}
    checkpoint = latest(what)
    if checkpoint is not None:
        module.check_start(what, read_state(checkpoint)["extra"])
        held = _shapes_in(checkpoint)
        check_shapes(
            str(checkpoint), weights, {name: shape for name, shape in held.items() if name.startswith("network.")}
        )
        kept = {name: tensor for name, tensor in averages.items() if name in held}
        read_tensors(checkpoint, {**weights, **kept})
        # What does not learn any more is as it was used: averaged.
        still = {name.replace("network.", "average.", 1): weights[name] for name in _frozen(module) if name in weights}
        read_tensors(checkpoint, {name: tensor for name, tensor in still.items() if name in held})
        _copy_weights(weights, {name: tensor for name, tensor in averages.items() if name not in kept})
        return
    for network in module.averages():
        start = f"network.{network}."
        own = {name.removeprefix(start): tensor for name, tensor in weights.items() if name.startswith(start)}
        with SafeFiles(_files(what)) as files:
            module.read_file(network, files, own)
    _copy_weights(weights, averages)


def origin(what: str) -> dict[str, str]:
    """What a run's state says of its start: where it was, and which it was of all that may be there later."""
    checkpoint = latest(what)
    return {"from": what, "identity": _digest(_files(what)) if checkpoint is None else identity(checkpoint)}


def _frozen(module: TrainModule) -> list[str]:
    return [
        f"network.{network}.{name}"
        for network, made in module.networks.items()
        for name, weight in made.named_parameters()
        if not weight.requires_grad
    ]


def _shapes_in(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    held = HuggingFaceStorageReader(str(checkpoint)).read_metadata().state_dict_metadata
    return {name: tuple(there.size) for name, there in held.items() if isinstance(there, TensorStorageMetadata)}


def _files(what: str) -> list[Path]:
    path = Path(what)
    if path.is_file():
        return [path]
    if (path / TRANSFORMER_PART).is_dir():
        what = str(path / TRANSFORMER_PART)
    if ":" in what or path.suffix == ".safetensors":
        return [find_file(what, setting=SETTING)]
    return sorted(find_folder(what, setting=SETTING, files=("*.safetensors", "*.json")).glob("*.safetensors"))


@torch.no_grad()
def _copy_weights(weights: Mapping[str, torch.Tensor], averages: Mapping[str, torch.Tensor]) -> None:
    """Averages begin as the weights are."""
    for name, average in averages.items():
        average.copy_(weights[name.replace("average.", "network.", 1)])


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
