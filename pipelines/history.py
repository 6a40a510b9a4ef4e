"""Which bounds a manifest had before each `decide`, and what that replaced, so that it can be taken back.

run.json lists them under `history`, and changes with the table of clips or not at all (`Manifest.mend`). Beside it,
`OUT/history/CHANGE.parquet` has the decisions and captions that the change replaced, of those clips alone where they
differ, by their places. A file that run.json does not list is of a change that was killed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.recipe.bounds import Bounds
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recorded import load
from pipelines.terminal import shown
from preprocess.io import storage
from preprocess.io.settings import difference
from preprocess.io.tables import differing, with_rows
from preprocess.manifest import Manifest, Row, Seen
from preprocess.schema import CAPTION_COLUMNS, DECISION_COLUMNS

FOLDER = "history"
MOST_KEPT = 100
"""Changes that can be taken back."""
_DECIDED = [column.name for column in (*DECISION_COLUMNS, *CAPTION_COLUMNS)]
_PLACE = "place"
_SCHEMA, _FOOTERS = b"clipmill_clips_schema", b"clipmill_clips_footers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `decide` that can be taken back."""

    change: str
    """`Manifest.last_change` of the table that it made."""
    at: str
    moved: tuple[str, ...]
    """Lines such as `rules.motion.min: 0.1 -> 0.7`; none where it moved no bound."""
    before: Bounds

    @classmethod
    def loaded(cls, said: object) -> Entry | None:
        """One of run.json's; None for what is none."""
        before = Bounds.loaded(said.get("before")) if isinstance(said, dict) else None
        if not isinstance(said, dict) or before is None or not isinstance(said.get("moved"), list):
            return None
        texts = [said.get("change"), said.get("at"), *said["moved"]]
        if not all(isinstance(text, str) for text in texts) or not said["change"].isalnum():
            return None
        return cls(change=said["change"], at=said["at"], moved=tuple(said["moved"]), before=before)

    def told(self) -> str:
        """In a line."""
        return f"{self.at}  {'; '.join(self.moved) or 'no bound moved'}"


def entries(run: Mapping[str, Any]) -> list[Entry]:
    """The changes that run.json lists, the last one at the end."""
    return [entry for said in run.get("history", ()) if (entry := Entry.loaded(said)) is not None]


def with_entry(run: Row, change: str, before: CurateConfig, after: CurateConfig) -> Row:
    """run.json with one more change, which also says by which bounds the manifest was begun if nothing has yet."""
    bounds = Bounds.of(before).kept()
    entry = {
        "change": change,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "moved": [line for line in difference(before, after) if line.startswith(("rules.", "name:"))],
        "before": bounds,
    }
    return {"begun": bounds} | run | {"history": [*run.get("history", ()), entry][-MOST_KEPT:]}


def without_last(run: Row) -> Row:
    """run.json once the last change is taken back."""
    return run | {"history": run["history"][:-1]}


def print_history(manifest: Manifest) -> None:
    """A line a change, the last one first.

    Raises:
        ValueError: there is no manifest.
    """
    run = manifest.run_to_be() or load(manifest)
    lines = [entry.told() for entry in reversed(entries(run))] or ["no `decide` that could be taken back"]
    print("\n".join(map(shown, lines)))


def recording(manifest: Manifest, change: str) -> Seen:
    """Writes what a change of the table of clips replaces, while it is made."""
    schema = manifest.parted_clips().schema
    assert schema is not None
    names = [name for name in _DECIDED if name in schema.names]
    fields = [pa.field(_PLACE, pa.int64()), *(schema.field(name) for name in names)]
    said = {_SCHEMA: schema.serialize().to_pybytes(), _FOOTERS: json.dumps(_footers(manifest)).encode()}
    stored = pa.schema(fields, said)

    def seen(pairs: Iterator[tuple[pa.Table, pa.Table]]) -> Iterator[pa.Table]:
        first = 0
        with storage.written_whole(_file(manifest, change)) as path, pq.ParquetWriter(path, stored) as writer:
            for old, new in pairs:
                places = np.flatnonzero(np.any([differing(old[name], new[name]) for name in names], axis=0))
                if len(places):
                    rows = old.select(names).take(places).add_column(0, fields[0], pa.array(first + places))
                    writer.write_table(rows.cast(stored))
                first += old.num_rows
                yield new

    return seen


