"""What there is to do: the listed files minus what tables and parts hold, in units. A long file is divided, and asked
for its length before.

Its header is read in a child of this process: what a file does to native code must not end a run, not even here.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cluster.local_engine import LocalEngine
from cluster.stage import Stage
from pipelines.clips.attempts import Attempts, attempts_of_run, retried
from pipelines.recipe.config import CurateConfig
from preprocess.clip import Source
from preprocess.errors import UNSETTLED, MediaError
from preprocess.file_bounds import FileBounds
from preprocess.io.settings import fingerprint
from preprocess.listing import Sources
from preprocess.manifest import Manifest
from preprocess.probe import header_seconds
from preprocess.units import PlannedUnits, plan_units

ASKED_AT_ONCE = 64
"""Files of a batch; 16 of them are waited for at a time."""


def work_left(
    manifest: Manifest,
    sources: Sources,
    config: CurateConfig,
    *,
    workers: int | None,
    again: Collection[str],
    split_bytes: int,
) -> PlannedUnits:
    """Planned units minus what tables and parts already hold; files above `split_bytes` may be divided."""
    made_by = fingerprint(config)
    todo = sources.without(manifest.settled_sources(again, made_by=made_by))
    large = [source for source in todo.larger_than(split_bytes) if source.unreadable is None]
    lengths = _lengths(manifest, config.bounds, large)
    return plan_units(
        # who measured such a file in one piece would have other clips than an undisturbed run
        todo.with_unreadable({length.uri: length.unread for length in lengths if length.unread is not None}),
        {length.uri: length.seconds for length in lengths if length.seconds is not None},
        manifest.settled_spans(again, made_by=made_by),
        span_seconds=config.span_seconds,
        workers=workers or 8,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """What a header tells."""

    uri: str
    seconds: float | None = None
    """None where it does not say, or the file is none that could be measured: the worker will find out why."""
    unread: str | None = None
    """Why nobody could look, where that is no fault of the file."""


class LengthStage(Stage):
    """Asks files for their length, several at a time."""

    name = "length"

    def __init__(self, attempts: Attempts, bounds: FileBounds) -> None:
        self._attempts, self._bounds = attempts, bounds

    def process(self, items: Sequence[tuple[Source, ...]]) -> Iterator[Length]:
        """One answer a file."""
        for batch in items:
            answers = self._attempts.run(
                batch,
                name=lambda sources: f"{self.name} {' '.join(source.uri for source in sources)}",
                pieces=lambda sources: [(source,) for source in sources],
                do=_asked,
                bounds=self._bounds,
                give_up=lambda sources, _: [Length(uri=source.uri) for source in sources],
            )
            yield from itertools.chain.from_iterable(answers)


def _lengths(manifest: Manifest, bounds: FileBounds, sources: Sequence[Source]) -> list[Length]:
    if not sources:
        return []
    engine = LocalEngine()
    batches = [tuple(sources[start : start + ASKED_AT_ONCE]) for start in range(0, len(sources), ASKED_AT_ONCE)]
    return list(engine.run([LengthStage(attempts_of_run(manifest.location, engine), bounds)], batches))


def _asked(sources: Sequence[Source]) -> list[Length]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_length, sources))


def _length(source: Source) -> Length:
    try:
        return Length(uri=source.uri, seconds=retried(lambda: header_seconds(source)))
    except MediaError as error:
        unread = (error.detail or error.reason) if error.reason in UNSETTLED else None
        return Length(uri=source.uri, unread=unread)
    except (OSError, MemoryError) as error:
        return Length(uri=source.uri, unread=f"{type(error).__name__}: {error}")
    except Exception:  # ours or not, the worker that opens it will meet it, too, and give it a row
        return Length(uri=source.uri)
