"""The samples that a run has made while it trained: films, small pictures of them that play, and a list of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FOLDER = "samples"
LIST = "samples.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the averaged weights made of a prompt after `step` steps."""

    step: int
    index: int
    """Of the prompt in `samples.prompts`."""
    seed: int
    prompt: str
    image: str
    """The picture that it begins with; "" for none."""
    film: Path
    """MP4; PNG of one frame."""
    preview: Path
    """An animated WebP."""

    @property
    def plays(self) -> bool:
        """Whether it is a film and no picture."""
        return self.film.suffix == ".mp4"


MakeSamples = Callable[[int], Sequence[Sample]]
"""Write the samples after so many steps; called on all ranks together, each of which returns its own."""


def place(out: str, *, step: int, index: int, seed: int) -> Path:
    """Where a sample's files are, without what their kind adds."""
    return Path(out) / FOLDER / f"step_{step:08d}_prompt_{index}_seed_{seed}"


def add_samples(out: str, made: Iterable[Sample]) -> None:
    """Add to the run's list. What a run that goes on from an earlier step makes again takes its old place."""
    new = sorted(made, key=lambda sample: (sample.step, sample.index))
    first = min((sample.step for sample in new), default=None)
    if first is None:
        return
    rows = [sample for sample in read_samples(out) if sample.step < first] + new
    path = Path(out) / FOLDER / LIST
    beside = path.with_suffix(".unfinished")
    beside.write_text("".join(f"{json.dumps(_row(sample))}\n" for sample in rows), encoding="utf-8")
    beside.replace(path)


def read_samples(out: str) -> list[Sample]:
    """In the order of steps, then of prompts; a run may have been moved."""
    folder = Path(out) / FOLDER
    if not (folder / LIST).exists():
        return []
    rows = [json.loads(line) for line in (folder / LIST).read_text(encoding="utf-8").splitlines()]
    known = {each.name for each in fields(Sample)}
    values = [{name: value for name, value in row.items() if name in known} for row in rows]
    return [Sample(**{**row, "film": folder / row["film"], "preview": folder / row["preview"]}) for row in values]


def _row(sample: Sample) -> dict[str, object]:
    return {**asdict(sample), "film": sample.film.name, "preview": sample.preview.name}
