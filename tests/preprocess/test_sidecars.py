"""What lies beside a video is read with care: it may be anything, and of any size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from preprocess.sidecars import read_sidecar, sidecar_names, text_in


def test_names_are_those_of_the_film() -> None:
    assert sidecar_names("s3://a/b.c/film.mp4") == ("s3://a/b.c/film.json", "s3://a/b.c/film.mp4.json")


def test_texts_can_be_stored_whatever_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": "x\\ud83dy", "b": "\\ud83d\\ude00", "c": NaN, "d": 1.5, "e": true, "f": [1], "g": 1e999}')
    facts = read_sidecar(os.fspath(path))
    assert facts is not None
    assert [text_in(facts, key) for key in "abcdefg"] == ["x\ufffdy", "\U0001f600", None, "1.5", None, None, "inf"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 200_000, "nested"),
        (b'{"a":' * 200_000, "nested"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "digits"),
        (b"[1]", "not a JSON object"),
        (b"\xff\xfe{", "utf-16"),
        (b"", "Expecting value"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', "over 300000 bytes"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_sidecar(os.fspath(path), max_bytes=300_000 if b"x" in content else 2_000_000)


def test_no_more_is_read_than_is_allowed(tmp_path: Path) -> None:
    """A sparse file of a terabyte: reading all of it would end here."""
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="over 1000 bytes"):
        read_sidecar(os.fspath(path), max_bytes=1000)
