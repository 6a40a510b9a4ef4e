"""Sources by the million: columns in the place of objects, and natural order by keys that bytes can be sorted by.

A `Source` takes some 300 bytes of Python objects, the same in columns a good 100; so sources are made when somebody
asks for one, and kept by nobody.
"""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from preprocess.clip import Source
from preprocess.kinds import PICTURE_SUFFIXES

_ROWS = 10_000
"""Of a piece of what is seldom there."""
_BLOCK = 1000
"""Of what is made into Python objects at once."""
_DIGITS = re.compile("[0-9]+")

SourceKey = tuple[str, int, int]
"""uri, size in bytes, modification time in ns"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a location holds: the candidates in natural order, and how many files of which suffix were passed over."""

    sources: Sources
    ignored: dict[str, int]

    @property
    def passed_over(self) -> str:
        """Such as ` (3 .json, 1 .txt passed over)`; "" where nothing was."""
        counts = ", ".join(f"{count} {suffix}" for suffix, count in self.ignored.items())
        how = "; --set pictures=true takes pictures" if not PICTURE_SUFFIXES.isdisjoint(self.ignored) else ""
        return f" ({counts} passed over{how})" if counts else ""


class Sources(Sequence[Source]):
    """Sources in the order of the listing, made as they are asked for."""

    def __init__(self, table: pa.Table) -> None:
        """`table` has the columns of `_SCHEMA`, and those of provenance that a list gives."""
        self._table = table
        self._block: tuple[int, list[Source]] = (-1, [])
        """The one that was made last, with its number: neighbours are asked for one after the other."""

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[Source]:
        for first in range(0, len(self), _BLOCK):
            yield from map(_source, self._table.slice(first, _BLOCK).to_pylist())

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sources: ...
    def __getitem__(self, index: int | slice) -> Source | Sources:
        if isinstance(index, slice):
            return self._taken(np.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"source {index} of {len(self)}")
        number, place = divmod(index % len(self), _BLOCK)
        if number != self._block[0]:
            rows = self._table.slice(number * _BLOCK, _BLOCK).to_pylist()
            self._block = (number, [_source(row) for row in rows])
        return self._block[1][place]

    @property
    def num_bytes(self) -> int:
        """Of all of them."""
        return int(pc.sum(self._table["size_bytes"]).as_py() or 0)

    def without(self, done: Collection[SourceKey]) -> Sources:
        """Those that are not in `done`."""
        if not done:
            return self
        keys = self._table.select(["uri", "size_bytes", "modified_ns"])
        left = array("b")
        for batch in keys.to_batches(max_chunksize=_BLOCK):
            left.extend(row not in done for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
        return self._taken(np.flatnonzero(np.frombuffer(left, np.int8)))

    def larger_than(self, num_bytes: int) -> Sources:
        """Those of more bytes."""
        return Sources(self._table.filter(pc.greater(self._table["size_bytes"], num_bytes)))

    def with_unreadable(self, why: Mapping[str, str]) -> Sources:
        """The same, and by uri why some could not be looked into."""
        if not why:
            return self
        found = pa.array(list(why), self._table.schema.field("uri").type)
        places = np.flatnonzero(pc.is_in(self._table["uri"], value_set=found).to_numpy(zero_copy_only=False))
        reasons = self._table["unreadable"].to_pylist()
        for place in places.tolist():
            reasons[place] = why[self._table["uri"][place].as_py()]
        column = self._table.schema.get_field_index("unreadable")
        return Sources(self._table.set_column(column, "unreadable", pa.array(reasons, pa.string())))

    def _taken(self, places: npt.NDArray[np.int64]) -> Sources:
        return Sources(self._table.take(pa.array(places)))


_SCHEMA = pa.schema(
    [
        ("uri", pa.large_string()),  # 1,000,000 keys of 1024 bytes are more than 32 bits count
        ("size_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("sidecar", pa.int8()),
        ("unreadable", pa.string()),
        ("provenance", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))),
    ]
)
_NO_SIDECAR, _OF_STEM, _OF_NAME = 0, 1, 2
"""`film.json` and `film.mp4.json` beside `film.mp4`."""


