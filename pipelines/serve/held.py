"""The table of clips in memory: numbers as small as they can be without being others, texts that come again once.

It is filled by the pass that the page's own counts take through the table (`report.tally`), so that starting reads the
clips once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.dedup.rank import RANK, RANKED, Ranks, ranks_of
from pipelines.dedup.settle import GROUP, IN
from pipelines.report.columns import STRUCTURAL, durations, measured, score_columns, texts
from pipelines.report.rows import FACTS
from pipelines.report.tally import LENGTHS, Group, groups_of
from pipelines.verdicts import DROP, KEEP, NOTE, TAGS, VERDICT_COLUMNS, said_of
from preprocess.io.tables import PartedTable
from preprocess.kinds import PICTURE
from preprocess.schema import is_opaque

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]

SHOWN = frozenset(
    {"clip_id", "source_uri", "kind", "start_seconds", "end_seconds", "width", "height", "caption", *FACTS}
)
"""Of the structural columns, those that a clip's card needs."""
SLICE_ROWS = 100_000


class Held:
    """N rows."""

    def __init__(self, clips: PartedTable, ruled: Sequence[str]) -> None:
        assert clips.schema is not None
        self._clips = clips
        self.schema = pa.schema([field for field in clips.schema if not is_opaque(field.type)])
        self.num_rows = clips.num_rows
        self.score_names = score_columns(self.schema, ruled)
        self.scores: dict[str, Numbers] = {}
        """(N,) each, NaN where there is none: float32 where that holds the same numbers, else float64."""
        self._others: pa.Table | None = None

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows, in order: the first time from the table, whole, and held from then on."""
        if self._others is None:
            yield from self._read()
            return
        for start in range(0, self.num_rows, SLICE_ROWS):
            rows = np.arange(start, min(self.num_rows, start + SLICE_ROWS))
            yield self.table(rows, columns)

    def load(self) -> None:
        """See that it is held."""
        if self._others is None:
            for _ in self._read():
                pass

    def table(self, rows: Rows, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows (n,) as the manifest has them, but for columns that a card does not need."""
        assert self._others is not None
        names = [name for name in self.schema.names if columns is None or name in columns]
        taken = self._others.select([name for name in names if name in self._others.column_names]).take(pa.array(rows))
        made: dict[str, Any] = {}
        for name in names:
            if name in self.scores:
                values = self.scores[name][rows]
                made[name] = pa.array(values, mask=np.isnan(values)).cast(_number_type(self.schema.field(name).type))
            elif name in taken.column_names:
                column = taken[name]
                made[name] = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        if "status" in names:
            groups = [self.groups[code] for code in self.group[rows]]
            made["status"] = pa.array([status for status, _ in groups], pa.string())
            made["reasons"] = pa.array([list(reasons) for _, reasons in groups], pa.list_(pa.string()))
        return pa.table(made)

    def text(self, name: str) -> pa.ChunkedArray | None:
        """A column of texts (N,), some of them coded; None where there is none."""
        assert self._others is not None
        return self._others[name] if name in self._others.column_names else None

    def put(self, rows: Rows, clips: pa.Table) -> None:
        """Take over what was said of the rows (n,) by hand, and what follows from it, from `clips` of the same rows."""
        assert self._others is not None
        for column in VERDICT_COLUMNS:
            if column.name not in self._others.column_names:
                nothing = pa.chunked_array([pa.nulls(self.num_rows, column.type)])
                self._others = self._others.append_column(column.field, nothing)
                self.schema = self.schema.append(column.field)
            place = self._others.column_names.index(column.name)
            self._others = self._others.set_column(
                place, column.field, _replaced(self._others[column.name], rows, clips[column.name])
            )
        self.kept_by_hand[rows], self.dropped_by_hand[rows] = said_of(clips, KEEP), said_of(clips, DROP)
        groups, codes = groups_of(clips)
        known = {group: code for code, group in enumerate(self.groups)}
        for group in groups:
            if group not in known:
                known[group] = len(self.groups)
                self.groups.append(group)
        self.group[rows] = np.array([known[group] for group in groups], np.int32)[codes]

    def said(self) -> Mask:
        """Of which rows (N,) somebody has said something by hand."""
        assert self._others is not None
        there = [self._others[name] for name in (TAGS, NOTE) if name in self._others.column_names]
        told = [np.asarray(column.is_valid().to_numpy(), np.bool_) for column in there]
        return np.asarray(np.logical_or.reduce([self.kept_by_hand | self.dropped_by_hand, *told]))

    def totals(self) -> dict[str, Any]:
        """Clips and seconds of each status, as the page has them."""
        counts = np.bincount(self.group, minlength=len(self.groups))
        sums = np.bincount(self.group, self.seconds, minlength=len(self.groups))
        found: dict[str, Any] = {"kept": 0, "rejected": 0, "failed": 0, "kept_seconds": 0.0}
        found |= {
            KEEP: int(self.kept_by_hand.sum()),
            DROP: int(self.dropped_by_hand.sum()),
            "said": int(self.said().sum()),
        }
        for (status, _), count, length in zip(self.groups, counts.tolist(), sums.tolist(), strict=True):
            found[status] += count
            found["kept_seconds"] += length if status == "kept" else 0.0
        return found

    def _read(self) -> Iterator[pa.Table]:
        columns = [field.name for field in self.schema]
        parts: list[_Part] = []
        repeating: list[str] = []
        for batch in self._clips.batches(columns):
            repeating = repeating if parts else _repeating(batch)
            parts.append(_Part(batch, self.score_names, repeating))
            yield batch
        self._settle(parts or [_Part(self.schema.empty_table(), self.score_names, [])])

    def _settle(self, parts: list[_Part]) -> None:
        self.scores = {name: np.concatenate([part.scores.pop(name) for part in parts]) for name in self.score_names}
        self.seconds = np.concatenate([part.seconds for part in parts])
        """(N,), 0 for pictures."""
        flags = [np.concatenate([part.flags[number] for part in parts]) for number in range(5)]
        self.is_picture, self.damaged, self.kept_by_hand, self.dropped_by_hand, self.elsewhere = flags
        """(N,) each; `elsewhere` are those that another manifest has."""
        known: dict[Group, int] = {}
        codes = []
        for part in parts:
            here = [known.setdefault(group, len(known)) for group in part.groups]
            codes.append(np.array(here, np.int32)[part.codes] if here else np.zeros(0, np.int32))
        self.groups: list[Group] = list(known)
        self.group = np.concatenate(codes)
        """(N,), the number of each row's in `groups`."""
        self.ranks: Ranks = np.concatenate([np.zeros(0, RANK), *(part.ranks for part in parts)])
        """Of those that `dedup` put into groups, in the order of the rows."""
        self._others = pa.concat_tables([part.others for part in parts]).unify_dictionaries()
        uris = self.text("source_uri")
        empty = pa.array([""] * self.num_rows)
        column = empty if uris is None else pc.fill_null(uris.cast(pa.string()), "").combine_chunks()
        coded = column.dictionary_encode()
        self.uris: list[str] = coded.dictionary.to_pylist()
        self.source: npt.NDArray[np.int32] = coded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        """(N,), the number of each row's location in `uris`."""


