"""What a training run is made of: frozen records, made by a recipe function and changed by `--set key=value`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch

from preprocess.io.bounds import above, at_least, check
from preprocess.io.settings import OPERATIONAL
from preprocess.io.storage import absolute, is_remote
from training.models.grid import Shape, TokenGrid
from training.models.on_demand import LatentSource, TextSource
from training.run.module import Batch, TrainModule
from training.run.planned import Planned, of_pixels
from training.run.prompts import Prompts

LOCATION: Mapping[str, bool] = {"location": True}
"""Metadata of a field that names a folder or bucket, or none by ""; see `located`."""
WEIGHTS: Mapping[str, bool] = {"weights": True}
"""Metadata of a field that names weights: a run's folder or a file, or else a hub id."""
Precision = Literal["fp32", "bf16"]
TrackerName = Literal["wandb", "trackio"]
LOOKED_AT = 8
"""Batches that are measured before a run."""

_Record = TypeVar("_Record")


class Batches(Protocol):
    """An endless stream of one rank's batches, each of one micro-step.

    What a step is made of, all ranks and accumulation steps together, must depend neither on the ranks nor on how many
    workers load: then a run goes on exactly where it stopped, also at another world size.
    """

    def __iter__(self) -> Iterator[Batch]: ...

    def state_dict(self) -> Mapping[str, Any]:
        """Where to go on after the batches that were handed out (not those fetched ahead); plain, same on each rank."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, which a run at another world size may have left."""
        ...


class Data(ABC):
    """Where batches come from: a frozen dataclass, so that its fields can be set and it travels to workers."""

    __slots__ = ()

    @abstractmethod
    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> Batches:
        """One rank's training batches."""

    @abstractmethod
    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Iterable[Batch]:
        """One rank's share of what is never trained on, the same at each call; as many batches on each rank."""

    def looked_at(self, config: TrainConfig) -> Iterator[Batch]:
        """A few training batches, the same whatever the ranks, for who measures before the first step."""
        trainer = replace(config.trainer, accumulation=1)
        return islice(iter(self.batches(replace(config, trainer=trainer), rank=0, world_size=1)), LOOKED_AT)

    def largest_sample(self, grid: TokenGrid) -> tuple[Shape, float]:
        """The longest and largest square shape of training samples, and their frames a second.

        Raises:
            ValueError: it names no shapes.
        """
        raise ValueError(f"{type(self).__name__} names no shapes of samples")

    def largest_batch(self, grid: TokenGrid) -> tuple[Shape, int]:
        """The shape of the largest samples, and how many of them a rank has in a micro-step.

        Raises:
            ValueError: it names no shapes.
        """
        return self.largest_sample(grid)[0], 1

    def fill_cache(self, config: TrainConfig, cache: str, *, epochs: int, processes: int) -> str:
        """Encode what a run will show, once and before it; where that lies, for the run's settings.

        Args:
            config: what the run will be given.
            cache: a folder or bucket.
            epochs: how many.
            processes: of the run.

        Raises:
            ValueError: its samples cannot be kept, or the objective is trained on pixels.
        """
        raise ValueError(f"{type(self).__name__} has no cache")


