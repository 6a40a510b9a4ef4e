"""What somebody has said of single clips by hand: keep it, drop it, tags, a note.

A word is safe as soon as it is said: it is a file of its own in `OUT/verdicts/`, written to a temporary name and
renamed, for which nobody has to hold OUT. `decide`, and all else that changes the table of clips, puts those that wait
into its columns first, and deletes the files once the table has them, the oldest one first: a kill at any step leaves
words that are put in once more, in the order in which they were said.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from preprocess.clip import Column
from preprocess.io import storage
from preprocess.io.tables import with_rows

FOLDER = "verdicts"
VERDICT, TAGS, NOTE = "verdict", "tags", "note"
KEEP, DROP = "keep", "drop"
VERDICT_COLUMNS = (
    Column(name=VERDICT, type=pa.string(), meaning="`keep` or `drop`, as somebody said by hand; null where nobody did"),
    Column(name=TAGS, type=pa.list_(pa.string()), meaning="list of words that somebody gave it"),
    Column(name=NOTE, type=pa.string(), meaning="what somebody wrote of it"),
)
"""After the first word by hand."""
DROPPED = f"{VERDICT}:{DROP}"
"""The reason of a clip that was dropped by hand."""
MOST_CLIPS = 1000
"""Of which one word may be."""
MOST_TAGS = 32
TAG_CHARACTERS = 64
NOTE_CHARACTERS = 2000

_NAME = re.compile(r"\d{20}-[0-9a-f]{8}\.json")
_TRIES = 5


def said_of(clips: pa.Table, verdict: str) -> npt.NDArray[np.bool_]:
    """For which of N rows somebody has said `verdict`; for none where the table has no such column of ours."""
    place = clips.schema.get_field_index(VERDICT)
    if place < 0 or not pa.types.is_string(clips.schema.field(place).type):
        return np.zeros(clips.num_rows, np.bool_)
    return np.asarray(pc.fill_null(pc.equal(clips.column(place), verdict), False).to_numpy(), np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What was said of some clips at one time: of `VERDICT_COLUMNS`, those that it changes."""

    clip_ids: Sequence[str]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, said: object) -> Word:
        """From JSON.

        Raises:
            ValueError: it is none; the message says what is allowed.
        """
        if not isinstance(said, dict) or not isinstance(ids := said.get("clips"), list):
            raise ValueError('expected {"clips": [ids], "verdict": "keep", "drop" or null, "tags": [...], "note": ...}')
        if not 1 <= len(ids) <= MOST_CLIPS or not all(isinstance(each, str) for each in ids):
            raise ValueError(f"clips: expected 1 to {MOST_CLIPS} ids, not {len(ids)}")
        values = {name: _checked(name, value) for name, value in said.items() if name != "clips"}
        if not values:
            raise ValueError(f"nothing is said: expected one of {VERDICT}, {TAGS}, {NOTE}")
        return cls(clip_ids=tuple(ids), values=values)


def _checked(name: str, value: Any) -> Any:
    if name == VERDICT and value in (KEEP, DROP, None):
        return value
    if name == NOTE and (value is None or (isinstance(value, str) and len(value) <= NOTE_CHARACTERS)):
        return (value or "").strip() or None
    if name == TAGS and (value is None or isinstance(value, list)):
        tags = [" ".join(each.split()) if isinstance(each, str) else "" for each in value or ()]
        if len(tags) <= MOST_TAGS and all(0 < len(tag) <= TAG_CHARACTERS for tag in tags):
            return list(dict.fromkeys(tags)) or None
    allowed = {
        VERDICT: f"{KEEP!r}, {DROP!r} or null",
        TAGS: f"up to {MOST_TAGS} texts of 1 to {TAG_CHARACTERS} characters",
        NOTE: f"a text of up to {NOTE_CHARACTERS} characters",
    }
    if name not in allowed:
        raise ValueError(f"{name!r} cannot be said of a clip; allowed are {', '.join(allowed)}")
    raise ValueError(f"{name}: expected {allowed[name]}, not {str(value)[:100]!r}")


def store(location: str, word: Word) -> None:
    """Keep a word, for good once this returns; others may hold the manifest.

    Raises:
        OSError: it cannot be written.
    """
    data = json.dumps({"clips": list(word.clip_ids), **word.values}).encode()
    for left in reversed(range(_TRIES)):
        place = storage.join(location, FOLDER, f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}.json")
        try:
            storage.write_atomic(place, data)
        except FileNotFoundError:  # who holds the manifest has swept the temporary file away
            if not left:
                raise
        else:
            return


@dataclass(frozen=True, slots=True)
class Waiting:
    """The words that the table of clips does not have yet, merged in the order in which they were said."""

    READS: ClassVar = ("clip_id", "caption", VERDICT, TAGS, NOTE)
    """Columns that `put_into` needs, as far as they are there."""
    places: Sequence[str] = ()
    """Of their files, the oldest one first."""
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By clip id."""

    @classmethod
    def at(cls, location: str) -> Waiting:
        """Those of a manifest. A file that is none of ours is passed over, and deleted with the others."""
        names = [name for name in storage.list_files(storage.join(location, FOLDER), ".json") if _NAME.fullmatch(name)]
        places = [storage.join(location, FOLDER, name) for name in names]
        values: dict[str, dict[str, Any]] = {}
        for place in places:
            try:
                word = Word.of(json.loads(storage.read_bytes(place) or b"null"))
            except (ValueError, RecursionError):
                continue
            for clip_id in word.clip_ids:
                values.setdefault(clip_id, {}).update(word.values)
        return cls(places, values)

    def put_into(self, clips: pa.Table) -> pa.Table:
        """The rows with what was said of them, in columns before the captions; as they are where nothing was said."""
        if not self.values:
            return clips
        for column in VERDICT_COLUMNS:
            if column.name not in clips.column_names:
                at = clips.schema.get_field_index("caption")
                clips = clips.add_column(
                    at if at >= 0 else clips.num_columns, column.field, pa.nulls(clips.num_rows, column.type)
                )
        found = pc.is_in(clips["clip_id"], value_set=pa.array(list(self.values), pa.string()))
        places = np.flatnonzero(found.to_numpy())
        ids = clips["clip_id"].take(pa.array(places)).to_pylist()
        for column in VERDICT_COLUMNS:
            told = [number for number, clip_id in enumerate(ids) if column.name in self.values[clip_id]]
            said = pa.array([self.values[ids[number]][column.name] for number in told], column.type)
            clips = with_rows(clips, places[told], pa.table({column.name: said}))
        return clips

    def clear(self) -> None:
        """Delete the files: the table has what they say."""
        for place in self.places:
            storage.delete(place)


def forget(location: str, clip_ids: Collection[str]) -> None:
    """Delete what waits to be said of clips that go."""
    waiting = Waiting.at(location)
    if waiting.values.keys().isdisjoint(clip_ids):
        return
    left = [(clip_id, values) for clip_id, values in waiting.values.items() if clip_id not in clip_ids]
    for clip_id, values in left:
        store(location, Word(clip_ids=[clip_id], values=values))
    waiting.clear()


def check_columns(schema: pa.Schema) -> None:
    """See that those that are there are as we write them.

    Raises:
        ValueError: some are not.
    """
    for column in VERDICT_COLUMNS:
        place = schema.get_field_index(column.name)
        if place >= 0 and not _alike(schema.field(place).type, column.type):
            raise ValueError(f"the column {column.name!r} is {schema.field(place).type}, and not of our making")


def _alike(kind: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(kind) and pa.types.is_list(wanted):
        return bool(kind.value_type == wanted.value_type)
    return bool(kind == wanted)
