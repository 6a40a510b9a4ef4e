"""Whether rows of clips are true to themselves: ids, spans and times, and decisions that follow from the columns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.clips.decisions import reasons_against, ruled_columns
from pipelines.recipe.config import CurateConfig
from pipelines.validation.findings import Findings
from preprocess.clip import Row
from preprocess.io.tables import differing
from preprocess.kinds import PICTURE

NEEDED = (
    *("clip_id", "source_id", "source_uri", "kind", "start_pts", "end_pts", "time_base_num", "time_base_den"),
    *("start_seconds", "end_seconds", "num_frames", "width", "height", "short_side", "status"),
)
"""Columns that no row may lack a value in."""
READ = (*NEEDED, "duration_seconds", "reasons")
SECONDS_OFF = 1e-6
"""By which times of one moment, in ticks and in seconds, may differ: a part of their size, or of a second."""
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]


def columns_read(config: CurateConfig | None) -> list[str]:
    """What `ClipChecks` looks at."""
    return [*dict.fromkeys([*READ, *(() if config is None else ruled_columns(config))])]


class ClipChecks:
    """Of a table of clips, some rows at a time, in their order."""

    def __init__(self, found: Findings, sources: Mapping[str, Row], config: CurateConfig | None) -> None:
        """`sources` are the rows of the files that have clips, by id; without a recipe no decision is looked at."""
        self._found, self._sources, self._config = found, sources, config
        self.counts: Counter[str] = Counter()
        """Clips by source id."""
        self.extents: dict[str, tuple[float, float]] = {}
        """Begin of the first clip and end of the last one, in seconds, by source id."""
        self._last: pa.Table | None = None

    def add(self, clips: pa.Table) -> None:
        """More rows, with the columns of `columns_read`."""
        whole = np.ones(clips.num_rows, np.bool_)
        for name in NEEDED:
            empty = np.asarray(pc.is_null(clips[name]).to_numpy(), np.bool_)
            self._say(f"clips without {name}", clips, empty)
            whole &= ~empty
        self._check_decisions(clips)
        clips = clips.filter(pa.array(whole))
        if clips.num_rows:
            self._check_rows(clips)
            self._check_order(clips)
            self._check_sources(clips)
            self._last = clips.slice(clips.num_rows - 1).select(["source_id", "clip_id", *_SPAN])

    def _say(self, what: str, clips: pa.Table, which: Mask) -> None:
        if which.any():
            first = np.flatnonzero(which)[:3]
            self._found.wrong(what, clips["clip_id"].take(pa.array(first)).to_pylist(), int(which.sum()))

    def _check_rows(self, clips: pa.Table) -> None:
        start, end, num, den = (_numbers(clips, name) for name in _SPAN)
        self._say(
            "clips whose span is empty, or whose ticks have no length", clips, (start >= end) | (num < 1) | (den < 1)
        )
        tick = num / np.maximum(den, 1)
        for name, pts in (("start_seconds", start), ("end_seconds", end)):
            told = _numbers(clips, name)
            off = ~(np.abs(told - pts * tick) <= SECONDS_OFF * np.maximum(1.0, np.abs(told)))
            self._say(f"clips whose {name} is not that of their ticks", clips, off)
        picture = np.asarray(pc.equal(clips["kind"], PICTURE).to_numpy(), np.bool_)
        length = _numbers(clips, "end_seconds") - _numbers(clips, "start_seconds")
        seconds = _numbers(clips, "duration_seconds")
        off = np.where(
            picture, ~np.isnan(seconds), ~(np.abs(seconds - length) <= SECONDS_OFF * np.maximum(1.0, length))
        )
        self._say("clips whose duration_seconds is not the length of their span", clips, off)
        width, height = _numbers(clips, "width"), _numbers(clips, "height")
        self._say(
            "clips without frames or pixels", clips, (_numbers(clips, "num_frames") < 1) | (width < 1) | (height < 1)
        )
        off = _numbers(clips, "short_side") != np.minimum(width, height)
        self._say("clips whose short_side is not the smaller one of width and height", clips, off)
        names = ("clip_id", "source_id", *_SPAN)
        rows = zip(*(clips[name].to_pylist() for name in names), strict=True)
        off = np.array([each[0] != _clip_id(*each[1:]) for each in rows], np.bool_)
        self._say("clips whose id is not that of their source and span", clips, off)

    def _check_order(self, clips: pa.Table) -> None:
        """Within a source, in the order of time, and none in another."""
        carried = self._last is not None
        if self._last is not None:
            clips = pa.concat_tables([self._last, clips.select(self._last.column_names)])
        ids = clips["source_id"]
        same = np.asarray(pc.equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(), np.bool_)
        start, end, num, den = (_numbers(clips, name) for name in _SPAN)
        before, after = slice(None, -1), slice(1, None)
        one_clock = (num[before] == num[after]) & (den[before] == den[after])
        tick = num / np.maximum(den, 1)
        early = np.where(
            one_clock, start[after] < end[before], start[after] * tick[after] < end[before] * tick[before] - SECONDS_OFF
        )
        self._say("clips that begin before the one before them in the same source ends", clips.slice(1), same & early)
        firsts = np.flatnonzero(np.concatenate([[not carried], ~same]))
        begun = ids.take(pa.array(firsts)).to_pylist()
        apart = [each for each, times in Counter(begun).items() if times > 1 or self.counts[each]]
        self._found.wrong("sources whose clips do not lie together", apart)
        for each in pc.value_counts(ids.slice(int(carried)).combine_chunks()).to_pylist():
            self.counts[each["values"]] += each["counts"]

    def _check_sources(self, clips: pa.Table) -> None:
        uris = {source_id: source["uri"] for source_id, source in self._sources.items()}
        coded = clips["source_id"].combine_chunks().dictionary_encode()
        known = pa.array([uris.get(source_id) for source_id in coded.dictionary.to_pylist()], pa.string())
        of_row = known.take(coded.indices)
        self._say("clips of a source that sources/ does not have, or has no clips of", clips, _mask(of_row.is_null()))
        other = pc.fill_null(pc.not_equal(clips["source_uri"], of_row), False)
        self._say("clips whose source_uri is not that of their source", clips, _mask(other))
        starts, ends = _numbers(clips, "start_seconds"), _numbers(clips, "end_seconds")
        codes = coded.indices.to_numpy(zero_copy_only=False)
        for number, source_id in enumerate(coded.dictionary.to_pylist()):
            here = codes == number
            first, last = self.extents.get(source_id, (np.inf, -np.inf))
            self.extents[source_id] = min(first, float(starts[here].min())), max(last, float(ends[here].max()))

    def _check_decisions(self, clips: pa.Table) -> None:
        empty = _mask(pc.equal(pc.fill_null(pc.list_value_length(clips["reasons"]), 0), 0))
        kept, rejected = (_mask(pc.fill_null(pc.equal(clips["status"], name), False)) for name in ("kept", "rejected"))
        self._say("clips whose status is neither kept nor rejected", clips, ~(kept | rejected))
        self._say("clips whose status and reasons contradict each other", clips, (kept & ~empty) | (rejected & empty))
        if self._config is not None:
            told = pa.chunked_array([reasons_against(self._config, clips)])
            off = differing(clips["reasons"], told)
            self._say("clips whose reasons are not those of the rules; `decide OUT` writes these", clips, off)


_SPAN = ("start_pts", "end_pts", "time_base_num", "time_base_den")


def _mask(values: Any) -> Mask:
    return np.asarray(
        values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy(), bool
    )


def _numbers(clips: pa.Table, name: str) -> Values:
    return np.asarray(clips[name].to_numpy())


def _clip_id(source_id: str, start: int, end: int, num: int, den: int) -> str:
    """As `Clip.clip_id` makes it, for millions of rows."""
    key = f"{source_id}:{start}:{end}:{_time_base(num, den)}"
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def _time_base(num: int, den: int) -> str:
    return str(Fraction(num, den)) if den else "none"