class Objective(ABC):
    """What is trained: a frozen dataclass that builds the module, identically on each rank."""

    __slots__ = ()

    @abstractmethod
    def build(self, config: TrainConfig) -> TrainModule:
        """Make the networks; the trainer has seeded torch's global generator by the run's seed."""

    @abstractmethod
    def grid(self) -> TokenGrid:
        """How samples become tokens, of which data counts a step's; nothing else may say so.

        Raises:
            ValueError: a run that it builds on does not exist.
        """

    def completed(self, config: TrainConfig, device: torch.device) -> TrainConfig:
        """The configuration with what is measured before the first step, so that a run keeps it among its settings.

        The first rank alone measures, on its device, and tells the others.
        """
        return config

    def planned(self, config: TrainConfig) -> Planned:
        """For `python -m training plan`, which computes nothing; what it builds on need not be trained yet."""
        return of_pixels(self.build(config), self.grid())

    def starts_from(self) -> str:
        """A run, a file or a hub id, with whose weights step 0 begins; "" for new ones."""
        return ""

    def latents_of(self) -> LatentSource | None:
        """The autoencoder whose latents it can be trained on, in place of pixels; None: on pixels alone."""
        return None

    def texts_of(self, *, seed: int) -> TextSource | None:
        """The encoder whose vectors it can be trained on, in place of captions; None: on captions alone.

        `seed` is the run's, for one that starts without weights.
        """
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """AdamW with warm-up; weights of fewer than two axes (norms, biases) do not decay."""

    learning_rate: float = field(default=1e-4, metadata=above(0))
    """Its largest, after the warm-up."""
    beta1: float = 0.9
    """Decay of the average of gradients."""
    beta2: float = 0.999
    """Decay of the average of their squares."""
    epsilon: float = 1e-8
    """Added to the root of the squares."""
    weight_decay: float = 0.01
    """Share of a weight that is taken off in a step of learning rate 1."""
    warmup_steps: int = 0
    """Over which the rate rises from 0 in a line."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the rate, after the warm-up."""
    final_share: float = 0.1
    """Share of the learning rate that is left at the end of the cosine."""
    state: Literal["fp32", "8bit"] = "fp32"
    """Of both averages: 8 bytes a weight, or a little more than 2, by torchao, for weights whose rows are multiples of
    256 values; others stay float32."""
    weights: Precision = "fp32"
    """With `bf16`, weights that learn are held so and their gradients too, 4 bytes a weight in place of 8. A step is
    rounded up or down by chance, as far as it lies between two numbers: in the mean nothing is lost. By torchao."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """When things happen, and on how many processors in which way. All ranks share it."""

    steps: int = field(metadata=at_least(1))
    """How many a run takes in all."""
    seed: int = 0
    """Of first weights, the order of clips, noise and timesteps."""
    accumulation: int = field(default=1, metadata=at_least(1))
    """Micro-steps before an optimizer steps: the batch is world size x this x what the data gives at a time."""
    clip_norm: float | None = 1.0
    """Largest norm of a network's gradient, over all ranks; None leaves it as it is."""
    ema_decay: float | None = 0.999
    """Of the float32 average of the weights; None keeps none. It starts low: min(decay, (1 + step) / (10 + step))."""
    non_finite: Literal["stop", "skip"] = "stop"
    """What a loss or gradient that is no number does: end the run, or leave the step out."""
    skips_in_a_row: int = field(default=10, metadata=at_least(1))
    """With `skip`, how many turns of a network may be left out in a row before the run ends."""
    precision: Precision = field(default="fp32", metadata=OPERATIONAL)
    """Of computation; weights, gradients' sums, optimizer and average are float32 in either."""
    strategy: Literal["ddp", "fsdp2"] = field(default="ddp", metadata=OPERATIONAL)
    """Each rank has a copy of what is trained (ddp), or a shard of it (fsdp2)."""
    shard_ranks: int | None = field(default=None, metadata=OPERATIONAL | at_least(1))
    """With fsdp2, how many ranks next to one another share a copy of what is trained, such as the GPUs of a node. None:
    all ranks share one."""
    gradients_whole: bool = field(default=False, metadata=OPERATIONAL)
    """With fsdp2 and accumulation, keep the micro-steps' gradients whole on each rank, 4 bytes a weight, and exchange
    them once a step. Else ranks that share a copy do so in each micro-step, and the copies once a step."""
    sequence_ranks: int = field(default=1, metadata=OPERATIONAL | at_least(1))
    """How many ranks next to one another divide each sample's tokens; they have batches together, as one process."""
    shard_text: bool = field(default=False, metadata=OPERATIONAL)
    """Have a text encoder that is only used in shards, by either strategy, and not whole on each rank."""
    activation_checkpointing: bool = field(default=False, metadata=OPERATIONAL)
    """Keep only what enters each block of `TrainModule.wraps`, and compute the block again on the way back."""
    offload_activations: bool = field(default=False, metadata=OPERATIONAL)
    """Have what is kept for the way back in host memory meanwhile, such as what enters each block."""
    compile_blocks: bool = field(default=False, metadata=OPERATIONAL)
    """Have torch write code of its own for each block of `TrainModule.wraps`, at the first step of each shape."""
    threads: int | None = field(default=None, metadata=OPERATIONAL | at_least(1))
    """Of an operation on the CPU, for which a small model's tensors can be too small; None leaves it to torch."""
    checkpoint_every: int = field(default=500, metadata=OPERATIONAL | at_least(1))
    """Steps between checkpoints."""
    keep_checkpoints: int = field(default=3, metadata=OPERATIONAL | at_least(1))
    """How many of the newest are kept; older than the newest two, without what the optimizer keeps."""
    async_checkpoints: bool = field(default=True, metadata=OPERATIONAL)
    """Write while the next steps run, at the price of a copy in host memory."""
    eval_every: int = field(default=500, metadata=OPERATIONAL | at_least(1))
    """Steps between held-out figures."""
    log_every: int = field(default=10, metadata=OPERATIONAL | at_least(1))
    """Steps between rows of figures, which are means over them."""
    sample_every: int | None = field(default=None, metadata=OPERATIONAL | at_least(1))
    """Steps between videos of `samples.prompts`, of which the first are made before training; None makes none."""
    tracker: TrackerName | None = field(default=None, metadata=OPERATIONAL)
    """Where figures and samples go beside TensorBoard's files: wandb, trackio or none."""
    tracker_project: str = field(default="clipmill", metadata=OPERATIONAL)
    """Under which that one files the run."""
    peak_tflops: float | None = field(default=None, metadata=OPERATIONAL)
    """Of one device at this precision, for MFU; None looks the device up and leaves MFU out if it is unknown."""

    def __post_init__(self) -> None:
        check(self, "trainer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A run before a recipe's own, of the same objective unless it has another of the same networks, in
    OUT/stages/NAME."""

    data: Data
    trainer: TrainerConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    objective: Objective | None = None
    """In place of the recipe's; None: the recipe's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One run: what is trained, on what, how. It pickles, so that Ray can carry it to its workers."""

    name: str
    """The recipe's."""
    out: str = field(metadata=OPERATIONAL)
    """The run's folder, which every rank can write to."""
    objective: Objective
    data: Data
    trainer: TrainerConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    other_optimizers: Mapping[str, OptimizerConfig] = field(default_factory=dict)
    """By network, where it is not `optimizer`."""
    stages: Mapping[str, Stage] = field(default_factory=dict)
    """What is trained before, by name and in order, such as on smaller videos; each starts from the one before."""
    samples: Prompts = field(default_factory=Prompts)

    def __post_init__(self) -> None:
        refuse_remote(self.out)
        for settings in (self.optimizer, *self.other_optimizers.values()):
            if settings.weights == "bf16" and self.trainer.precision != "bf16":
                raise ValueError(
                    f"optimizer.weights=bf16 with trainer.precision={self.trainer.precision}: weights in bf16 are "
                    "computed with in bf16; --set trainer.precision=bf16"
                )
        if self.trainer.sample_every is not None and not self.samples.prompts:
            raise ValueError(
                f"trainer.sample_every is {self.trainer.sample_every}, but there is nothing to sample: "
                "--set 'samples.prompts=[\"a red circle\"]'"
            )


def refuse_remote(out: str) -> None:
    """See that what is to be written lies on a disk: a URI taken for a path would become a folder `s3:` here.

    Raises:
        ValueError: it is a URI.
    """
    if is_remote(out):
        raise ValueError(
            f"--out {out}: runs and samples are written to folders, not to buckets; name one on a disk that all "
            "processes see, such as a network file system, or copy it there afterwards"
        )


def located(record: _Record) -> _Record:
    """A record with its locations absolute, at any depth: Ray's workers have a working directory of their own, and
    whoever samples from a run later has another one."""
    changes: dict[str, Any] = {}
    for each in fields(record):  # type: ignore[arg-type]
        value = getattr(record, each.name)
        if is_dataclass(value):
            changes[each.name] = located(value)
        elif isinstance(value, Mapping):
            changes[each.name] = {name: located(part) if is_dataclass(part) else part for name, part in value.items()}
        elif isinstance(value, tuple) and each.metadata.get("location"):
            changes[each.name] = tuple(part and absolute(part) for part in value)
        elif value and (each.metadata.get("location") or (each.metadata.get("weights") and Path(value).exists())):
            changes[each.name] = absolute(value)
    return replace(record, **changes)  # type: ignore[type-var]
