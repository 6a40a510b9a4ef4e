"""Writes are whole or not there, whoever reads meanwhile and whatever fails."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from preprocess.io import storage


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    location = os.fspath(tmp_path / "table.parquet")
    contents = [bytes([number]) * (4 << 20) for number in range(2)]
    storage.write_atomic(location, contents[0])
    ended = threading.Event()

    def write() -> None:
        for number in range(20):
            storage.write_atomic(location, contents[number % 2])
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        assert storage.read_bytes(location) in contents
    writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    location = os.fspath(tmp_path / "table.parquet")
    storage.write_atomic(location, b"old")
    with pytest.raises(TypeError):
        storage.write_atomic(location, "no bytes")  # type: ignore[arg-type]
    assert storage.read_bytes(location) == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]
