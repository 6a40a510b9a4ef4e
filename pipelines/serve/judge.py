"""What bounds make of all clips: just what `decide` makes, counted with masks over columns in memory."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.dedup.rank import best_first
from pipelines.dedup.settle import GROUP
from pipelines.report.histograms import bins_of
from pipelines.serve.choice import Ends
from pipelines.serve.held import Held, Mask, Numbers, Rows

NEAREST = 4
"""Clips on each side of a bound."""
MOST_MASKS = 24
"""A bound that is tried again is not compared again: a megabyte each for a million clips."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of bounds, over N rows."""

    against: npt.NDArray[np.uint8]
    """How many rules and other things speak against each (N,)."""
    rules: Mapping[str, Mask]
    """By column, what the rule on it is against (N,)."""

    @property
    def kept(self) -> Mask:
        """(N,)."""
        return np.asarray(self.against == 0)


class Judge:
    """Judges."""

    def __init__(self, held: Held, plots: Sequence[Mapping[str, Any]], timed: Collection[str]) -> None:
        """`plots` are the histograms as the page has them; rules on the columns `timed` pass pictures over."""
        self._held = held
        self._timed = timed
        self._plots = {str(plot["name"]): plot for plot in plots}
        self._bins: dict[str, npt.NDArray[np.uint16]] = {}
        self._whole: list[float] = [held.num_rows, float(held.seconds.sum())]
        self._orders: dict[tuple[str, bool], Rows] = {}
        self._known: OrderedDict[tuple[str, Ends], Mask] = OrderedDict()
        self._last: tuple[Any, Verdict] | None = None
        self._status_kept: Mask | None = None
        groups = held.text(GROUP)
        names = None if groups is None else groups.cast(pa.string()).combine_chunks()
        self._members = np.zeros(0, np.int64) if names is None else np.flatnonzero(names.is_valid().to_numpy(False))
        self._group = (
            np.zeros(0, np.int64)
            if names is None
            else names.take(pa.array(self._members)).dictionary_encode().indices.to_numpy(False).astype(np.int64)
        )
        self._best_last = best_first(held.ranks)[::-1]

    def warm(self) -> None:
        """Do at once what would make the first question slow."""
        for column, plot in self._plots.items():
            self._codes(column)
            if plot["min"] is not None or plot["max"] is not None:
                self.order(column, up=True)

    def changed(self) -> None:
        """What was said by hand is not what it was."""
        self._known.clear()
        self._last = self._status_kept = None

    def verdict(self, bounds: Mapping[str, Ends]) -> Verdict:
        """What is against each clip. Columns of which there is no histogram decide nothing, as on the page."""
        ruled = {column: ends for column, ends in bounds.items() if column in self._plots and ends != (None, None)}
        key = tuple(ruled.items())
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        held = self._held
        against = held.damaged.astype(np.uint8) + held.dropped_by_hand
        rules = {column: self._broken(column, ends) for column, ends in ruled.items()}
        for mask in rules.values():
            against += mask
        against += self._repeats(against == 0)
        self._last = (key, Verdict(against, rules))
        return self._last[1]

    def differs(self, verdict: Verdict) -> Mask:
        """Which clips (N,) it decides otherwise than the table has it."""
        if self._status_kept is None:
            kept = np.array([status == "kept" for status, _ in self._held.groups], np.bool_)
            self._status_kept = kept[self._held.group]
        return np.asarray(verdict.kept != self._status_kept)

    def counted(self, verdict: Verdict, columns: Collection[str]) -> dict[str, Any]:
        """Clips and seconds: kept by all rules, otherwise than in the table, and of each of `columns` what its rule
        keeps alone, what only it drops, and its histogram: kept, dropped by others alone, dropped by it."""
        others = verdict.against > 0
        return {
            "kept": self.amount(verdict.kept),
            "differs": self.amount(self.differs(verdict)),
            "columns": {column: self._of_rule(verdict, column, others) for column in columns if column in self._plots},
        }

    def nearest(self, column: str, bound: float | None, end: int) -> dict[str, list[int]]:
        """The rows at a bound, from it outwards, at most `NEAREST` each: those that it keeps, and those that it drops.

        Where there is no bound, the outermost ones are kept.
        """
        order = self.order(column, up=True)
        values = self._held.scores[column]
        known = len(order) - int(np.isnan(values).sum())
        if bound is None:
            place = known if end else 0
        else:
            edge = self._edge(column, bound, end)
            place = int(np.searchsorted(values, edge, side="right" if end else "left", sorter=order))
        below = order[max(0, place - NEAREST) : place][::-1].tolist()
        above = order[place : min(known, place + NEAREST)].tolist()
        return {"kept": below, "dropped": above} if end else {"kept": above, "dropped": below}

    def percentile(self, column: str, share: Fraction) -> float | None:
        """The value at a share (0 to 100) of those that are there, by nearest rank, as `decide` takes it."""
        values = self._held.scores[column]
        finite = values[np.isfinite(values)]
        if not len(finite):
            return None
        rank = max(1, math.ceil(share / 100 * len(finite)))
        return float(np.partition(finite, rank - 1)[rank - 1])

    def order(self, column: str, *, up: bool) -> Rows:
        """All rows by their value, those without one at the end; equal ones as the table has them."""
        key = (column, up)
        if key not in self._orders:
            if len(self._orders) >= MOST_MASKS:
                self._orders.clear()
            values = self._held.scores.get(column)
            values = self.plain_numbers(column) if values is None else values
            self._orders[key] = np.argsort(values if up else -values, kind="stable").astype(np.int32)
        return self._orders[key]

    def plain_numbers(self, column: str) -> Numbers:
        """`seconds`, or `start`, which pictures have none of."""
        if column == "seconds":
            return self._held.seconds
        starts = self._held.text("start_seconds")
        if starts is None:
            return np.full(self._held.num_rows, np.nan)
        return np.where(self._held.is_picture, np.nan, np.asarray(starts.to_numpy(), np.float64))

    def _broken(self, column: str, ends: Ends) -> Mask:
        key = (column, ends)
        if key not in self._known:
            values = self._held.scores[column]
            low = -np.inf if ends[0] is None else self._edge(column, ends[0], 0)
            high = np.inf if ends[1] is None else self._edge(column, ends[1], 1)
            broken = ~((values >= low) & (values <= high))
            if column in self._timed:
                broken &= ~self._held.is_picture
            broken &= ~self._held.kept_by_hand
            self._known[key] = broken
            while len(self._known) > MOST_MASKS:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _edge(self, column: str, bound: float, end: int) -> Any:
        """The number that held values are compared with: the bound as a number of the column's own kind, and of
        float32 where they are held so, the next one within it."""
        place = self._held.schema.get_field_index(column)
        kind = self._held.schema.field(place).type if place >= 0 else pa.null()
        with np.errstate(over="ignore"):
            if pa.types.is_float16(kind) or pa.types.is_float32(kind):
                bound = float((np.float16 if pa.types.is_float16(kind) else np.float32)(bound))
            if self._held.scores[column].dtype != np.float32:
                return np.float64(bound)
            single = np.float32(bound)
        if end and float(single) > bound:
            return np.nextafter(single, np.float32(-np.inf))
        if not end and float(single) < bound:
            return np.nextafter(single, np.float32(np.inf))
        return single

    def _repeats(self, passing: Mask) -> Mask:
        """Which clips (N,) that nothing else speaks against repeat one that stays, as `dedup.settle` decides it."""
        held = self._held
        repeated = passing & held.elsewhere
        if len(self._members):
            order = self._best_last[(passing & ~held.elsewhere)[self._members][self._best_last]]
            order = order[np.argsort(held.kept_by_hand[self._members][order], kind="stable")]
            best = np.full(int(self._group.max()) + 1, -1)
            best[self._group[order]] = order
            stays = best[self._group]
            repeated[self._members] |= (stays >= 0) & (stays != np.arange(len(stays)))
        return np.asarray(repeated & passing & ~held.kept_by_hand)

    def amount(self, rows: Mask) -> list[float]:
        """How many of the rows (N,), and how long they play."""
        return [int(np.count_nonzero(rows)), float(np.add.reduce(self._held.seconds, where=rows))]

    def _of_rule(self, verdict: Verdict, column: str, others: Mask) -> dict[str, Any]:
        mask = verdict.rules.get(column)
        bins, plot = self._codes(column), self._plots[column]
        kinds = others.view(np.uint8) if mask is None else others.view(np.uint8) + mask
        counts = np.bincount(bins + kinds, minlength=256 * 3).reshape(256, 3)
        alone = (
            [whole - of for whole, of in zip(self._whole, self.amount(mask), strict=True)] if mask is not None else []
        )
        return {
            "alone": alone or self._whole,
            "only": [0, 0.0] if mask is None else self.amount(mask & (verdict.against == 1)),
            "bins": counts[: len(plot["kept"])].T.tolist(),
        }

    def _codes(self, column: str) -> npt.NDArray[np.uint16]:
        """Three times the bin of each row, 255 for those without a number: there is room for a kind of 0 to 2."""
        if column not in self._bins:
            plot, values = self._plots[column], self._held.scores[column].astype(np.float64)
            known = ~np.isnan(values)
            codes = np.full(len(values), 255, np.uint16)
            codes[known] = bins_of(
                values[known], plot["start"], plot["step"], len(plot["kept"]), plot["max"], is_log=plot["log"]
            )[0]
            self._bins[column] = codes * np.uint16(3)
        return self._bins[column]
