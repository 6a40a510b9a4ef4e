"""A table in parts is read in their order, and is always of one generation."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from preprocess.io import storage
from preprocess.io.tables import GROUP_ROWS, PART_ROWS, PartedTable, write_parts

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])


def rows(start: int, stop: int) -> pa.Table:
    numbers = np.arange(start, stop)
    return pa.table({"number": numbers, "text": numbers.astype(str)}, schema=SCHEMA)


def numbers(folder: Path | str) -> list[int]:
    return [
        number for batch in PartedTable(os.fspath(folder)).batches(["number"]) for number in batch["number"].to_pylist()
    ]


@pytest.mark.parametrize("count", [0, 1, GROUP_ROWS, PART_ROWS, 2 * PART_ROWS + 1])
def test_rows_come_back_in_parts_of_equal_length(tmp_path: Path, count: int) -> None:
    pieces = (rows(start, min(count, start + 7777)) for start in range(0, count, 7777))
    write_parts(os.fspath(tmp_path / "table"), pieces, SCHEMA)
    assert numbers(tmp_path / "table") == list(range(count))
    table = PartedTable(os.fspath(tmp_path / "table"))
    assert table.num_rows == count
    assert all(batch.num_rows == GROUP_ROWS for batch in list(table.batches())[:-1])
    assert len(list((tmp_path / "table").iterdir())) == max(1, -(-count // PART_ROWS))
    assert pd.read_parquet(tmp_path / "table")["number"].tolist() == list(range(count))
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_a_table_is_rewritten_from_itself(tmp_path: Path) -> None:
    folder = os.fspath(tmp_path / "table")
    write_parts(folder, [rows(0, PART_ROWS + 5)], SCHEMA)
    old = PartedTable(folder)
    write_parts(folder, (batch.slice(1) for batch in old.batches()), SCHEMA)
    assert len(numbers(folder)) == PART_ROWS + 5 - 6


def test_what_fails_half_way_leaves_the_old_table(tmp_path: Path) -> None:
    folder = os.fspath(tmp_path / "table")
    write_parts(folder, [rows(0, 5)], SCHEMA)

    def failing() -> Iterator[pa.Table]:
        yield rows(5, 5 + PART_ROWS)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_parts(folder, failing(), SCHEMA)
    assert numbers(folder) == [0, 1, 2, 3, 4]
    storage.delete_temporaries(os.fspath(tmp_path), deep=False)
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_who_listed_the_parts_before_finds_them_gone_and_never_mixed(tmp_path: Path) -> None:
    folder = os.fspath(tmp_path / "table")
    write_parts(folder, [rows(0, PART_ROWS + 1)], SCHEMA)
    reader = PartedTable(folder).batches()
    next(reader)
    write_parts(folder, [rows(5, 6)], SCHEMA)
    with pytest.raises(FileNotFoundError):
        list(reader)


def test_a_bucket_holds_one_object_of_one_generation() -> None:
    place = f"/bucket-{uuid.uuid4().hex}/clips"
    folder = f"memory:/{place}"
    write_parts(folder, [rows(0, PART_ROWS + 1)], SCHEMA)
    write_parts(folder, PartedTable(folder).batches(), SCHEMA)
    system = fsspec.filesystem("memory")
    (only,) = system.ls(place, detail=False)
    assert numbers(folder) == list(range(PART_ROWS + 1))
    # as it looks where a bucket that was filled from a disk is rewritten, and the rewriting is killed
    system.pipe(f"{place}/part-00001-1f0c3a2b.parquet", system.cat(only))
    write_parts(f"{folder}-new", [rows(7, 9)], SCHEMA)
    system.pipe(only, system.cat(f"{place}-new/part-00000.parquet"))
    assert numbers(folder) == [7, 8]
    write_parts(folder, PartedTable(folder).batches(), SCHEMA)
    assert system.ls(place, detail=False) == [only]
