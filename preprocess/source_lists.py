"""A file that lists videos in the place of a folder: addresses or paths, and what is known of where they come from.

    films.txt       one a line
    films.csv       with a header: a column `uri`, `path`, `file` or `url`; `license url title author` go to sources/
    films.jsonl     an object a line, with these keys
    films.parquet   with these columns

A path is relative to the list. What is listed twice is taken once.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from preprocess.clip import Source
from preprocess.errors import NotThere, StorageError
from preprocess.io import storage
from preprocess.io.locations import SCHEMES, is_remote, join, local_path, local_uri, placed, scheme_of
from preprocess.kinds import IMAGE_SUFFIXES, suffix_of
from preprocess.listing import GrowingSources, Listing, count_ignored
from preprocess.schema import PROVENANCE

LOCATION_COLUMNS = ("uri", "path", "file", "url")
"""The first one that is there says where the video is."""
MAX_LINE_CHARACTERS = 64 << 10
MAX_VALUE_CHARACTERS = 2000
_AT_ONCE = 32
_FAILURES_IN_A_ROW = 50
"""Of a storage about which addresses are asked; then it is the storage and not the address."""
_SHOWN = 5

Line = tuple[int, str, dict[str, str]]
"""Number, location as written, provenance."""


def is_list(location: str) -> bool:
    """Whether a location is a file that lists videos, going by its suffix.

    Raises:
        ValueError: the storage does not say whether there is such a file.
    """
    if suffix_of(location) not in _READERS:
        return False
    if not is_remote(location):
        return os.path.isfile(local_path(location))  # noqa: PTH113
    try:
        return storage.entry(location) is not None
    except StorageError as error:
        raise ValueError(str(error)) from error


def listed_sources(location: str, *, pictures: bool = False) -> Listing:
    """What a list names, in natural order, without `pictures` no picture. Sizes and times are asked for, of many at a
    time.

    Raises:
        ValueError: the list cannot be read, or has lines that name no file: all of them are counted, some shown.
    """
    growing = GrowingSources()
    ignored: Counter[str] = Counter()
    failures = 0
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for source in _asked(pool, _locations(location, ignored, pictures=pictures)):
            failures = failures + 1 if source.unreadable is not None else 0
            if failures == _FAILURES_IN_A_ROW:
                raise ValueError(f"{location!r}: {failures} files in a row cannot be asked about: {source.unreadable}")
            growing.add(source)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Listing(sources=growing.in_natural_order(), ignored=count_ignored(ignored))


def _locations(location: str, ignored: Counter[str], *, pictures: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """What the lines of a list stand for, once each."""
    seen: set[int] = set()
    wrong: list[str] = []
    folder = location.rpartition("/")[0]
    for number, written, said in _lines(location):
        try:
            uri = _resolved(written, folder)
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
            continue
        if hash(uri) in seen:
            ignored["listed twice"] += 1
            continue
        seen.add(hash(uri))
        if not pictures and (suffix := suffix_of(uri)) in IMAGE_SUFFIXES:
            ignored[suffix] += 1
            continue
        if not wrong:
            yield uri, said
    if wrong:
        shown = "\n  ".join(wrong[:_SHOWN])
        more = f"\n  and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ValueError(f"{location!r} has lines that name no file:\n  {shown}{more}")


def _resolved(written: str, folder: str) -> str:
    """The location that a line of a list in `folder` stands for."""
    if len(written) > MAX_LINE_CHARACTERS:
        raise ValueError(f"{written[:60]!r}... of {len(written)} characters")
    if not any("\udc80" <= character <= "\udcff" for character in written):
        written.encode()  # other lone surrogates stand for no bytes
    elif is_remote(written) or is_remote(folder):
        raise ValueError(f"{written[:60]!r} is not UTF-8")
    if "://" not in written:
        if is_remote(folder):
            return join(folder, written)
        path = os.path.join(local_path(folder), os.fsencode(written))  # noqa: PTH118 - bytes: need not be UTF-8
        if b"\0" in path:
            raise ValueError(f"{written[:60]!r}: a NUL is in it")
        return local_uri(os.path.normpath(path))
    scheme = scheme_of(written)
    if scheme not in SCHEMES:
        raise ValueError(f"{written[:60]!r}: scheme {scheme}, allowed are {', '.join(sorted(SCHEMES))}")
    if scheme == "file":
        return storage.absolute(written)
    if not placed(written).key:
        raise ValueError(f"{written[:60]!r} names no file")
    return written


def _asked(pool: ThreadPoolExecutor, locations: Iterable[tuple[str, dict[str, str]]]) -> Iterator[Source]:
    """Sizes and times; a file that is not there is a source, which gets a row that says so."""
    waiting: list[Any] = []
    for uri, said in locations:
        waiting.append(pool.submit(_ask, uri, said))
        if len(waiting) >= 4 * _AT_ONCE:
            yield waiting.pop(0).result()
    for asked in waiting:
        yield asked.result()


def _ask(uri: str, said: dict[str, str]) -> Source:
    make = partial(Source, uri=uri, provenance=tuple(said.items()))
    nothing = partial(make, size_bytes=0, modified_ns=0)
    try:
        if not is_remote(uri):
            facts = os.stat(local_path(uri))  # noqa: PTH116
            return make(size_bytes=facts.st_size, modified_ns=facts.st_mtime_ns)
        entry = storage.entry(uri)
    except NotThere:
        return nothing()
    except (StorageError, ValueError) as error:
        return nothing(unreadable=str(error))
    except OSError:  # the worker that opens it says why
        return nothing()
    if entry is None:
        return nothing()
    return make(size_bytes=entry.size_bytes, modified_ns=entry.modified_ns)


def _lines(location: str) -> Iterator[Line]:
    try:
        yield from _READERS[suffix_of(location)](location)
    except StorageError as error:
        raise ValueError(str(error)) from error
    except (OSError, pa.ArrowException, csv.Error, RecursionError) as error:
        raise ValueError(f"{location!r} cannot be read as a list: {error}") from error


def _text(location: str) -> io.TextIOWrapper:
    """Names need not be UTF-8; a mark of the byte order, which some editors leave, is no name."""
    file = storage.open_file(location) if is_remote(location) else open(local_path(location), "rb")  # noqa: SIM115, PTH123
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="\n")


def _bounded(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Lines with something in them, without their ends."""
    for number, line in enumerate(_raw(text), 1):
        if line := line.removesuffix("\n").removesuffix("\r"):
            yield number, line