class Replaced:
    """What a change replaced, to be put back in the order of the rows."""

    def __init__(self, file: pq.ParquetFile) -> None:
        """Raises:
        ValueError, KeyError, TypeError, pa.ArrowException: it is none that we wrote.
        """
        self._file = file
        self._group = self._first = 0
        stored = file.schema_arrow
        if stored.field(_PLACE).type != pa.int64() or not set(stored.names) <= {_PLACE, *_DECIDED}:
            raise ValueError(f"columns {stored.names}, of which some are of no change")
        self.schema = pa.ipc.read_schema(pa.py_buffer(stored.metadata[_SCHEMA]))
        """Of the table that was replaced, with all that its files say."""
        self._footers = json.loads(stored.metadata[_FOOTERS])
        self._waiting = stored.remove_metadata().empty_table()

    def put_back(self, clips: pa.Table) -> pa.Table:
        """The next rows of the table as they were before."""
        stop = self._first + clips.num_rows
        while self._group < self._file.num_row_groups and not _reaches(self._waiting, stop):
            group = self._file.read_row_group(self._group, use_threads=False).replace_schema_metadata()
            self._waiting = pa.concat_tables([self._waiting, group])
            self._group += 1
        places = _places(self._waiting)
        count = int(np.searchsorted(places, stop))
        rows, self._waiting = self._waiting.slice(0, count), self._waiting.slice(count)
        clips = with_rows(clips, places[:count] - self._first, rows.drop_columns([_PLACE]))
        self._first = stop
        return clips

    def is_back(self, manifest: Manifest) -> bool:
        """Whether the files of the table are those of before, to the byte: as far as their names and footers tell, and
        those know where everything lies. Another version of Arrow writes the same rows otherwise."""
        return bool(_footers(manifest) == self._footers)


def replaced_by(manifest: Manifest, entry: Entry) -> Replaced | None:
    """What can be put back exactly; None where the table has changed since then, or nothing was kept."""
    if manifest.last_change() != entry.change:
        return None
    table = manifest.parted_clips().schema
    try:
        replaced = Replaced(pq.ParquetFile(storage.open_file(_file(manifest, entry.change))))
        return replaced if table is not None and replaced.schema.names == table.names else None
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return None


def tidy(manifest: Manifest, run: Mapping[str, Any]) -> None:
    """Remove what can never be put back: what a change that was killed had replaced, and all that lies behind a change
    of another kind. Hold the manifest."""
    listed = entries(run)
    unbroken = bool(listed) and manifest.last_change() == listed[-1].change
    known = {f"{entry.change}.parquet" for entry in listed if unbroken}
    for name in storage.list_files(storage.join(manifest.location, FOLDER), ".parquet"):
        if name not in known:
            storage.delete(storage.join(manifest.location, FOLDER, name))


def _footers(manifest: Manifest) -> dict[str, str]:
    """By name, a hash of what each file of the table of clips says at its end of itself."""
    folder, found = storage.join(manifest.location, "clips"), {}
    for name in storage.list_files(folder, ".parquet"):
        with storage.open_file(storage.join(folder, name)) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - 8)  # the length of the footer, and PAR1
            length = int.from_bytes(file.read(4), "little")
            file.seek(max(0, size - 8 - length))
            found[name] = hashlib.blake2b(b"%d " % size + file.read(), digest_size=16).hexdigest()
    return found


def _file(manifest: Manifest, change: str) -> str:
    return storage.join(manifest.location, FOLDER, f"{change}.parquet")


def _places(rows: pa.Table) -> npt.NDArray[np.int64]:
    return np.asarray(rows[_PLACE].to_numpy(), np.int64)


def _reaches(rows: pa.Table, stop: int) -> bool:
    """Whether places up to `stop` are among these."""
    return bool(rows.num_rows) and int(rows[_PLACE][-1].as_py()) >= stop