class _Part:
    """Some rows, as they are held."""

    def __init__(self, batch: pa.Table, score_names: Sequence[str], repeating: Sequence[str]) -> None:
        none = np.zeros(batch.num_rows, np.bool_)
        frame = batch.select([name for name in LENGTHS if name in batch.column_names]).to_pandas(ignore_metadata=True)
        self.scores = {name: _small(measured(batch, name)) for name in score_names}
        self.seconds = durations(frame) if len(frame.columns) else np.zeros(batch.num_rows)
        self.flags = (
            np.array([kind == PICTURE for kind in texts(frame, "kind")], np.bool_) if "kind" in frame else none,
            np.nan_to_num(measured(batch, "damaged"), nan=0.0) != 0,
            said_of(batch, KEEP),
            said_of(batch, DROP),
            batch[IN].is_valid().to_numpy() if IN in batch.column_names else none,
        )
        self.groups, self.codes = groups_of(batch)
        self.ranks: Ranks = np.zeros(0, RANK)
        if GROUP in batch.column_names:
            ranked = [name for name in RANKED if name in batch.column_names]
            self.ranks = ranks_of(batch.select(ranked).filter(batch[GROUP].is_valid()))
        names = [
            name for name in batch.column_names if name not in score_names and (name in SHOWN or name not in STRUCTURAL)
        ]
        self.others = batch.select(names)
        for name in repeating:
            if name in names:
                place = names.index(name)
                self.others = self.others.set_column(place, name, self.others[name].dictionary_encode())


def _small(values: npt.NDArray[np.float64]) -> Numbers:
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    return single if np.array_equal(single, values, equal_nan=True) else values


def _repeating(batch: pa.Table) -> list[str]:
    """The columns of texts that come again; codes of others would take more room than they save."""
    texts = [field.name for field in batch.schema if pa.types.is_string(field.type)]
    return [name for name in texts if len(batch[name].unique()) * 4 <= batch.num_rows]


def _replaced(column: pa.ChunkedArray, rows: Rows, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with other values at the rows."""
    kind = values.type
    plain = column.cast(kind) if column.type != kind else column
    chosen = np.arange(len(plain))
    chosen[rows] = len(plain) + np.arange(len(rows))
    return pa.chunked_array([*plain.chunks, *values.chunks], kind).take(pa.array(chosen))


def _number_type(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if pa.types.is_null(kind) else pa.int8() if pa.types.is_boolean(kind) else kind