def _raw(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines; one that is too long is cut to just above the bound, and the rest of it passed over."""
    while line := text.readline(MAX_LINE_CHARACTERS + 2):
        yield line
        while line and not line.endswith("\n"):
            line = text.readline(1 << 20)


def _of_text(location: str) -> Iterator[Line]:
    with _text(location) as text:
        for number, line in _bounded(text):
            yield number, line, {}


def _of_csv(location: str) -> Iterator[Line]:
    with _text(location) as text:
        rows = csv.DictReader(_raw(text))
        column = _location_column(location, rows.fieldnames or ())
        for row in rows:
            if row[column]:
                yield rows.line_num, row[column], _said(row)


def _of_json_lines(location: str) -> Iterator[Line]:
    with _text(location) as text:
        for number, line in _bounded(text):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{location!r}, line {number}: no JSON ({error})") from error
            if not isinstance(row, dict):
                raise ValueError(f"{location!r}, line {number}: no JSON object")
            written = row.get(_location_column(location, row))
            if not isinstance(written, str):
                raise ValueError(f"{location!r}, line {number}: {written!r} is no text")
            yield number, written, _said(row)


def _of_parquet(location: str) -> Iterator[Line]:
    file = pq.ParquetFile(storage.open_file(location))
    column = _location_column(location, file.schema_arrow.names)
    number = 0
    for batch in file.iter_batches(1000, columns=[n for n in file.schema_arrow.names if n in {column, *PROVENANCE}]):
        for row in batch.to_pylist():
            number += 1
            if isinstance(row[column], str):
                yield number, row[column], _said(row)


_READERS: Mapping[str, Callable[[str], Iterator[Line]]] = {
    ".txt": _of_text,
    ".csv": _of_csv,
    ".jsonl": _of_json_lines,
    ".parquet": _of_parquet,
}


def _location_column(location: str, names: Iterable[str]) -> str:
    there = list(names)
    column = next((name for name in LOCATION_COLUMNS if name in there), None)
    if column is None:
        shown = ", ".join(map(repr, there[:10]))
        raise ValueError(f"{location!r}: none of {', '.join(LOCATION_COLUMNS)} is among the columns ({shown})")
    return column


def _said(row: Mapping[str, Any]) -> dict[str, str]:
    """Provenance in the types of the tables; other columns say nothing."""
    values = {name: row.get(name) for name in PROVENANCE}
    return {
        name: _printable(str(value)[:MAX_VALUE_CHARACTERS])
        for name, value in values.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    }


def _printable(text: str) -> str:
    """Of what is not UTF-8, the marks that stand for it."""
    return text.encode("utf-8", "replace").decode()