class GrowingSources:
    """Columns that sources are added to. Names lie end to end in one run of bytes, which grows without being copied:
    Arrow's own builders, in pieces, would take twice the memory."""

    def __init__(self) -> None:
        self._uris = _GrowingTexts()
        self._sizes, self._times = array("q"), array("q")
        self._sidecars, self._of_stem, self._of_name = array("q"), array("q"), array("q")
        self._unreadable: dict[int, str] = {}
        self._said: list[list[dict[str, str]] | None] = []
        self._said_pieces: list[pa.Array] = []
        self._last_key = b""
        self._in_order = True

    def add(self, source: Source) -> None:
        """Add a source. Its own sidecar does not count: `add_sidecar` does."""
        key = natural_key(source.uri)
        self._in_order = self._in_order and key >= self._last_key
        self._last_key = key
        if source.unreadable is not None:
            self._unreadable[len(self._sizes)] = source.unreadable
        self._uris.append(source.uri.encode())
        self._sizes.append(source.size_bytes)
        self._times.append(source.modified_ns)
        self._of_stem.append(hash(_stem(source.uri) + ".json"))
        self._of_name.append(hash(source.uri + ".json"))
        self._said.append([{"name": name, "value": value} for name, value in source.provenance] or None)
        if len(self._said) == _ROWS:
            self._close_piece()

    def add_sidecar(self, uri: str) -> None:
        """A JSON file. Of its name 64 bits are kept: one in 10^13 is taken for another's, and then not found."""
        self._sidecars.append(hash(uri))

    def in_natural_order(self) -> Sources:
        """What was added, sorted; of what sorts alike, what was added first comes first. Adding ends here."""
        self._close_piece()
        columns: dict[str, pa.ChunkedArray | pa.Array] = {
            "uri": self._uris.column(pa.large_string()),
            "size_bytes": pa.array(np.frombuffer(self._sizes, np.int64)),
            "modified_ns": pa.array(np.frombuffer(self._times, np.int64)),
            "sidecar": self._sidecar_kinds(),
            "unreadable": pa.array(_spread(self._unreadable, len(self._sizes)), pa.string()),
            "provenance": pa.chunked_array(self._said_pieces, _SCHEMA.field("provenance").type),
        }
        self._uris = _GrowingTexts()  # the columns alone are to hold what was added
        self._of_stem = self._of_name = array("q")
        if not self._in_order:
            order = pc.array_sort_indices(_keys(columns["uri"]))
            for name in list(columns):  # one after the other, so that only one is there twice
                columns[name] = columns[name].take(order)
        return Sources(pa.table(columns, _SCHEMA))

    def _sidecar_kinds(self) -> pa.Array:
        kinds = np.full(len(self._sizes), _NO_SIDECAR, np.int8)
        if self._sidecars:
            known = np.frombuffer(self._sidecars, np.int64)
            kinds[np.isin(np.frombuffer(self._of_name, np.int64), known)] = _OF_NAME
            kinds[np.isin(np.frombuffer(self._of_stem, np.int64), known)] = _OF_STEM
        return pa.array(kinds)

    def _close_piece(self) -> None:
        if self._said:
            self._said_pieces.append(pa.array(self._said, _SCHEMA.field("provenance").type))
            self._said = []


class _GrowingTexts:
    """Texts or bytes, end to end, and where each begins."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._begins = array("q", [0])

    def append(self, text: bytes) -> None:
        self._data += text
        self._begins.append(len(self._data))

    def column(self, kind: pa.DataType) -> pa.Array:
        """Without copying. Appending ends here."""
        buffers = [None, pa.py_buffer(self._begins), pa.py_buffer(self._data)]
        return pa.Array.from_buffers(kind, len(self._begins) - 1, buffers)


def _spread(values: Mapping[int, str], length: int) -> Iterator[str | None]:
    return (values.get(place) for place in range(length))


def _keys(uris: pa.Array) -> pa.Array:
    """The natural keys of names, without the folders that all of them share."""
    ends = pc.min_max(uris).as_py()
    shared = os.path.commonprefix([ends["min"], ends["max"]]).rpartition("/")[0]  # noqa: RUF071 - characters, cut at a slash
    keys = _GrowingTexts()
    for first in range(0, len(uris), _BLOCK):
        for uri in uris.slice(first, _BLOCK).to_pylist():
            keys.append(natural_key(uri[len(shared) :]))
    return keys.column(pa.large_binary())


def natural_key(name: str) -> bytes:
    """Sorted by these bytes, `clip2` comes before `clip10`, and what is in a folder together.

    A number becomes its length and its digits, behind a mark that sorts before all characters, as does a slash.
    """
    key = name.replace("/", "\x00")
    return _DIGITS.sub(_counted, key).encode("utf-8", "surrogatepass")


def _counted(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"\x01{chr(len(digits) + 2)}{digits}"


def count_ignored(counts: Counter[str]) -> dict[str, int]:
    """In the order of the suffixes."""
    return dict(sorted(counts.items()))


def _stem(uri: str) -> str:
    return uri.removesuffix(PurePosixPath(uri.rpartition("/")[2]).suffix)


def _source(row: dict[str, Any]) -> Source:
    kind, uri = row.pop("sidecar"), row["uri"]
    provenance = tuple((said["name"], said["value"]) for said in row.pop("provenance") or ())
    sidecar = {_NO_SIDECAR: None, _OF_STEM: f"{_stem(uri)}.json", _OF_NAME: f"{uri}.json"}[kind]
    return Source(**row, sidecar=sidecar, provenance=provenance)
