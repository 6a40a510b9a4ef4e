"""What workers are worth: two against one, and Ray against the local engine with as many processes.

    python -m benchmarks.scaling SOURCE [--rounds 3] [--minutes 10]

The videos of SOURCE, which should be short ones, are curated again and again until there are so many minutes. All are
measured in turn in each round; the clock starts when each worker has finished a unit and ends with the last, so that
starting and ending a cluster is apart. The last line is JSON: medians of `two_workers_speedup` and of
`ray_over_local`, whose excess over 1 is what Ray costs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cluster.engine import Engine
from cluster.local_engine import LocalEngine
from cluster.ray_engine import RayEngine
from pipelines.clips.attempts import Attempts
from pipelines.clips.faults import Faults
from pipelines.clips.model_stages import model_stages
from pipelines.clips.stages import MeasureStage, PartSink, WriteStage
from pipelines.clips.task import whole
from pipelines.curate import ROOT
from pipelines.recipe import recipes
from preprocess.probe import header_seconds
from preprocess.sources import list_sources
from preprocess.units import SourceSpan, WorkUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """From when all workers worked to the last finished unit."""

    seconds: float
    video_seconds: float

    @property
    def speed(self) -> float:
        """Seconds of video in a second."""
        return self.video_seconds / self.seconds


def main(source: str, rounds: int, minutes: float) -> None:
    """Measure and print."""
    units = _units(source, minutes * 60)
    speedups, ratios = [], []
    for number in range(rounds):
        one = _taken(_ray(1), units, skip=1)
        two = _taken(_ray(2), units, skip=2)
        local = _local_pair(units)
        speedups.append(two.speed / one.speed)
        ratios.append(local.speed / two.speed)
        print(
            f"round {number + 1}: one worker {one.speed:.2f} x real time, two {two.speed:.2f}, "
            f"two local processes {local.speed:.2f}"
        )
    figures = {
        "video_minutes": round(minutes, 1),
        "units": len(units),
        "two_workers_speedup": round(statistics.median(speedups), 3),
        "ray_over_local": round(statistics.median(ratios), 3),
    }
    print(json.dumps(figures))


def _units(source: str, seconds: float) -> list[WorkUnit]:
    """One film each, in turn, until there is enough."""
    lengths = [(one, header_seconds(one) or 0.0) for one in list_sources(source).sources]
    units: list[WorkUnit] = []
    for one, length in itertools.cycle(lengths):
        if seconds <= 0:
            return units
        # a number of parts that is never reached makes the unit another one
        units.append(WorkUnit(spans=(SourceSpan(source=one, index=len(units), count=1 << 20),)))
        seconds -= length
    return units


def _ray(workers: int) -> Engine:
    return RayEngine(address=None, working_dir=os.fspath(ROOT), workers=workers)


def _local_pair(units: list[WorkUnit]) -> Taken:
    """Two local engines side by side, each with every second unit; both work for as long as the slower one."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda half: _taken(LocalEngine(), half, skip=1), (units[::2], units[1::2]))
    return Taken(seconds=max(first.seconds, second.seconds), video_seconds=first.video_seconds + second.video_seconds)


def _taken(engine: Engine, units: list[WorkUnit], *, skip: int) -> Taken:
    config = recipes.default()
    folder = Path(tempfile.mkdtemp())
    task, uncounted, strict = whole(config, {}), Attempts(None), Faults(out=None, strict=True)
    stages = [
        MeasureStage(task, uncounted, strict),
        *model_stages(task, uncounted, strict),
        WriteStage(PartSink(out=os.fspath(folder), config=config), strict),
    ]
    try:
        began, done, last = 0.0, 0.0, 0.0
        for number, summary in enumerate(engine.run(stages, units), 1):
            last = time.monotonic()
            if number <= skip:
                began = last
            else:
                done += summary.source_seconds
    finally:
        shutil.rmtree(folder)
    return Taken(seconds=last - began, video_seconds=done)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    main(arguments.source, arguments.rounds, arguments.minutes)
