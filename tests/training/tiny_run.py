"""A run that trains in a second: a module that tells what it saw, its data, and `python -m tests.training.tiny_run`."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from preprocess.io.settings import override
from tests.training.ranks import in_ranks, run_script
from training.models.grid import TokenGrid
from training.run.config import Data, Objective, OptimizerConfig, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.metrics import read_rows
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise

ROOT = Path(__file__).parents[2]
CLIPS = 28
"""Of an epoch; no multiple of a batch, so that epochs end within steps."""


class Blocks(torch.nn.Module):
    """A residual network over vectors, in blocks that can be sharded."""

    def __init__(self, width: int = 6, depth: int = 2) -> None:
        super().__init__()
        self.first = torch.nn.Linear(13, width)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.LayerNorm(width), torch.nn.Linear(width, width), torch.nn.SiLU())
            for _ in range(depth)
        )
        self.last = torch.nn.Linear(width, 12)

    def forward(self, values: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        hidden = self.first(torch.cat([values, times[:, None]], 1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.last(hidden)

    def middle(self, values: torch.Tensor) -> torch.Tensor:
        """Another way in than forward."""
        return self.first(torch.cat([values, torch.zeros(len(values), 1)], 1)).square().mean(1)


class TinyModule(TrainModule):
    """`main` learns a straight flow from noise to videos of 12 values; `judge` has a turn after it, if there is one."""

    def __init__(self, objective: TinyObjective, out: str) -> None:
        self.objective, self.out = objective, Path(out)
        self.main = Blocks()
        self.judge = Blocks()
        self.calls_made = 0

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        return {"main": self.main} | ({"judge": self.judge} if self.objective.judged else {})

    def wraps(self, network: str) -> Sequence[torch.nn.Module]:
        return list(self.networks[network].blocks)

    def calls(self, network: str) -> Sequence[str]:
        return ("middle",)

    def averages(self) -> Sequence[str]:
        return ("main",)

    def turns(self, step: int) -> Sequence[str]:
        return ("main", "judge") if self.objective.judged and step >= 3 else ("main",)

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        objective = self.objective
        times = noise.uniform()
        if network == "main":
            self._tell(batch, times, step)
            self._maybe_die(step)
        values = batch.video.flatten(1)
        drawn = noise.normal(values.shape[1])
        mixed = (1 - times)[:, None] * values + times[:, None] * drawn
        wrong = (self.networks[network](mixed, times) - (drawn - values)).square().sum(1)
        if network == "main" and objective.judged and step >= 3:
            wrong = wrong + self.networks["judge"].middle(mixed)
        if objective.broken_clip in batch.clip_ids and step == objective.broken_step:
            wrong = wrong * math.nan
        if network == "main" and 0 <= objective.main_broken_from <= step:
            wrong = wrong * math.nan
        total = wrong.sum()
        self.calls_made += 1
        bins = {f"loss/t_{int(t * 4)}": (float(w.detach()), 12.0) for t, w in zip(times, wrong, strict=True)}
        return Loss(total=total, weight=float(values.numel()), scalars=bins)

    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        values = batch.video.flatten(1)
        made = self.networks["main"](values, noise.uniform())
        return {"error": (float((made - values).square().sum()), float(values.numel()))}

    def extra_state(self) -> dict[str, Any]:
        return {"calls_made": self.calls_made}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.calls_made = state["calls_made"]

    def _tell(self, batch: Batch, times: torch.Tensor, step: int) -> None:
        told = {"step": step, "clips": list(batch.clip_ids), "times": times.tolist()}
        with (self.out / f"seen_{os.environ.get('RANK', '0')}.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")

    def _maybe_die(self, step: int) -> None:
        died = self.out / "died"
        if step == self.objective.dies_at_step and os.environ.get("RANK", "0") == "0":
            if self.objective.dies_once and died.exists():
                return
            died.touch()
            os.kill(os.getpid(), self.objective.dies_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyObjective(Objective):
    """The module, and the mishaps that tests want."""

    judged: bool = False
    broken_clip: str = ""
    broken_step: int = -1
    main_broken_from: int = -1
    dies_at_step: int = -1
    dies_of: int = int(signal.SIGKILL)
    dies_once: bool = False

    def grid(self) -> TokenGrid:
        return TokenGrid(temporal_stride=1, spatial_stride=1, patch=1)

    def completed(self, config: TrainConfig, device: torch.device) -> TrainConfig:
        Path(config.out).mkdir(parents=True, exist_ok=True)
        (Path(config.out) / f"measured_by_{os.environ.get('RANK', '0')}").touch()
        return config

    def build(self, config: TrainConfig) -> TinyModule:
        Path(config.out).mkdir(parents=True, exist_ok=True)
        return TinyModule(self, config.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyData(Data):
    """Videos made from their number; `samples` in all make a step, however many ranks and micro-steps share them."""

    samples: int = 8

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> TinyBatches:
        share = self.samples // world_size // config.trainer.accumulation
        return TinyBatches(seed=config.trainer.seed, share=share, rank=rank, world_size=world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        ids = [1000 + index for index in range(8)]
        share = len(ids) // world_size
        return [tiny_batch(ids[rank * share : (rank + 1) * share])]


class TinyBatches:
    """A shuffled order of clips an epoch; the state is how many were handed out, over all ranks."""

    def __init__(self, *, seed: int, share: int, rank: int, world_size: int) -> None:
        self.seed, self.share, self.rank, self.world_size = seed, share, rank, world_size
        self.taken = 0

    def __iter__(self) -> Iterator[Batch]:
        while True:
            first = self.taken + self.rank * self.share
            self.taken += self.share * self.world_size
            yield tiny_batch([self._clip(first + index) for index in range(self.share)])

    def state_dict(self) -> Mapping[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]

    def _clip(self, position: int) -> int:
        epoch, index = divmod(position, CLIPS)
        return int(np.random.default_rng((self.seed, epoch)).permutation(CLIPS)[index])


def tiny_batch(clips: Sequence[int]) -> Batch:
    videos = [torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(clip)) for clip in clips]
    ids = [f"clip{clip}" for clip in clips]
    return Batch(video=torch.stack(videos), captions=[""] * len(ids), clip_ids=ids, tokens=4)


def tiny_config(out: Path | str, *assignments: str) -> TrainConfig:
    config = TrainConfig(
        name="tiny",
        out=str(out),
        objective=TinyObjective(),
        data=TinyData(),
        trainer=TrainerConfig(steps=20, log_every=1, eval_every=7, checkpoint_every=5, ema_decay=0.9),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=3, schedule="cosine"),
    )
    return override(config, assignments)


def run_ranks(
    ranks: int,
    out: Path,
    *assignments: str,
    check: bool = True,
    script: str = "tests.training.tiny_run",
    torchrun: bool = False,
) -> subprocess.CompletedProcess[str]:
    """`train` in processes of its own: one, or several as torchrun starts them or, in fewer seconds, as it would."""
    launched = _under_torchrun if torchrun else _forked
    done = launched(ranks, script, str(out), *assignments)
    assert done.returncode == 0 or not check, done.stderr
    return done


def _forked(ranks: int, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "stderr")
        code = in_ranks(ranks, run_script, script, *arguments, errors=errors)
        return subprocess.CompletedProcess(script, code, stderr=errors.read_text())


def _under_torchrun(ranks: int, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    command = [sys.executable, *launcher, "-m", script, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def losses(out: Path, name: str = "main") -> dict[int, float]:
    """The loss of each step."""
    return {row["step"]: row[f"loss/{name}"] for row in read_rows(str(out)) if f"loss/{name}" in row}


def seen(out: Path) -> dict[int, set[tuple[str, float]]]:
    """Clips with their timesteps by step, over all ranks; of a step taken twice, both."""
    told: dict[int, set[tuple[str, float]]] = {}
    for path in sorted(out.glob("seen_*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            told.setdefault(row["step"], set()).update(zip(row["clips"], row["times"], strict=True))
    return told


if __name__ == "__main__":
    train(tiny_config(sys.argv[1], *sys.argv[2:]))
