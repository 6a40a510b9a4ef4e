"""The commands that a torture gives, one after the other, and what the tables are after each where nobody disturbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kills.places import Place, Rows

_KEYS = {"clips": "clip_id", "sources": "uri"}
VOLATILE = ("modified",)
"""Of an object it is the time of its upload."""
COMPACTION, REWRITING = "Manifest.compact", "Manifest.rewrite_clips"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One command, as `python -m pipelines` takes it; `FILMS` and `OUT` stand for places."""

    command: tuple[str, ...]
    changes_tables: str
    """The function of `preprocess.manifest` in which it does that."""
    all_films: bool = True
    has_workers: bool = True
    meanwhile: tuple[tuple[str, ...], ...] = ()
    """Commands that may come between a kill and the next try, and that the end must not differ for."""
    can_be_left_out: bool = False
    """Whether it may be one of the next chapter's `meanwhile`, too."""


_CURATE = ("curate", "FILMS", "OUT", "--recipe", "benchmarks.kills.recipe:quick")
_FILTER = ("filter", "sharpness", "OUT", "--source", "FILMS")
_DECIDE = ("decide", "OUT", "--source", "FILMS")
STORY = (
    Chapter(command=_CURATE, changes_tables=COMPACTION, all_films=False),
    Chapter(command=_FILTER, changes_tables=REWRITING, all_films=False, meanwhile=(_DECIDE,), can_be_left_out=True),
    Chapter(command=_CURATE, changes_tables=COMPACTION, meanwhile=(_FILTER, _DECIDE)),
    Chapter(
        command=("caption", "OUT", "--captioner", "sidecar", "--source", "FILMS"),
        changes_tables=REWRITING,
        meanwhile=(_DECIDE,),
    ),
    Chapter(command=(*_DECIDE, "--set", "rules.motion.min=3.0"), changes_tables=REWRITING, has_workers=False),
)
"""Half of the films are curated, a filter joins the recipe, the other half follows, captions change, a bound moves."""


def arguments(command: Sequence[str], place: Place, engine: str) -> list[str]:
    """What follows `python -m pipelines`."""
    said = [{"FILMS": place.films, "OUT": place.out}.get(word, word) for word in command]
    return [*said, "--engine", engine] if command[0] in ("curate", "filter", "caption") else said


@dataclass(kw_only=True)
class Tables:
    """Both tables at one time."""

    rows: dict[str, Rows] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Place) -> Tables:
        """As they are now."""
        rows = {table: place.rows(table) for table in _KEYS}
        for row in rows["sources"]:
            for name in VOLATILE:
                row.pop(name)
        return cls(rows=rows)


@dataclass(kw_only=True)
class Differences:
    """Between what the tables are and what they should be."""

    rows_missing: int = 0
    rows_doubled: int = 0
    rows_changed: int = 0
    tables_equal: bool = True

    def add(self, found: Tables, expected: Tables) -> bool:
        """Count them; whether there are none."""
        same = found.rows == expected.rows
        for table, key in _KEYS.items():
            wanted = {row[key]: row for row in expected.rows[table]}
            there = {row[key]: row for row in found.rows[table]}
            self.rows_missing += len(wanted.keys() - there.keys())
            self.rows_doubled += len(found.rows[table]) - len(there)
            changed = sum(there[name] != wanted[name] for name in there.keys() & wanted.keys())
            self.rows_changed += changed + len(there.keys() - wanted.keys())
        self.tables_equal = self.tables_equal and same
        return same


def chosen(films: Sequence[Path], chapter: Chapter) -> Sequence[Path]:
    """All films, or the first half."""
    return films if chapter.all_films else films[: (len(films) + 1) // 2]
