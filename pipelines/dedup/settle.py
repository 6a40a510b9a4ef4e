"""Of clips that repeat one another, the best one that no other rule speaks against is kept; the others have a reason.

`dedup` says which clips are alike. Which of them stays hangs on all rules, so it is decided whenever they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.rules import listed
from pipelines.clips.decisions import reasons_against, ruled_columns
from pipelines.dedup.rank import RANK, RANKED, Ranks, best_first, ranks_of
from pipelines.recipe.config import CurateConfig
from pipelines.verdicts import KEEP, said_of
from preprocess.clip import Column
from preprocess.manifest import Manifest

Change = Callable[[pa.Table], pa.Table]

GROUP, OF, IN = "duplicate_group", "duplicate_of", "duplicate_in"
DUPLICATE_COLUMNS = tuple(
    Column(name=name, type=pa.string(), meaning=meaning)
    for name, meaning in (
        (GROUP, "name that clips share which repeat one another; null where none does"),
        (OF, "id of the clip that is kept in its stead: the best of its group, or one of `duplicate_in`"),
        (IN, "the other manifest that has it, as `dedup --against` was told"),
    )
)
"""After `dedup`."""
BETTER_CLIP, OTHER_MANIFEST = f"{OF}:better_clip", f"{OF}:other_manifest"


def settling(
    manifest: Manifest, config: CurateConfig, change: Change | None = None, *, reads: Sequence[str] | None = None
) -> Change:
    """What gives `duplicate_of` and the reasons that follow from it to rows that the other rules have decided.

    It takes the rows of the table in their order. `change` is what they are before they are decided, and `reads` those
    columns that it needs beside those that decide; None for all.

    Raises:
        ValueError: the columns of `dedup` are not of its making.
    """
    table = manifest.parted_clips()
    assert table.schema is not None
    schema = table.schema if change is None else change(table.schema.empty_table()).schema
    if GROUP not in schema.names:
        return lambda clips: clips
    check_columns(schema)
    columns = [*RANKED, *ruled_columns(config), GROUP, OF, IN, *(reads or ())]
    batches = table.batches(None if change is not None and reads is None else list(dict.fromkeys(columns)))
    members = [_Members.of(config, batch if change is None else change(batch)) for batch in batches]
    return _Settled(_elected(members), table.num_rows)


def check_columns(schema: pa.Schema) -> None:
    """See that those that are there are as we write them.

    Raises:
        ValueError: some are not, or some are there without the others.
    """
    there = [column.name for column in DUPLICATE_COLUMNS if column.name in schema.names]
    wrong = [name for name in there if not pa.types.is_string(schema.field(name).type)]
    if wrong or len(there) not in (0, len(DUPLICATE_COLUMNS)):
        what = ", ".join(map(repr, wrong or there))
        raise ValueError(f"not as `dedup` writes it: {what}; `python -m pipelines dedup OUT --clear` takes it out")


class InOrder:
    """Which rows of a table of so many come next, if it is read from the first to the last, once or several times."""

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self._next = 0

    def take(self, count: int) -> slice:
        """The next `count` ones."""
        start, self._next = self._next, self._next + count
        assert self._next <= self._num_rows, "rows of another table"
        if self._next == self._num_rows:
            self._next = 0
        return slice(start, start + count)


class _Members:
    """The rows of a batch that belong to groups."""

    def __init__(self, rows: pa.Table, passing: npt.NDArray[np.bool_]) -> None:
        self.groups: pa.ChunkedArray = rows[GROUP]
        self.ids: pa.ChunkedArray = rows["clip_id"]
        self.ranks = ranks_of(rows)
        self.eligible = passing & rows[IN].is_null().to_numpy()
        self.by_hand = said_of(rows, KEEP)

    @staticmethod
    def of(config: CurateConfig, batch: pa.Table) -> tuple[npt.NDArray[np.int64], _Members]:
        """And where in the batch they are."""
        places = np.flatnonzero(batch[GROUP].is_valid().to_numpy())
        rows = batch.take(pa.array(places))
        return places, _Members(rows, reasons_against(config, rows).value_lengths().to_numpy() == 0)


def _elected(batches: Sequence[tuple[npt.NDArray[np.int64], _Members]]) -> pa.ChunkedArray:
    """For each member in order, the id of the clip that stays in its stead: null for that one, and where none does."""
    members = [one for _, one in batches]
    if not members:
        return pa.chunked_array([], pa.string())
    names = pa.chunked_array([chunk for one in members for chunk in one.groups.chunks], pa.string())
    codes = names.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    ids = pa.chunked_array([chunk for one in members for chunk in one.ids.chunks], pa.string()).combine_chunks()
    ranks: Ranks = np.concatenate([np.zeros(0, RANK), *(one.ranks for one in members)])
    eligible = np.concatenate([one.eligible for one in members])
    by_hand = np.concatenate([np.zeros(0, np.bool_), *(one.by_hand for one in members)])
    best = np.full(int(codes.max(initial=-1)) + 1, -1)
    order = best_first(ranks)[::-1]
    order = order[eligible[order]]
    order = order[np.argsort(by_hand[order], kind="stable")]
    best[codes[order]] = order  # of several, the last one stays: one that is kept by hand, or else the best
    kept = best[codes]
    return pa.chunked_array([ids.take(pa.array(kept, mask=(kept < 0) | (kept == np.arange(len(kept)))))])


class _Settled:
    """Rows in the order of the table."""

    def __init__(self, elected: pa.ChunkedArray, num_rows: int) -> None:
        self._elected = elected
        self._rows = InOrder(num_rows)
        self._members = InOrder(len(elected))

    def __call__(self, clips: pa.Table) -> pa.Table:
        self._rows.take(clips.num_rows)
        grouped, elsewhere = clips[GROUP].is_valid().to_numpy(), clips[IN].is_valid().to_numpy()
        found = np.flatnonzero(grouped)
        of = np.array(clips[OF].to_pylist(), object)
        of[~elsewhere] = None
        inside = self._elected[self._members.take(len(found))].to_pylist()
        of[found] = np.where(elsewhere[found], of[found], np.array(inside, object))
        return _with_reasons(with_column(clips, OF, pa.array(of, pa.string())), elsewhere)


def _with_reasons(clips: pa.Table, elsewhere: npt.NDArray[np.bool_]) -> pa.Table:
    """Rows that only `duplicate_of` speaks against are rejected, but for those that somebody has said to keep."""
    passing = pc.equal(pc.list_value_length(clips["reasons"]), 0).to_numpy() & ~said_of(clips, KEEP)
    repeated = clips[OF].is_valid().to_numpy() | elsewhere
    masks = [(OTHER_MANIFEST, passing & elsewhere), (BETTER_CLIP, passing & repeated & ~elsewhere)]
    struck = pa.array(passing & repeated)
    if not pc.any(struck).as_py():
        return clips
    reasons = pc.if_else(struck, listed(masks, clips.num_rows), clips["reasons"])
    clips = with_column(clips, "reasons", reasons)
    return with_column(clips, "status", pc.if_else(struck, "rejected", clips["status"]))


def with_column(clips: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """With other values in a column that is there."""
    place = clips.schema.get_field_index(name)
    return clips.set_column(place, clips.schema.field(place), values)


def with_columns(clips: pa.Table) -> pa.Table:
    """With those of `dedup`, before the captions, null where they are new."""
    for column in DUPLICATE_COLUMNS:
        if column.name not in clips.column_names:
            nothing = pa.nulls(clips.num_rows, pa.string())
            clips = clips.add_column(clips.column_names.index("caption"), column.field, nothing)
    return clips


def without_columns(clips: pa.Table) -> pa.Table:
    """Without them."""
    return clips.drop_columns([name for name in (GROUP, OF, IN) if name in clips.column_names])
