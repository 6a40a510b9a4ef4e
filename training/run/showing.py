"""What a run lets be seen of it: figures, samples and its page. Nothing here has a say in the training."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from preprocess.io.settings import dump
from training.run.config import TrainConfig
from training.run.distributed import World
from training.run.metrics import Metrics
from training.run.noise import same_randomness_after
from training.run.page import write_run_page
from training.run.samples import MakeSamples
from training.run.trackers import opened
from training.run.turn import NetworkTurn

logger = logging.getLogger(__name__)


class Showing:
    """All ranks call the same methods in the same order; the first one writes."""

    def __init__(self, config: TrainConfig, world: World, make_samples: MakeSamples | None) -> None:
        self._config = config
        self._world = world
        self._make_samples = make_samples
        self._metrics: Metrics | None = None

    @contextmanager
    def opened(self, step: int) -> Iterator[None]:
        """Show while this is open, from after `step` steps on."""
        if not self._world.first:
            yield
            return
        config, trainer = self._config, self._config.trainer
        with same_randomness_after():
            trackers = opened(
                trainer.tracker,
                config.out,
                step=step,
                project=trainer.tracker_project,
                name=config.name,
                config=dump(config),
            )
        self._metrics = Metrics(config.out, trackers, step=step, steps=trainer.steps)
        try:
            yield
        finally:
            self._metrics.close()
            self._write_page()

    def say(self, message: str) -> None:
        """A line for the reader."""
        if self._metrics is not None:
            self._metrics.say(message)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """`step` steps are done; there may be figures of them."""
        if self._metrics is not None:
            self._metrics.advance(step)
            if figures:
                self._metrics.write(step, figures)

    def samples(self, step: int, turns: Iterable[NetworkTurn]) -> bool:
        """Make videos of the fixed prompts by the averaged weights, where it is time to; whether it was."""
        every, last = self._config.trainer.sample_every, self._config.trainer.steps
        if self._make_samples is None or every is None or (step % every and step != last):
            return False
        with ExitStack() as stack:
            stack.enter_context(same_randomness_after())
            for turn in turns:
                stack.enter_context(turn.evaluating())
            made = self._make_samples(step)
        of_all = [sample for those in self._world.gathered(made) for sample in those]
        if self._metrics is not None:
            self._metrics.samples(sorted(of_all, key=lambda sample: sample.index))
            self._write_page()
        return True

    def _write_page(self) -> None:
        try:
            write_run_page(self._config)
        except OSError as error:  # no reason to lose a run
            logger.warning("the run's page cannot be written: %s", error)
