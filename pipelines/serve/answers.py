"""What the page asks of its server, answered from the table in memory, in the types of JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.clips.decisions import reasons_against
from pipelines.dedup.settle import GROUP
from pipelines.recipe.recorded import recorded_config
from pipelines.report.columns import bounds
from pipelines.report.data import report_data
from pipelines.report.rows import page_rows
from pipelines.report.sources import SourceTally
from pipelines.serve.choice import Choice, parsed, whole_number
from pipelines.serve.films import Films
from pipelines.serve.find import Finder
from pipelines.serve.held import Held, Rows
from pipelines.serve.judge import Judge
from pipelines.verdicts import Waiting, Word, check_columns
from preprocess.io.tables import PartedTable
from preprocess.manifest import Manifest

PAGE_CLIPS = 24
PAGE_SOURCES = 12
MOST_OF_SOURCE = 400
"""Clips of each source in the list of sources."""
MOST_OF_ONE = 3000
"""Of the one that is opened."""
USUAL_TIMED = ("fps", "duration_seconds")


class Answers:
    """Of one state of a manifest, and of what is said by hand since."""

    def __init__(self, manifest: Manifest, clips: PartedTable, run: Mapping[str, Any], films: Films) -> None:
        self._run, self._films = run, films
        self._own = bounds(run)
        self.held = Held(clips, list(self._own))
        sources = manifest.parted_sources()
        self.data = report_data(self.held, sources, lambda ids: {}, run, manifest.location)
        """Of the page."""
        self.held.load()
        shown = self.data["clips"]["uri"]["texts"]
        self.data["clips"] |= {"films": [films.is_there(uri) for uri in shown]}
        self._scored = [str(plot["name"]) for plot in self.data["histograms"]]
        recipe = run.get("recipe")
        timed = recipe.get("timed_columns") if isinstance(recipe, Mapping) else None
        self._judge = Judge(self.held, self.data["histograms"], frozenset(timed or USUAL_TIMED))
        self._finder = Finder(self.held, self._judge, [step["reason"] for step in self.data["reasons"]])
        self._sources = _Few(pa.table({}) if sources.schema is None else sources.read_all(_SOURCE_COLUMNS))
        self._by_source = np.lexsort([self._judge.plain_numbers("start"), self.held.source]).astype(np.int64)
        counts = np.bincount(self.held.source, minlength=len(self.held.uris))
        self._ends = np.concatenate([[0], np.cumsum(counts)])
        self._uris = sorted(range(len(self.held.uris)), key=self.held.uris.__getitem__)
        self.has_groups = self.held.text(GROUP) is not None
        self._lock = threading.RLock()
        self._own_kept: list[float] | None = None
        self.uri_of = lru_cache(maxsize=50_000)(self._uri_of)

    def warm(self) -> None:
        """Do at once what would make the first answers slow."""
        for kind in (self._judge, self._finder):
            kind.warm()
        for question, query in ((self.judge, f"column={self._scored[0] if self._scored else ''}"), (self.find, "")):
            question(query)
        self.sources("")

    def judged(self) -> dict[str, Any]:
        """What the recipe's own bounds make, for the page's first drawing."""
        with self._lock:
            told = self._judge.counted(self._judge.verdict(self._own), self._scored)
            return told | {"own": told["kept"], "whole": True}

    def judge(self, query: str) -> dict[str, Any]:
        """What bounds make, and which clips are at one of them: of `column`, its `end` (0 or 1); with `all`, counts of
        all columns."""
        said, choice = parsed(query), Choice.of(query, self._own)
        column, end = said.get("column", [""])[0], whole_number(said, "end", 1)
        with self._lock:
            if self._own_kept is None:
                self._own_kept = self._judge.amount(self._judge.verdict(self._own).kept)
            verdict = self._judge.verdict(choice.bounds)
            told = {"own": self._own_kept} | self._judge.counted(verdict, self._scored if "all" in said else [column])
            near: dict[str, list[int]] = {"kept": [], "dropped": []}
            if column in self.held.scores:
                near = self._judge.nearest(column, choice.bounds.get(column, (None, None))[end], end)
            rows = self._rows(np.array([*near["kept"], *near["dropped"]], np.int64))
        return told | {"near": [len(near["kept"]), len(near["dropped"])]} | rows

    def find(self, query: str) -> dict[str, Any]:
        """The clips that fit a choice: how many, how long they play, and `count` of them `from` a place on."""
        said, choice = parsed(query), Choice.of(query, self._own)
        start = whole_number(said, "from", 10**9)
        count = whole_number(said, "count", 200) or PAGE_CLIPS
        with self._lock:
            found = self._finder.found(choice)
            told = {"total": len(found), "seconds": float(self.held.seconds[found].sum())}
            return told | self._rows(found[start : start + count])

    def sources(self, query: str) -> dict[str, Any]:
        """The sources whose name holds a text, with their clips in the order of time; or the one that is named."""
        said = parsed(query)
        start, count = whole_number(said, "from", 10**9), whole_number(said, "count", 100) or PAGE_SOURCES
        with self._lock:
            if "uri" in said:
                numbers = [number for number in self._uris if self.held.uris[number] == said["uri"][0]]
                most = MOST_OF_ONE
            else:
                text, most = said.get("name", [""])[0].lower(), MOST_OF_SOURCE
                numbers = [number for number in self._uris if text in self.held.uris[number].lower()]
            shown = numbers[start : start + count]
            each = [self._by_source[self._ends[number] : self._ends[number + 1]] for number in shown]
            listed = [
                {
                    "uri": self.held.uris[number],
                    "clips": len(rows),
                    "kept": int(sum(self.held.groups[code][0] == "kept" for code in self.held.group[rows])),
                }
                for number, rows in zip(shown, each, strict=True)
            ]
            rows = np.concatenate([np.zeros(0, np.int64), *(rows[:most] for rows in each)])
            return {"total": len(numbers), "listed": listed} | self._rows(rows)

    def clips(self, query: str) -> dict[str, Any]:
        """The clip of an `id`, if there is one."""
        clip_id = parsed(query).get("id", [""])[0]
        with self._lock:
            return self._rows(self._rows_of([clip_id]))

    def percentile(self, query: str) -> dict[str, Any]:
        """Of a `column`, at a `share` of 0 to 100.

        Raises:
            ValueError: there is no such column, or it is no share.
        """
        said = parsed(query)
        column, share = said.get("column", [""])[0], said.get("share", [""])[0]
        if column not in self.held.scores or not share.replace(".", "", 1).isdecimal() or not share.isascii():
            raise ValueError(
                f"expected a column of numbers and a share of 0 to 100, not {column[:100]!r} {share[:20]!r}"
            )
        with self._lock:
            return {"value": self._judge.percentile(column, Fraction(share))}

    def check(self, word: Word) -> None:
        """See that something can be said of these clips.

        Raises:
            ValueError: there is no such clip, or the recipe needs code that is not here.
        """
        with self._lock:
            if len(self._rows_of(word.clip_ids)) != len(set(word.clip_ids)):
                raise ValueError("there is no such clip")
            check_columns(self.held.schema)
            recorded_config(self._run)

    def say(self, word: Word) -> dict[str, Any]:
        """Take over in memory what was said by hand and has been through `check`, and what it makes of the clips."""
        with self._lock:
            rows = self._rows_of(word.clip_ids)
            clips = self.held.table(rows)
            config = recorded_config(self._run)
            clips = Waiting(values=dict.fromkeys(word.clip_ids, word.values)).put_into(clips)
            reasons = reasons_against(config, clips)
            status = pc.if_else(pc.equal(pc.list_value_length(reasons), 0), "kept", "rejected")
            for name, values in (("status", status), ("reasons", reasons)):
                clips = clips.set_column(clips.schema.get_field_index(name), name, values)
            self.held.put(rows, clips)
            self._own_kept = None
            self._judge.changed()
            self._finder.changed()
            return {"totals": self.held.totals()} | self._rows(rows)

    def overlay(self, clip_ids: Sequence[str]) -> dict[str, Any]:
        """What has changed since `data` was made, of some clips."""
        with self._lock:
            return {"totals": self.held.totals(), "said": self._rows(self._rows_of(clip_ids))["clips"]}

    def _rows_of(self, clip_ids: Sequence[str]) -> Rows:
        ids = self.held.text("clip_id")
        if ids is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(pc.is_in(ids, value_set=pa.array(list(clip_ids), pa.string())).to_numpy())

    def _uri_of(self, clip_id: str) -> str | None:
        """Where the source of a clip is."""
        rows = self._rows_of([clip_id])
        return self.held.uris[self.held.source[rows[0]]] if len(rows) else None

    def _rows(self, rows: Rows) -> dict[str, Any]:
        """The clips (n,) as the page holds them, and what there is to say of their sources."""
        table = self.held.table(rows)
        block = page_rows(table, 0, self._scored, lambda ids: {}, ())
        del block["previews"], block["stills"]
        uris = block["uri"]["texts"]
        block["films"] = [self._films.is_there(uri) for uri in uris]
        return {"clips": block, "sources": SourceTally(self._sources.where("uri", uris), uris).shown()}


_SOURCE_COLUMNS = [
    "uri",
    "status",
    "reason",
    "container",
    "codec",
    "size_bytes",
    "duration_seconds",
    "fps",
    "num_clips",
]


class _Few:
    """A small table that is read at once."""

    def __init__(self, table: pa.Table) -> None:
        self.schema: pa.Schema | None = table.schema
        self.num_rows = table.num_rows
        self._table = table

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows."""
        names = self._table.column_names if columns is None else columns
        return iter([self._table.select([name for name in names if name in self._table.column_names])])

    def where(self, column: str, values: Sequence[str]) -> _Few:
        """The rows with one of these values."""
        if column not in self._table.column_names:
            return self
        return _Few(self._table.filter(pc.is_in(self._table[column], value_set=pa.array(values, pa.string()))))
