"""Run one filter alone over an existing manifest and add its columns. Killed in the middle, it resumes."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import pyarrow as pa

import filters
from cluster.stage import Stage
from filters.base import Scorer
from pipelines.config import CurateConfig
from pipelines.curate import choose_engine
from pipelines.decide import load, recorded_config, rewrite
from pipelines.stages import decide_cheaply, measure
from preprocess import storage
from preprocess.clip import Clip, Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.manifest import Manifest, Row
from preprocess.observe import revisit

_log = logging.getLogger("clipmill")


@dataclass(frozen=True, slots=True, kw_only=True)
class _SourceClips:
    """One source and those of its clips that are to be measured."""

    source: Source
    clips: tuple[Clip, ...]


def run_filter(name: str, out: str, *, engine: str = "auto", workers: int | None = None) -> Manifest:
    """Measure the clips of the manifest at `out` with the filter `name`, then decide again by the manifest's rules.

    A costly filter skips the clips that the rules on cheap columns reject, as in a whole run.

    Raises:
        ValueError: no manifest, no such filter, or the sources have changed.
    """
    manifest = Manifest(out)
    with storage.exclusive(manifest.location):
        run, table = load(manifest)
        config = recorded_config(run)
        scorer = find_scorer(name, config)
        rows = table.to_pylist()
        done = storage.join(manifest.location, "columns", f"{scorer.name}-{run['fingerprint']}")
        work = _work(manifest, scorer, config, rows, done)
        for count, source_id in enumerate(choose_engine(engine, workers).run([_ScoreStage(scorer, done)], work), 1):
            _log.info("%d/%d sources, %s", count, len(work), source_id)
        values = _collect(done)
        table = _with_columns(table, scorer, rows, values)
        rewrite(manifest, run, table, config)
        storage.delete_folder(done)
    return manifest


def find_scorer(name: str, config: CurateConfig) -> Scorer:
    """The recipe's scorer of that name, or any in the `filters` package, with its defaults.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    for scorer in config.scorers:
        if scorer.name == name:
            return scorer
    known = {kind.name: kind for kind in scorer_classes()}
    if name not in known:
        raise ValueError(f"no filter {name!r}; there are {', '.join(sorted(known))}")
    return known[name]()


def scorer_classes() -> Iterator[type[Scorer]]:
    """Every scorer in the `filters` package whose imports are installed."""
    for module in pkgutil.iter_modules(filters.__path__):
        try:
            loaded = importlib.import_module(f"filters.{module.name}")
        except ImportError:  # an optional extra that is not installed
            continue
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(kind, Scorer) and not inspect.isabstract(kind) and kind.__module__ == loaded.__name__:
                yield kind


class _ScoreStage(Stage):
    """Decode the clips of one source once more and store the scores of one filter."""

    name = "score"

    def __init__(self, scorer: Scorer, done: str) -> None:
        self._scorer = scorer
        self._done = done

    def setup(self) -> None:
        """Load the filter."""
        cv2.setNumThreads(1)
        self._scorer.setup()

    def process(self, item: _SourceClips) -> Iterator[str]:
        """Score every clip; a source that cannot be read any more leaves its clips unmeasured."""
        rows: list[Row] = []
        try:
            with Video(item.source) as video:
                if video.info.source_id != item.clips[0].source_id:
                    raise MediaError("changed", "its bytes are not those of the manifest")
                for seen in revisit(video, item.clips):
                    rows.append({"clip_id": seen.clip.clip_id} | measure((self._scorer,), seen.view))  # noqa: PERF401
        except MediaError as error:
            _log.warning("%r: %s; its clips are not measured", item.source.uri, error)
        table = pa.Table.from_pylist(rows or [{"clip_id": None}])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        source_id = item.clips[0].source_id
        storage.write_atomic(storage.join(self._done, f"{source_id}.arrow"), sink.getvalue().to_pybytes())
        yield source_id

    def close(self) -> None:
        """Release the filter."""
        self._scorer.close()


def _work(manifest: Manifest, scorer: Scorer, config: CurateConfig, rows: list[Row], done: str) -> list[_SourceClips]:
    finished = {name.removesuffix(".arrow") for name in storage.list_files(done, ".arrow")}
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        skipped = scorer.costly and decide_cheaply(config, row)
        if row["source_id"] not in finished and not skipped:
            by_source.setdefault(row["source_id"], []).append(row)
    table = manifest.sources()
    assert table is not None
    sources = {row["source_id"]: row for row in table.to_pylist() if row["status"] != "duplicate"}
    return [
        _SourceClips(source=_source(sources[source_id]), clips=tuple(_clip(row) for row in clips))
        for source_id, clips in by_source.items()
    ]


def _source(row: Row) -> Source:
    return Source(uri=row["uri"], size_bytes=row["size_bytes"], modified_ns=row["modified_ns"])


def _clip(row: Row) -> Clip:
    return Clip(
        source_id=row["source_id"],
        source_uri=row["source_uri"],
        start_pts=row["start_pts"],
        end_pts=row["end_pts"],
        time_base=Fraction(row["time_base_num"], row["time_base_den"]),
        num_frames=row["num_frames"],
        fps=Fraction(row["fps"]).limit_denominator(100_000),
        width=row["width"],
        height=row["height"],
    )


def _collect(done: str) -> dict[str, Row]:
    values: dict[str, Row] = {}
    for name in storage.list_files(done, ".arrow"):
        data = storage.read_bytes(storage.join(done, name))
        if data is not None:
            values |= {row.pop("clip_id"): row for row in pa.ipc.open_file(data).read_all().to_pylist()}
    return values


def _with_columns(table: pa.Table, scorer: Scorer, rows: list[Row], values: dict[str, Row]) -> pa.Table:
    """The table with the scorer's columns replaced, or added before `caption`."""
    kinds = {float: pa.float64(), int: pa.int64(), str: pa.string()}
    for column, kind in scorer.columns.items():
        fresh = [values.get(row["clip_id"], {}).get(column) for row in rows]
        array: Any = pa.array(fresh, kinds[kind])
        if column in table.column_names:
            table = table.set_column(table.column_names.index(column), column, array)
        else:
            table = table.add_column(table.column_names.index("caption"), column, array)
    return table
