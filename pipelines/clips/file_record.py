"""What is done in a folder of files is recorded in it, in `DEST/.cut`: which clip has which file, and of which format.

So several folders may hold the clips of one manifest in several formats, and each can be gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from pipelines.clips.revisit import stored_values
from preprocess.cutting.format import CutFormat
from preprocess.cutting.result import FILE_COLUMNS
from preprocess.io import storage
from preprocess.io.plain_json import read_object
from preprocess.io.settings import difference, dump
from preprocess.io.tables import write_table
from preprocess.manifest import Row

RECORD = ".cut"
_TABLE = "files.parquet"
"""What earlier runs have done; that of this one is beside it, a table a unit of work."""
_SCHEMA = pa.schema(
    [("clip_id", pa.string()), ("left_out", pa.string()), *((column.name, column.type) for column in FILE_COLUMNS)]
)


class FileRecord:
    """That of one folder, or place in a bucket."""

    def __init__(self, dest: str) -> None:
        self.folder = storage.join(dest, RECORD)
        """Where `revisit_clips` stores what a unit of work came to."""

    def claim(self, form: CutFormat) -> None:
        """See that the files there are of this format, and say so.

        Raises:
            ValueError: they are of another one.
        """
        place = storage.join(self.folder, "format.json")
        data = storage.read_bytes(place)
        if data is None:
            storage.write_atomic(place, json.dumps(dump(form), indent=2).encode())
            return
        changes = difference(read_object(data, repr(place)), form)
        if changes:
            listing = "\n  ".join(changes)
            raise ValueError(f"{place!r}: the files there are of another format; name another DEST\n  {listing}")

    def values(self) -> dict[str, Row]:
        """The columns of files by clip id; None in all of them where a file could not be made."""
        return stored_values(self.folder, has_none)

    def tidy(self, there: Collection[str]) -> None:
        """Make one table of what earlier runs recorded, without clips that have no file among those `there`."""
        names = storage.list_files(self.folder, ".parquet")
        known = self.values()
        good = [{"clip_id": clip_id, **row} for clip_id, row in known.items() if row["file"] in there]
        if names in ([], [_TABLE]) and len(good) == len(known):
            return
        write_table(storage.join(self.folder, _TABLE), pa.Table.from_pylist(good, schema=_SCHEMA))
        for name in names:  # only now: after a kill in between two tables say the same
            if name != _TABLE:
                storage.delete(storage.join(self.folder, name))


def has_none(values: Mapping[str, Any]) -> bool:
    """Whether these columns tell of no file."""
    return values["file"] is None
