"""Kill runs at every moment and in every part, go on as any user would, and see that the tables come out the same.

    python -m benchmarks.torture SOURCE [--kills 60] [--engine local|ray] [--bucket] [--seed 0]

SOURCE is a folder of films; where there is none, small ones are made there. Commands are given in the order of
`benchmarks/kills/story.py`, once undisturbed and then again and again over new manifests, with SIGKILLs: of the driver,
a worker, all processes at once, and with Ray of the raylet and the gcs, at random moments; and every third one placed
at a random step within compaction, deletion of parts and the replacement of tables. With `--bucket`, films and manifest
lie in an S3-compatible server on loopback. The last line is JSON:

- `kills`: how many, and of what: `placed` are those within what changes tables,
- `rows_missing`, `rows_doubled`, `rows_changed`: against the undisturbed tables after each command of the story,
- `tables_equal`: whether all tables were equal, order included,
- `tmp_files_left`: what no run leaves behind, `processes_left`: such as outlived their run by ten seconds,
- `refused`: runs that found OUT in use by one that was dead, `hung`: runs over their time, `failed`: others that ended
  with another status than 0.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.kills.films import write_films
from benchmarks.kills.places import Buckets, Folders, Place
from benchmarks.kills.story import STORY, Chapter, Differences, Tables, arguments, chosen
from benchmarks.kills.victims import TARGETS, Victim
from preprocess.sources import list_sources

LIMIT_SECONDS = {"local": 240.0, "ray": 420.0}
"""A run of a few seconds that takes so long, on a machine that does other things too, hangs."""
KILL_SHARE = 0.8
"""Of the runs of a chapter."""
PATIENCE_SECONDS = 10.0
"""What a killed run has started may go on so long."""
MOST_TRIES = 10
"""Runs of one chapter that nobody kills and that end otherwise than with status 0."""


@dataclass(kw_only=True)
class Findings(Differences):
    """What the last line says."""

    kills: int = 0
    tmp_files_left: int = 0
    processes_left: int = 0
    refused: int = 0
    hung: int = 0
    failed: int = 0
    by_target: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(kw_only=True)
class Torture:
    """One over a place, which begins empty."""

    place: Place
    films: Sequence[Path]
    engine: str
    draw: random.Random
    findings: Findings = field(default_factory=Findings)
    expected: list[Tables] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def undisturbed(self) -> None:
        """Learn what each chapter comes to, how long it takes, and in how many steps it changes tables."""
        for chapter in STORY:
            self.place.offer(chosen(self.films, chapter))
            run = Victim(arguments(chapter.command, self.place, self.engine), function=chapter.changes_tables)
            if run.ended(LIMIT_SECONDS[self.engine]) != 0:
                raise SystemExit(f"{chapter.command[0]} does not even end by itself:\n{run.said()[-3000:]}")
            self.seconds.append(time.monotonic() - run.began)
            self.steps.append(run.steps())
            self.expected.append(Tables.of(self.place))
            if left := self.place.leftovers():
                raise SystemExit(f"{chapter.command[0]} leaves {left[:5]}")
        _say(f"undisturbed: {[f'{seconds:.1f} s' for seconds in self.seconds]}, {self.steps} steps within the tables")

    def cycle(self, kills: int) -> None:
        """The whole story once, with so many kills at most."""
        self.place.clear()
        pending: list[Sequence[str]] = []
        for number, chapter in enumerate(STORY):
            self.place.offer(chosen(self.films, chapter))
            if chapter.can_be_left_out and self.draw.random() < 0.5:
                pending.append(chapter.command)
            else:
                self._chapter(number, chapter, kills, pending)
                pending = []

    def _chapter(self, number: int, chapter: Chapter, kills: int, pending: list[Sequence[str]]) -> None:
        """Give its command until nobody kills it; in between, others, `pending` ones among them."""
        struck: list[Victim] = []
        while self.findings.kills < kills and (pending or self.draw.random() < KILL_SHARE):
            struck.append(self._killed(number, chapter))
            if pending:
                self._until_done(pending.pop())
            elif chapter.meanwhile and self.draw.random() < 0.3:
                self._until_done(self.draw.choice(chapter.meanwhile))
        for command in [*pending, chapter.command]:
            self._until_done(command)
        for run in struck:
            self._count_survivors(run)
        if not self.findings.add(Tables.of(self.place), self.expected[number]):
            _say(f"!! {' '.join(chapter.command)}: the tables differ")
        if left := self.place.leftovers():
            _say(f"!! {' '.join(chapter.command)}: left {left}")
            self.findings.tmp_files_left += len(left)

    def _killed(self, number: int, chapter: Chapter) -> Victim:
        """One run with one kill, of a kind that this engine and this chapter know."""
        command = arguments(chapter.command, self.place, self.engine)
        struck: str | None
        if self.findings.kills % 3 == 0:
            at = self.draw.randint(1, self.steps[number])
            run, what = Victim(command, at=at, function=chapter.changes_tables), f"step {at} of {self.steps[number]}"
            status = run.ended(LIMIT_SECONDS[self.engine])
            struck = "placed" if status is not None and status < 0 else None
        else:
            run = Victim(command)
            what = self.draw.choice(TARGETS[self.engine] if chapter.has_workers else ("driver", "group"))
            # a part of it has lived for a shorter time when the work is done
            longest = 0.8 if what in ("driver", "group") else 0.3
            struck = run.strike_after(self.draw.uniform(0.0, longest) * self.seconds[number], what)
            status = run.ended(LIMIT_SECONDS[self.engine])
            if struck in ("driver", "group") and status == 0:
                struck = None  # it ended in that very moment
        if struck is None and status == 0:  # the machine was busier when the time was taken
            self.seconds[number] = min(self.seconds[number], time.monotonic() - run.began)
        if struck is not None:
            self.findings.kills += 1
            self.findings.by_target[struck] = self.findings.by_target.get(struck, 0) + 1
        _say(f"{self.findings.kills:3} kills: {chapter.command[0]}, {what}: {struck}, status {status}")
        if status is None:
            self._hangs(run)
        return run

    def _until_done(self, command: Sequence[str]) -> None:
        for _ in range(MOST_TRIES):
            run = Victim(arguments(command, self.place, self.engine))
            status = run.ended(LIMIT_SECONDS[self.engine])
            self._count_survivors(run)
            if status == 0:
                return
            if status is None:
                self._hangs(run)
                continue
            refused = "in use by another run" in run.said()
            self.findings.refused += refused
            self.findings.failed += not refused
            _say(f"!! status {status}: {run.said()[-2000:]}")
        raise SystemExit(f"{' '.join(command)} ends {MOST_TRIES} times with another status than 0")

    def _hangs(self, run: Victim) -> None:
        self.findings.hung += 1
        _say(f"!! hangs: {run.said()[-2000:]}")

    def _count_survivors(self, run: Victim) -> None:
        if survivors := run.survivors(PATIENCE_SECONDS):
            self.findings.processes_left += len(survivors)
            _say(f"!! outlive their run: {survivors}")


def main(source: Path, kills: int, engine: str, bucket: bool, seed: int) -> None:
    """Torture, and print."""
    if not source.exists():
        write_films(source)
    films = [Path(film.uri) for film in list_sources(str(source)).sources]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder, _place(Path(folder), bucket) as place:
        (Path(folder) / "tmp").mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = f"{folder}/tmp"
        os.environ["RAY_TMPDIR"] = "/tmp"  # its sockets have long names
        torture = Torture(place=place, films=films, engine=engine, draw=random.Random(seed))
        torture.undisturbed()
        while torture.findings.kills < kills:
            torture.cycle(kills)
        left = [path for path in (Path(folder) / "tmp").iterdir() if not _is_known(path)]
        torture.findings.tmp_files_left += len(left)
        if left:
            _say(f"!! left in TMPDIR: {left}")
    torture.findings.seconds = round(time.monotonic() - began)
    print(json.dumps(asdict(torture.findings)))


def _is_known(path: Path) -> bool:
    """Our own, Ray's, or the four bytes with which Python tries out a folder for temporary files."""
    return path.name.startswith(("steps-", "ray")) or (path.is_file() and path.read_bytes() == b"blat")


@contextmanager
def _place(folder: Path, bucket: bool) -> Iterator[Place]:
    if not bucket:
        yield Folders(folder)
        return
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "torturer",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        yield Buckets()
    finally:
        server.stop()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="SOURCE", type=Path)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--bucket", action="store_true", help="films and manifest in an S3-compatible server")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.source, options.kills, options.engine, options.bucket, options.seed)
