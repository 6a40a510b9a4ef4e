"""When things happen: steps, held-out figures, checkpoints, signals, metrics. What happens is the module's."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from preprocess.io.settings import difference, dump
from preprocess.io.trees import kept
from training.run.checkpoint import HAS_OPTIMIZER, latest, read_state, read_tensors
from training.run.config import Batches, TrainConfig
from training.run.distributed import World, add_figures
from training.run.metrics import peak_flops
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise, seed_everything
from training.run.samples import MakeSamples
from training.run.saving import Checkpoints
from training.run.showing import Showing
from training.run.signals import Interrupted, StopWish, stop_wish
from training.run.start import origin, start_from
from training.run.tally import Tally
from training.run.turn import NetworkTurn, NonFiniteError


class Trainer:
    """One rank of a run, from its newest checkpoint, if there is one, to its last step."""

    def __init__(
        self,
        config: TrainConfig,
        module: TrainModule,
        batches: Batches,
        world: World,
        *,
        held_out: Iterable[Batch] = (),
        samples: MakeSamples | None = None,
    ) -> None:
        self.step = 0
        """Steps that are done."""
        self._config = config
        self._module = module
        self._batches = batches
        self._held_out = held_out
        self._world = world
        self._start: Mapping[str, str] = {}
        """Which weights the run began with, where they were not new."""
        self._turns = {name: NetworkTurn(config, module, name, world) for name in module.networks}
        self._skips_in_a_row = dict.fromkeys(self._turns, 0)
        trainer = config.trainer
        self._checkpoints = Checkpoints(
            config.out, world, keep=trainer.keep_checkpoints, asynchronous=trainer.async_checkpoints
        )
        self._tally = Tally(world, peak_flops(world.device, trainer.precision, trainer.peak_tflops))
        self._show = Showing(config, world, samples)

    def run(self) -> None:
        """Take the steps that are left.

        Raises:
            Interrupted: a signal asked to stop; a checkpoint was made.
            NonFiniteError: a loss or a gradient is no number, and the recipe says to stop.
            ValueError: the checkpoint in the run's folder is of another seed or other networks.
        """
        told = self._resume()
        with ExitStack() as stack:
            wish = stack.enter_context(stop_wish())
            stack.enter_context(self._show.opened(self.step))
            for line in told:
                self._show.say(line)
            if self._start and self.step == 0:
                self._show.write(0, self._evaluate())  # of what the run starts with
            if self.step == 0:
                self._show.samples(0, self._turns.values())
            try:
                self._take_steps(wish)
                self._checkpoints.finish()
            except Exception:
                self._checkpoints.leave()
                raise

    def _take_steps(self, wish: StopWish) -> None:
        trainer = self._config.trainer
        batches = iter(self._batches)
        self._tally.restart()
        while self.step < trainer.steps:
            stop = self._take_step(batches, wish)
            self._checkpoints.poll()
            last = self.step == trainer.steps or stop is not None
            saves = last or self.step % trainer.checkpoint_every == 0
            figures: dict[str, float] = {}
            if self.step % trainer.log_every == 0 or saves:
                figures |= self._tally.row()
            if self.step % trainer.eval_every == 0 or self.step == trainer.steps:
                figures |= self._evaluate()
            self._show.write(self.step, figures)
            if saves:
                self._save()
            sampled = stop is None and self._show.samples(self.step, self._turns.values())
            if stop is not None:
                self._checkpoints.finish()
                self._show.say(f"stopped by signal {stop} after step {self.step}, with a checkpoint")
                raise Interrupted(128 + stop)
            if saves or figures or sampled:
                self._tally.restart()  # neither held-out figures nor a checkpoint nor samples are a step's time

    def _take_step(self, batches: Iterator[Batch], wish: StopWish) -> int | None:
        """All turns of a step; the signal that any rank was told meanwhile, on all of them."""
        trainer = self._config.trainer
        seed_everything(trainer.seed, self.step, self._world.rank)
        started = time.monotonic()
        micro_batches = [next(batches) for _ in range(trainer.accumulation)]
        waited = time.monotonic() - started
        figures: dict[str, float] = {}
        for name in self._module.turns(self.step):
            with self._resting(name):
                losses, told = self._turns[name].take(micro_batches, self.step)
            figures |= {f"{what}/{name}": value for what, value in told.items()}
            self._guard(name, micro_batches, losses, told)
        own_tokens = sum(batch.tokens * len(batch.clip_ids) for batch in micro_batches) / trainer.sequence_ranks
        tokens, signals, waits = self._world.numbers(own_tokens, wish.signal or 0, waited)
        self._tally.stepped(figures, tokens, waits)
        self.step += 1
        return int(max(signals)) or None

    def _guard(self, name: str, batches: Sequence[Batch], losses: Sequence[Loss], told: Mapping[str, float]) -> None:
        """Count a turn's figures, or decide what becomes of a turn that was left out; alike on all ranks."""
        trainer = self._config.trainer
        if not told["skipped"]:
            self._skips_in_a_row[name] = 0
            for batch, loss in zip(batches, losses, strict=True):
                flops = self._module.flops(name, batch) if loss.flops is None else loss.flops
                self._tally.took(name, batch, loss, flops / trainer.sequence_ranks)
            return
        broken = (b for b, loss in zip(batches, losses, strict=True) if not math.isfinite(loss.total.detach()))
        bad = [clip_id for batch in broken for clip_id in batch.clip_ids]
        where = "; ".join(f"rank {rank}: {', '.join(ids)}" for rank, ids in enumerate(self._world.gathered(bad)) if ids)
        message = f"step {self.step}: {name}'s loss or gradient is no number ({where or 'in the gradient only'})"
        self._skips_in_a_row[name] += 1
        if trainer.non_finite == "stop" or self._skips_in_a_row[name] > trainer.skips_in_a_row:
            raise NonFiniteError(f"{message}; the optimizer has not stepped")
        self._show.say(f"{message}; left out")

    @contextmanager
    def _resting(self, name: str) -> Iterator[None]:
        """The other networks without gradients."""
        others = [turn for other, turn in self._turns.items() if other != name]
        for turn in others:
            turn.rest()
        try:
            yield
        finally:
            for turn in self._turns.values():
                turn.wake()

    def _evaluate(self) -> dict[str, float]:
        """Held-out figures, of the averaged weights where there are any, at the same noise each time."""
        total: dict[str, tuple[float, float]] = {}
        seed, bf16 = self._config.trainer.seed, self._config.trainer.precision == "bf16"
        with ExitStack() as stack:
            for turn in self._turns.values():
                stack.enter_context(turn.evaluating())
            stack.enter_context(torch.no_grad())
            stack.enter_context(torch.autocast(self._world.device.type, torch.bfloat16, enabled=bf16))
            for batch in self._held_out:
                noise = SampleNoise(seed, 0, batch.clip_ids, device=self._world.device, stream="held_out")
                add_figures(total, self._module.evaluate(batch.to(self._world.device), noise))
        merged = self._world.merged(total)
        return {f"held_out/{name}": value / count for name, (value, count) in merged.items() if count}

    def _save(self) -> None:
        tensors = self._tensors()
        state = {
            "step": self.step,
            "seed": self._config.trainer.seed,
            "skips_in_a_row": self._skips_in_a_row,
            "averages": {name: turn.averaged_names() for name, turn in self._turns.items()},
            "data": dict(self._batches.state_dict()),
            "extra": self._module.extra_state(),
            "start": dict(self._start),
            "settings": dump(self._config),
            "config": kept(self._config),
        }
        self._checkpoints.save(self.step, tensors, state)

    def _resume(self) -> list[str]:
        """Go on from the newest checkpoint; which that is, and what was set otherwise when it was made."""
        checkpoint = self._world.told(latest(self._config.out) if self._world.first else None)
        if checkpoint is None:
            return self._begin()
        state: dict[str, Any] = self._world.told(read_state(checkpoint) if self._world.first else None)
        if state["seed"] != self._config.trainer.seed:
            raise ValueError(f"{checkpoint}: of seed {state['seed']}, the recipe's is {self._config.trainer.seed}")
        if not state.get(HAS_OPTIMIZER, True):
            raise ValueError(
                f"{checkpoint}: the optimizer's state went when newer checkpoints came, and those are gone: a new run "
                "with objective.start begins with its weights"
            )
        tensors = self._tensors()
        read_tensors(checkpoint, tensors, group=self._world.host_group)
        self.step, skips = state["step"], state["skips_in_a_row"]
        # one number of all networks together, as checkpoints had it until December 2026
        self._skips_in_a_row |= skips if isinstance(skips, dict) else dict.fromkeys(self._turns, skips)
        self._batches.load_state_dict(state["data"])
        self._module.load_extra_state(state["extra"])
        self._began_with(state.get("start", {}))
        changed = [f"changed since then: {line}" for line in difference(state["settings"], self._config)]
        return [f"goes on from {checkpoint}", *self._told_start(), *changed]

    def _begin(self) -> list[str]:
        """Start with the weights that the recipe names, if it names some; which those are."""
        what = self._config.objective.starts_from()
        if not what:
            return []
        start_from(what, self._module, self._tensors())
        self._began_with(self._world.told(origin(what) if self._world.first else None))
        return self._told_start()

    def _began_with(self, start: Mapping[str, str]) -> None:
        self._start = start
        for turn in self._turns.values() if start else ():
            turn.keep_average()

    def _told_start(self) -> list[str]:
        return [f"started with the weights of {self._start['from']} ({self._start['identity']})"] if self._start else []

    def _tensors(self) -> dict[str, torch.Tensor]:
        """All that a checkpoint holds, by name."""
        return {key: tensor for turn in self._turns.values() for key, tensor in turn.tensors().items()}
