"""Which settings make a recipe fit into memory that it does not fit into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from preprocess.io.settings import override
from training.plan.estimate import Estimate, estimate
from training.run.config import TrainConfig

MOST_GPUS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What has been set so far, and what it comes to."""

    settings: tuple[str, ...]
    gpus: int
    estimate: Estimate


def tried(config: TrainConfig, *, gpus: int, memory: float) -> Iterator[Tried]:
    """The recipe as it is, then with one more change each, until it fits or nothing is left to change.

    What costs least comes first: shards, then blocks that are computed again (a third more work), the type of numbers,
    what enters blocks in host memory, samples that ranks divide, gradients' averages in 8 bits, no average of weights,
    and more GPUs, among which weights, gradients and optimizer are divided.
    """
    last = Tried(settings=(), gpus=gpus, estimate=estimate(config, gpus=gpus))
    yield last
    for setting in _settings(config, gpus, last.estimate.heads):
        if last.estimate.total <= memory:
            return
        key = setting.partition("=")[0]
        settings = (*(each for each in last.settings if each.partition("=")[0] != key), setting)
        last = Tried(settings=settings, gpus=gpus, estimate=estimate(override(config, settings), gpus=gpus))
        yield last
    more = _enough_gpus(override(config, last.settings), last.estimate, gpus, memory)
    while last.estimate.total > memory and more is not None and more <= MOST_GPUS:
        settings = last.settings
        if override(config, settings).trainer.strategy != "fsdp2":
            settings = (*settings, "trainer.strategy=fsdp2")
        last = replace(last, settings=settings, gpus=more, estimate=estimate(override(config, settings), gpus=more))
        yield last
        more *= 2


def _settings(config: TrainConfig, gpus: int, heads: int) -> Iterator[str]:
    trainer = config.trainer
    if gpus > 1 and trainer.strategy != "fsdp2":
        yield "trainer.strategy=fsdp2"
    if not trainer.activation_checkpointing:
        yield "trainer.activation_checkpointing=true"
    if trainer.precision != "bf16":
        yield "trainer.precision=bf16"
    if not trainer.offload_activations:
        yield "trainer.offload_activations=true"
    for together in (2, 4, 8):
        if together > trainer.sequence_ranks and gpus % together == 0 and heads % together == 0:
            yield f"trainer.sequence_ranks={together}"
    if config.optimizer.state == "fp32":
        yield "optimizer.state=8bit"
    if trainer.ema_decay is not None:
        yield "trainer.ema_decay=none"


def _enough_gpus(config: TrainConfig, made: Estimate, gpus: int, memory: float) -> int | None:
    """Twice as many, or four times, ..., as will do; None where what no GPU shares is too much by itself."""
    if config.trainer.shard_ranks is not None:
        return None  # more GPUs have more copies
    shares = gpus if config.trainer.strategy == "fsdp2" else 1
    state = made.divided * shares
    alone = made.total - made.divided
    more = gpus * 2
    while more <= MOST_GPUS:
        if alone + state / more <= memory:
            return more
        more *= 2
    return None
