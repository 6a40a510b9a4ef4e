"""A rank's steps, epoch after epoch, from any point at any world size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.data.plan.config import GridSampler
from training.data.plan.plan import EpochPlan, RankStep, plan_epoch
from training.data.plan.table import ClipTable

_COUNTED_IN = ("clips", "sampler settings", "seed")
"""What a state's fingerprint is made of."""
_EMPTY_EPOCHS = 100
"""How many epochs without a step are gone through: weights may leave too few clips in one, and enough in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerState:
    """How far a run is. Plans can be made again, so it takes a few numbers to know each sample that was consumed."""

    epoch: int = 0
    parts: tuple[tuple[int, int], ...] = ()
    """(batches a step, steps done) of this epoch, in order; more than one where it went on with another number of
    batches, which is world size x accumulation."""
    fingerprint: str = ""
    """Of the clips, the sampler and the seed that this counts in; empty before the first step."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"epoch": self.epoch, "parts": [list(part) for part in self.parts], "fingerprint": self.fingerprint}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SamplerState:
        """Back from `to_json`."""
        parts = tuple((int(size), int(steps)) for size, steps in values["parts"])
        return cls(epoch=int(values["epoch"]), parts=parts, fingerprint=str(values["fingerprint"]))


class PlannedBatches:
    """Endless micro-steps of one rank. Each iteration starts at `state`, which does not move by itself: steps may be
    fetched long before they are trained on, so whoever trains says how many are done (`state_after`).

    With accumulation, a step has world_size x accumulation batches, of which a rank takes `accumulation` in turn. What
    a step is made of then depends on that product alone: two ranks see what one rank sees that accumulates twice.
    """

    def __init__(
        self,
        table: ClipTable,
        sampler: GridSampler,
        *,
        seed: int,
        rank: int,
        world_size: int,
        accumulation: int = 1,
        state: SamplerState | None = None,
    ) -> None:
        """Raises:
        ValueError: the state was saved with other clips, another sampler or another seed.
        """
        if not 0 <= rank < world_size or accumulation < 1:
            raise ValueError(f"rank {rank} of {world_size}, accumulation {accumulation}")
        self.table, self.sampler, self.seed = table, sampler, seed
        self.rank, self.world_size, self.accumulation = rank, world_size, accumulation
        self._batches = world_size * accumulation
        fingerprint = f"{table.fingerprint}-{sampler.fingerprint}-{seed}"
        if state is not None and state.fingerprint not in ("", fingerprint):
            pairs = zip(_COUNTED_IN, state.fingerprint.split("-", 2), fingerprint.split("-", 2), strict=True)
            other = ", ".join(f"other {what} ({before}, now {now})" for what, before, now in pairs if before != now)
            raise ValueError(
                f"the state was saved with {other}: what it has consumed cannot be told; go on with what it was made "
                "with, or start anew"
            )
        self.state = replace(state or SamplerState(), fingerprint=fingerprint)
        self._plan: tuple[SamplerState, EpochPlan] | None = None

    def __iter__(self) -> Iterator[RankStep]:
        state = _part_of(self.state, self._batches)
        while True:
            plan = self.plan(state)
            for step in range(state.parts[-1][1], plan.num_steps):
                for batch in range(self.rank, self._batches, self.world_size):
                    yield plan.rank_step(step, batch)
            state = self._next_epoch(state)

    def state_after(self, micro_steps: int) -> SamplerState:
        """What to resume from once that many micro-steps from `state` are done; the same on each rank.

        Raises:
            ValueError: they end within a step.
        """
        steps, rest = divmod(micro_steps, self.accumulation)
        if rest:
            raise ValueError(f"{micro_steps} micro-steps end within a step of {self.accumulation}")
        state = _part_of(self.state, self._batches)
        while True:
            done = state.parts[-1][1]
            there = self.plan(state).num_steps
            if steps < there - done:
                return replace(state, parts=(*state.parts[:-1], (self._batches, done + steps)))
            steps -= there - done
            state = self._next_epoch(state)

    def after(self, state: SamplerState, step: RankStep) -> SamplerState:
        """The state once a micro-step that was handed out in `state` is done, without planning anything again; the
        state itself until the last one of a step."""
        if step.batch + self.world_size < self._batches:
            return state
        at = _part_of(state, self._batches)
        goes_on = (at.epoch, at.parts[-1][1]) == (step.epoch, step.step)
        earlier = at.parts[:-1] if goes_on else ()
        return replace(at, epoch=step.epoch, parts=(*earlier, (self._batches, step.step + 1)))

    def at(self, state: SamplerState) -> PlannedBatches:
        """The same steps from another state.

        Raises:
            ValueError: it was saved with other clips, another sampler or another seed.
        """
        moved = PlannedBatches(
            self.table,
            self.sampler,
            seed=self.seed,
            rank=self.rank,
            world_size=self.world_size,
            accumulation=self.accumulation,
            state=state,
        )
        moved._plan = self._plan
        return moved

    def plan(self, state: SamplerState) -> EpochPlan:
        """The plan of a state's epoch, or of what other world sizes have left of it; the last one is kept."""
        key = replace(state, parts=state.parts[:-1])
        if self._plan is None or self._plan[0] != key:
            plan = plan_epoch(
                self.table,
                self.sampler,
                seed=self.seed,
                epoch=state.epoch,
                world_size=self._batches,
                done=key.parts,
            )
            self._plan = (key, plan)
        return self._plan[1]

    def _next_epoch(self, state: SamplerState) -> SamplerState:
        """The start of the next epoch that has a step.

        Raises:
            ValueError: there are too few clips for a single step.
        """
        for epoch in range(state.epoch + 1, state.epoch + 1 + _EMPTY_EPOCHS):
            following = replace(state, epoch=epoch, parts=((self._batches, 0),))
            plan = self.plan(following)
            if plan.num_steps:
                return following
            if plan.resting in (0, len(self.table)):
                break  # the next ones are no better
        raise ValueError(
            f"epoch {epoch} has no step: {len(self.table)} clips for {self._batches} batches a step, of which "
            f"{len(plan.unfit)} are too small for {self.sampler.min_side}x{self.sampler.min_side} pixels and "
            f"{plan.resting} rest by their weight"
        )


def _part_of(state: SamplerState, batches: int) -> SamplerState:
    """The state with a last part of so many batches a step: the one there is, or one that begins."""
    parts = tuple(part for part in state.parts if part[1])
    if parts and parts[-1][0] == batches:
        return replace(state, parts=parts)
    return replace(state, parts=(*parts, (batches, 0)))
