"""What a run says of itself in OUT/status.json, for who looks from elsewhere: a small record, replaced as a whole."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, Self, get_args

from preprocess.io import storage

State = Literal["running", "finished", "stopped", "failed"]
"""Stopped is what Ctrl-C and SIGTERM do. A run that was killed still says that it is running: look at `beat`."""
STALE_SECONDS = 30.0
"""A run whose last sign of life is older than this does not run any more, or cannot write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How far one run is. Counts are those of this run alone: what earlier ones did is in the tables and parts."""

    command: str
    subject: str | None = None
    """Of `filter`, its name."""
    state: State = "running"
    phase: str = "starting"
    """What it does, in a few words."""
    reason: str | None = None
    """One line: why it failed."""
    host: str
    process: int
    began: str
    """Time by the clock of `host`, ISO 8601 with its offset; `beat`, too."""
    beat: str
    """When it last said all this."""
    files_all: int | None = None
    files_waiting: int | None = None
    """Of them, those that were not settled when the run began."""
    units_done: int = 0
    units_all: int = 0
    bytes_done: int = 0
    bytes_all: int = 0
    working_seconds: float = 0.0
    """Since units were handed out."""
    video_seconds_done: float = 0.0
    clips_found: int = 0
    clips_kept: int = 0
    clips_left_out: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Sources by reason, such as `empty_file`."""

    @property
    def share_done(self) -> float | None:
        """Of the work of this run, 0 to 1, by bytes where they are known; None where there is none."""
        done, everything = (self.bytes_done, self.bytes_all) if self.bytes_all else (self.units_done, self.units_all)
        return min(1.0, done / everything) if everything else None

    @property
    def video_seconds_all(self) -> float | None:
        """An estimate: what is left is taken to have as much video a byte as what is done."""
        return self.video_seconds_done / self.share_done if self.share_done else None

    @property
    def times_real_time(self) -> float | None:
        """Seconds of video a second."""
        return self.video_seconds_done / self.working_seconds if self.working_seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """An estimate: the rest goes as fast as what is done. None where nothing is done yet, or nothing goes on."""
        if self.state != "running" or not self.share_done:
            return None
        return self.working_seconds * (1 / self.share_done - 1)

    def silent_seconds(self, now: datetime.datetime) -> float:
        """How long ago it last said something, by the clocks of two machines; never less than 0."""
        return max(0.0, (now - datetime.datetime.fromisoformat(self.beat)).total_seconds())

    def seems_dead(self, now: datetime.datetime) -> bool:
        """It says that it runs, and has been silent for longer than one that runs."""
        return self.state == "running" and self.silent_seconds(now) > STALE_SECONDS

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        """What `packed` made; None for anything else, which a stranger or another version may have left there."""
        try:
            said = json.loads(data)
            status = cls(**{each.name: said[each.name] for each in fields(cls)})
            status._check()
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return status

    def packed(self) -> bytes:
        """JSON for `of`."""
        return json.dumps(asdict(self), indent=1).encode()

    def _check(self) -> None:
        """What is read back is shown and computed with.

        Raises:
            ValueError, TypeError: it is nothing to show or to compute with.
        """
        texts = (self.command, self.phase, self.host, self.subject or "", self.reason or "", *self.failures)
        numbers = (
            *(self.process, self.units_done, self.units_all, self.bytes_done, self.bytes_all, self.working_seconds),
            *(self.video_seconds_done, self.clips_found, self.clips_kept, self.clips_left_out),
            *(self.files_all or 0, self.files_waiting or 0, *self.failures.values()),
        )
        if self.state not in get_args(State) or not all(isinstance(text, str) for text in texts):
            raise ValueError("not a status")
        if not all(type(number) in (int, float) and 0 <= number < 1e18 for number in numbers):
            raise ValueError("not a status")
        for time in (self.began, self.beat):
            if datetime.datetime.fromisoformat(time).tzinfo is None:
                raise ValueError("a time without its offset")


def read_status(out: str) -> RunStatus | None:
    """What the last run over the manifest at `out` said of itself, if it said anything."""
    data = storage.read_bytes(_place(out))
    return None if data is None else RunStatus.of(data)


def write_status(out: str, status: RunStatus) -> None:
    """Replace what was said before."""
    storage.write_atomic(_place(out), status.packed())


def now() -> datetime.datetime:
    """With its offset."""
    return datetime.datetime.now(datetime.UTC)


def _place(out: str) -> str:
    return storage.join(out, "status.json")
