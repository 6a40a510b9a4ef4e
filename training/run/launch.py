"""The one way into training: in this process, under torchrun, or in the workers that Ray starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from training.run.config import TrainConfig
from training.run.distributed import World, world
from training.run.parallel import shard_encoder
from training.run.stages import in_order, is_finished
from training.run.trainer import Trainer
from training.samples import run_samples


def train(config: TrainConfig) -> None:
    """Train to the recipe's last step, through its stages, from the newest checkpoint where there is one.

    Every rank calls it with the same config. A process that neither torchrun nor Ray started is the only rank.

    Raises:
        Interrupted: SIGTERM or SIGINT, after a checkpoint was made; a SystemExit, of code 143 or 130.
        NonFiniteError: a loss or a gradient is no number, and the recipe says to stop.
    """
    with world() as here:
        *stages, last = in_order(config)
        for stage in stages:
            if not here.told(is_finished(stage) if here.first else None):
                _train(stage, here)
        _train(last, here)


def _train(config: TrainConfig, here: World) -> None:
    with _threads(config.trainer.threads):
        config = here.told(config.objective.completed(config, here.device) if here.first else None)
        torch.manual_seed(config.trainer.seed)  # first weights are the same on every rank
        module = config.objective.build(config)
        module.prepare(here.device)
        together = config.trainer.sequence_ranks
        if together > 1:
            module.spread(here.neighbours(together))
        if config.trainer.shard_text:
            module.shard_text(partial(shard_encoder, config=config.trainer, world=here))
        batches = config.data.batches(config, rank=here.rank // together, world_size=here.size // together)
        held_out = config.data.held_out(config, rank=here.rank // together, world_size=here.size // together)
        samples = run_samples(config, module, here)
        Trainer(config, module, batches, here, held_out=held_out, samples=samples).run()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Have torch divide an operation among so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
