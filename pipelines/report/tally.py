"""What the page says of all clips, gathered a few rows at a time: counts, reasons, and which clips it will show."""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.report.columns import NO_REASON, REASON_CHARACTERS, durations, measured, score_columns, text_column
from pipelines.report.histograms import Spread
from preprocess.schema import is_opaque

PAGE_CLIPS = 5000
"""So many clips travel in the page with all their scores; where there are more, a fair sample of so many."""
STRIP_CLIPS = 300
"""Of as many clips, all show the strip of their frames; where there are more, most have a small still."""
KEPT_CLIPS = 60
REASON_CLIPS = 30
REASONS_CLIPS = 120
"""All reasons together; strips are of about 8 KB."""
SAMPLE_ROWS = 200_000
"""Medians and the width of a histogram are those of this many rows, spread evenly; all counts are exact."""
STATUSES = ("kept", "failed", "rejected")
LENGTHS = ("kind", "duration_seconds", "start_seconds", "end_seconds")
_SEPARATOR = "\x1e"

Group = tuple[str, tuple[str, ...]]
"""A status, and the reasons of the clips that share them: distinct, none for kept clips and some for all others."""


class Rows(Protocol):
    """A table that is read a few rows at a time."""

    schema: pa.Schema | None
    num_rows: int

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows, in order."""
        ...


class Tally:
    """One pass over the clips; rows that the page may show are kept whole, but for vectors."""

    def __init__(self, clips: Rows, ruled: Sequence[str]) -> None:
        schema = clips.schema if clips.schema is not None else pa.schema([])
        self.columns = [field.name for field in schema if not is_opaque(field.type)]
        self.clips: Counter[Group] = Counter()
        self.seconds: Counter[Group] = Counter()
        self.kept_seconds: list[npt.NDArray[np.float64]] = []
        self.spreads = {name: Spread() for name in score_columns(schema, ruled)}
        self.num_rows = 0
        self._ruled = ruled
        self._stride = max(1, math.ceil(clips.num_rows / SAMPLE_ROWS))
        self._kept: list[str] = []
        self._of_reason: dict[str, list[str]] = defaultdict(list)
        self._shown: list[pa.Table] = []
        self._fair: list[pa.Table] = []
        self._fair_limit: str | None = None
        for batch in clips.batches(self.columns):
            self._add(batch)

    @property
    def scores(self) -> list[str]:
        """The columns that get a histogram: those with a rule, and others where something was measured."""
        return [name for name, spread in self.spreads.items() if spread.measured or name in self._ruled]

    @property
    def reasons(self) -> Counter[str]:
        """How many clips each reason is against."""
        counts: Counter[str] = Counter()
        for (_, reasons), count in self.clips.items():
            counts.update(dict.fromkeys(reasons, count))
        return counts

    def gallery_ids(self) -> list[str]:
        """The ids of the clips of which there are strips, sorted; at most `KEPT_CLIPS` + `REASONS_CLIPS`, or all.

        Ids are hashes of content, so the smallest ones are a fair sample, and the same one on every run.
        """
        if self.num_rows <= STRIP_CLIPS:
            return sorted({clip_id for rows in self._fair for clip_id in _ids(rows).to_pylist()})
        counts = self.reasons
        common = sorted(self._of_reason, key=lambda reason: (-counts[reason], reason))
        chosen: set[str] = set()
        # Round by round, so that each reason has its first clip before a common one has its thirtieth.
        for turn in range(REASON_CLIPS):
            for reason in common:
                if turn < len(self._of_reason[reason]) and len(chosen) < REASONS_CLIPS:
                    chosen.add(self._of_reason[reason][turn])
        return sorted(chosen.union(self._kept))

    def page_rows(self) -> tuple[pa.Table, int]:
        """The rows of the page, and how many of the first stand for all clips: all, or those of the smallest ids.

        The others are of `gallery_ids`, so that rare reasons have their clips.
        """
        if not self._fair:
            return pa.table({}), 0
        fair = _smallest(pa.concat_tables(self._fair))
        if self.num_rows <= PAGE_CLIPS:
            return fair, fair.num_rows
        there = set(_ids(fair).to_pylist())
        shown = pa.concat_tables(self._shown)
        position = {clip_id: row for row, clip_id in enumerate(_ids(shown).to_pylist())}
        wanted = [position[clip_id] for clip_id in self.gallery_ids() if clip_id not in there]
        return pa.concat_tables([fair, shown.take(pa.array(wanted, pa.int64()))]), fair.num_rows

    def _add(self, clips: pa.Table) -> None:
        sampled = np.arange(-self.num_rows % self._stride, clips.num_rows, self._stride)
        lengths = clips.select([name for name in LENGTHS if name in clips.column_names])
        frame = lengths.to_pandas(ignore_metadata=True)
        groups, codes = groups_of(clips)
        seconds = durations(frame) if len(frame.columns) else np.zeros(clips.num_rows)
        counts = np.bincount(codes, minlength=len(groups)).tolist()
        sums = np.bincount(codes, weights=seconds, minlength=len(groups)).tolist()
        for group, count, length in zip(groups, counts, sums, strict=True):
            self.clips[group] += count
            self.seconds[group] += length
        kept = np.array([status == "kept" for status, _ in groups], np.bool_)[codes]
        self.kept_seconds.append(seconds[sampled][kept[sampled]])
        for name, spread in self.spreads.items():
            spread.add(measured(clips, name), kept, sampled)
        self._choose(clips, groups, codes)
        self._take(clips)
        self.num_rows += clips.num_rows

    def _take(self, clips: pa.Table) -> None:
        """Hold the rows of the smallest ids, and a batch or two more."""
        if self._fair_limit is not None:
            clips = clips.filter(pc.less(_ids(clips), self._fair_limit))
        self._fair.append(clips)
        if sum(rows.num_rows for rows in self._fair) > 4 * PAGE_CLIPS:
            self._fair = [_smallest(pa.concat_tables(self._fair))]
            self._fair_limit = _ids(self._fair[0])[-1].as_py()

    def _choose(self, clips: pa.Table, groups: list[Group], codes: npt.NDArray[np.int64]) -> None:
        """Remember the rows with the smallest ids of each reason, and of the kept clips."""
        ids = _ids(clips)
        limits = pa.array([self._limit(group) for group in groups], pa.string()).take(pa.array(codes))
        small = np.flatnonzero(pc.fill_null(pc.less(ids, limits), True).to_numpy(zero_copy_only=False))
        chosen = []
        for clip_id, place in sorted(zip(ids.take(pa.array(small)).to_pylist(), small.tolist(), strict=True)):
            entered = [_insert(best, most, clip_id) for best, most in self._bests(groups[codes[place]])]
            if any(entered):
                chosen.append(place)
        if chosen:
            self._shown.append(clips.take(chosen))

    def _bests(self, group: Group) -> list[tuple[list[str], int]]:
        """The lists of smallest ids that a clip of this group may enter, each with its length."""
        if group[0] == "kept":
            return [(self._kept, KEPT_CLIPS)]
        return [(self._of_reason[reason], REASON_CLIPS) for reason in group[1]]

    def _limit(self, group: Group) -> str | None:
        """The id from which on a clip of this group enters no list; None while one has room."""
        bests = self._bests(group)
        return None if any(len(best) < most for best, most in bests) else max(best[-1] for best, _ in bests)


def kept_of(clips: pa.Table) -> npt.NDArray[np.bool_]:
    """Which clips (N,) are kept."""
    is_kept = pc.fill_null(pc.equal(text_column(clips, "status"), "kept"), False)
    return np.asarray(is_kept.to_numpy(zero_copy_only=False), np.bool_)


def _smallest(clips: pa.Table) -> pa.Table:
    """At most `PAGE_CLIPS` rows, in the order of their ids, which are hashes of content."""
    return clips.take(pc.array_sort_indices(_ids(clips))[:PAGE_CLIPS])


def _insert(best: list[str], most: int, clip_id: str) -> bool:
    if len(best) == most and clip_id >= best[-1]:
        return False
    insort(best, clip_id)
    del best[most:]
    return True


def _ids(clips: pa.Table) -> pa.Array:
    return pc.fill_null(text_column(clips, "clip_id"), "None")


def groups_of(clips: pa.Table) -> tuple[list[Group], npt.NDArray[np.int64]]:
    """The groups that there are, and the number of each row's (N,)."""
    whole = pc.binary_join_element_wise(
        pc.fill_null(text_column(clips, "status"), ""), pc.fill_null(_joined_reasons(clips), ""), _SEPARATOR
    )
    coded = whole.dictionary_encode()
    groups = [_group(*text.split(_SEPARATOR)) for text in coded.dictionary.to_pylist()]
    return groups, coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _group(status: str, *reasons: str) -> Group:
    """A status nobody knows does not count as kept, and a clip that is not kept always has a reason."""
    if status == "kept":
        return status, ()
    distinct = tuple(dict.fromkeys(reason[:REASON_CHARACTERS] for reason in reasons if reason))
    return (status if status in STATUSES else "rejected"), distinct or (NO_REASON,)


def _joined_reasons(clips: pa.Table) -> pa.Array:
    """The reasons of each row (N,) in one string."""
    place = clips.schema.get_field_index("reasons")
    if place < 0 or not pa.types.is_list(clips.schema.field(place).type):
        return text_column(clips, "reasons")
    reasons = clips.column(place).combine_chunks()
    if pa.types.is_string(reasons.type.value_type) and not reasons.flatten().null_count:
        return pc.binary_join(reasons, _SEPARATOR)
    given = ([str(reason) for reason in listed or () if reason] for listed in reasons.to_pylist())
    return pa.array([_SEPARATOR.join(listed) for listed in given], pa.string())
