"""Find the clips of a manifest that repeat one another, or repeat another manifest's, from its columns alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide import decided, to_be_changed
from pipelines.dedup.likeness import Likeness
from pipelines.dedup.rank import RANK, RANKED, Ranks, best_first, ranks_of
from pipelines.dedup.repeats import leaders_of
from pipelines.dedup.settle import (
    GROUP,
    IN,
    OF,
    InOrder,
    check_columns,
    settling,
    with_column,
    with_columns,
    without_columns,
)
from pipelines.dedup.spool import Spool
from pipelines.report.write import offer_report
from preprocess.io.hold import exclusive
from preprocess.io.tables import PartedTable
from preprocess.manifest import Manifest

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplicated:
    """What came of it."""

    location: str
    num_clips: int
    num_unseen: int
    """Of them, those that have nothing to be compared by."""
    num_groups: int
    num_repeats: int
    """Clips that repeat a better one of their group, or one of the other manifest."""

    def told(self) -> str:
        """In a sentence or two."""
        line = f"{self.location}: of {self.num_clips:,} clips {self.num_repeats:,} repeat another"
        line += f", in {self.num_groups:,} groups" if self.num_groups else ""
        return line + (f"; {self.num_unseen:,} have nothing to be compared by" if self.num_unseen else "")


def dedup(out: str, likeness: Likeness, *, against: str | None = None) -> Deduplicated:
    """Mark what repeats, and decide again: in the manifest at `out`, or what `against`, another one, has already.

    The other manifest is only read.

    Raises:
        ValueError: no manifest, or one without the column that clips are compared by.
    """
    manifest, other = Manifest(out), None if against is None else Manifest(against)
    if other is not None and other.location == manifest.location:
        raise ValueError(f"--against is {other.location!r}, which is OUT: `dedup OUT` alone compares it with itself")
    with exclusive(manifest.location) as hold:
        run, config = to_be_changed(manifest)
        table, others = manifest.parted_clips(), None if other is None else other.parted_clips()
        _check(table, likeness, manifest.location)
        assert table.schema is not None
        check_columns(table.schema)
        if other is not None and others is not None:
            _check(others, likeness, other.location)
        with closing(Spool(likeness.hashing.num_terms + likeness.hashing.moment_terms)) as spool:
            ranks = [_spooled(each, likeness, spool, first) for each, first in _after_one_another(table, others)]
            seen = int(np.bincount(spool.rows(), minlength=table.num_rows)[: table.num_rows].astype(bool).sum())
            order, first_other = best_first(np.concatenate(ranks)), None if other is None else table.num_rows
            leaders = leaders_of(likeness, spool, order, first_other)
        marks = _Marks(leaders, table, others, None if other is None else other.location)
        settle = settling(manifest, config, marks, reads=("caption",))
        hold.confirm()
        manifest.rewrite_clips(lambda clips: settle(decided(config, marks(clips), measured=False)), run)
        offer_report(manifest)
    repeats = leaders >= 0 if others is not None else (leaders >= 0) & (leaders != np.arange(len(leaders)))
    return Deduplicated(
        location=manifest.location,
        num_clips=table.num_rows,
        num_unseen=table.num_rows - seen,
        num_groups=0 if others is not None else int((leaders == np.arange(len(leaders))).sum()),
        num_repeats=int(repeats.sum()),
    )


def clear(out: str) -> None:
    """Take what `dedup` has found out of the manifest at `out`, and decide again.

    Raises:
        ValueError: no manifest.
    """
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold:
        run, config = to_be_changed(manifest)
        hold.confirm()
        manifest.rewrite_clips(lambda clips: decided(config, without_columns(clips), measured=False), run)
        offer_report(manifest)


def _check(table: PartedTable, likeness: Likeness, location: str) -> None:
    if table.schema is None:
        raise ValueError(f"{location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    if likeness.column not in table.schema.names:
        raise ValueError(
            f"{location!r} has no column {likeness.column!r}, which clips are compared by; "
            f"`python -m pipelines filter {likeness.column} OUT` fills it"
        )
    kind = table.schema.field(likeness.column).type
    if not likeness.check(kind):
        raise ValueError(f"{location!r}: column {likeness.column!r} holds {kind}, which is not what our filter writes")


def _after_one_another(table: PartedTable, others: PartedTable | None) -> Iterator[tuple[PartedTable, int]]:
    """Both tables, each with the number of its first row."""
    yield table, 0
    if others is not None:
        yield others, table.num_rows


def _spooled(table: PartedTable, likeness: Likeness, spool: Spool, first_row: int) -> Ranks:
    """Ranks of the rows (N,), which the spool has then."""
    ranks = [np.zeros(0, RANK)]
    for batch in table.batches([*RANKED, likeness.column]):
        likeness.add(spool, batch[likeness.column], first_row)
        ranks.append(ranks_of(batch))
        first_row += batch.num_rows
    return np.concatenate(ranks)


class _Marks:
    """Writes into rows, in the order of the table, what was found about them."""

    def __init__(self, leaders: Rows, table: PartedTable, others: PartedTable | None, place: str | None) -> None:
        self._leaders = leaders
        self._place = place
        self._rows = InOrder(table.num_rows)
        led = np.unique(leaders[leaders >= 0])
        self._led, self._ids = led, _ids_at(led, table, others)

    def __call__(self, clips: pa.Table) -> pa.Table:
        leaders = self._leaders[self._rows.take(clips.num_rows)]
        found = np.searchsorted(self._led, leaders)
        ids = self._ids.take(pa.array(np.minimum(found, max(0, len(self._led) - 1)), mask=leaders < 0))
        clips = with_columns(clips)
        if self._place is None:
            return with_column(clips, GROUP, ids)
        before = pc.not_equal(clips[IN], self._place).fill_null(False)
        here = pc.if_else(pa.array(leaders >= 0), self._place, pa.scalar(None, pa.string()))
        clips = with_column(clips, OF, pc.if_else(before, clips[OF], ids))
        return with_column(clips, IN, pc.if_else(before, clips[IN], here))


def _ids_at(rows: Rows, table: PartedTable, others: PartedTable | None) -> pa.Array:
    """The clip ids of rows in ascending order, counted over both tables."""
    found: list[pa.Array] = [pa.array([], pa.string())]
    first = 0
    for each in (table, others):
        for batch in each.batches(["clip_id"]) if each is not None else ():
            inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + batch.num_rows)] - first
            found.append(batch["clip_id"].take(pa.array(inside)).combine_chunks())
            first += batch.num_rows
    return pa.chunked_array(found).combine_chunks()
