"""What is counted between two rows of metrics, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from training.run.distributed import World, add_figures
from training.run.module import Batch, Loss


class Tally:
    """Figures of the steps since the last row, of this rank until `row` adds those of all."""

    def __init__(self, world: World, peak_flops: float | None) -> None:
        self._world = world
        self._peak_flops = peak_flops
        self.restart()

    def restart(self) -> None:
        """Count from nothing, from now on."""
        self._since = time.monotonic()
        self._figures: dict[str, tuple[float, float]] = {}
        self._agreed: dict[str, tuple[float, float]] = {}
        self._own_wait = self._longest_wait = self._flops = self._tokens = self._slots = 0.0
        self._steps = 0

    def took(self, network: str, batch: Batch, loss: Loss, flops: float) -> None:
        """A micro-step of a network's turn."""
        bucket = "x".join(map(str, batch.size))
        mean = (float(loss.total.detach()), loss.weight)
        add_figures(self._figures, {f"loss/{network}": mean, f"loss/{network}/{bucket}": mean})
        add_figures(self._figures, loss.scalars)
        self._flops += flops

    def stepped(
        self, figures: Mapping[str, float], tokens_by_rank: Sequence[float], data_waits_by_rank: Sequence[float]
    ) -> None:
        """The end of a step; `figures` are the same on every rank, and averaged over steps.

        Args:
            figures: by name.
            tokens_by_rank: of the step's samples.
            data_waits_by_rank: seconds that each rank was blocked until it had the step's batches.
        """
        self._steps += 1
        self._tokens += sum(tokens_by_rank)
        self._slots += max(tokens_by_rank) * self._world.size
        self._own_wait += sum(data_waits_by_rank) / self._world.size
        self._longest_wait += max(data_waits_by_rank)
        add_figures(self._agreed, {name: (value, 1.0) for name, value in figures.items()})

    def row(self) -> dict[str, float]:
        """All ranks' figures; every rank calls it at the same step.

        `tokens_per_second` is of all ranks, `mfu` a share of their peak. What ranks lose, in the mean over them:
        `idle_token_share`, as a share of tokens, where one has more than the others in a step; as shares of time,
        `time/data_wait_share`, blocked until their own batches are there, and `time/data_of_others_wait_share`, then
        until those of the slowest rank are. All ranks exchange gradients in each step, so its wait is everyone's.
        """
        seconds = time.monotonic() - self._since
        merged = self._world.merged(self._figures)
        [flops] = self._world.numbers(self._flops)
        row = {name: value / count for name, (value, count) in merged.items() if count}
        row |= {name: value / count for name, (value, count) in self._agreed.items()}
        row["tokens_per_step"] = self._tokens / max(1, self._steps)
        row["tokens_per_second"] = self._tokens / seconds
        row["seconds_per_step"] = seconds / max(1, self._steps)
        row["idle_token_share"] = 1 - self._tokens / self._slots if self._slots else 0.0
        row["time/data_wait_share"] = self._own_wait / seconds
        row["time/data_of_others_wait_share"] = (self._longest_wait - self._own_wait) / seconds
        if self._peak_flops is not None:
            row["mfu"] = sum(flops) / seconds / (self._peak_flops * self._world.size)
        return row
