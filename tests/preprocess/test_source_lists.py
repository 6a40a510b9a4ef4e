"""Files that list videos: any form, any name, where they come from, and what is wrong with a line."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from preprocess.sources import list_sources

NAMES = ["clip2.mp4", "clip10.mp4", "with space.mp4", "a,b.mp4", 'quote".mp4', "new\nline.mp4", "#%41?.mp4", "ü.mp4"]


@pytest.fixture
def films(tmp_path: Path) -> list[str]:
    """Paths relative to where the list will be."""
    for name in NAMES:
        (tmp_path / "films" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "films" / name).write_bytes(b"x")
    return [f"films/{name}" for name in NAMES]


def write_list(path: Path, films: Sequence[str]) -> None:
    rows = [{"license": "CC0", "uri": film, "title": f"Film {i}", "views": 7} for i, film in enumerate(films)]
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        pd.DataFrame(rows).to_parquet(path)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_lists_name_films_and_say_where_they_come_from(tmp_path: Path, films: list[str], suffix: str) -> None:
    path = tmp_path / f"films{suffix}"
    write_list(path, films)
    listed = list_sources(os.fspath(path)).sources
    in_folder = list_sources(os.fspath(tmp_path / "films")).sources
    assert [(s.uri, s.size_bytes, s.modified_ns) for s in listed] == [
        (s.uri, s.size_bytes, s.modified_ns) for s in in_folder
    ]
    said = {os.path.relpath(source.uri, tmp_path): dict(source.provenance) for source in listed}
    assert said == {film: {"license": "CC0", "title": f"Film {i}"} for i, film in enumerate(films)}


def test_a_text_has_a_location_a_line(tmp_path: Path) -> None:
    for name in ("a.mp4", "b c.mp4"):
        (tmp_path / name).write_bytes(b"x")
    odd = os.path.join(os.fsencode(tmp_path), b"\xff.mp4")
    Path(os.fsdecode(odd)).write_bytes(b"x")
    lines = [b"b c.mp4", b"", b"./b c.mp4", b"\xff.mp4", b"gone.mp4", f"file://{tmp_path}/%61.mp4".encode()]
    (tmp_path / "films.txt").write_bytes(b"\r\n".join(lines))
    listing = list_sources(f"file://{tmp_path}/films.txt")
    assert [source.uri for source in listing.sources] == [
        *(f"{tmp_path}/{name}" for name in ("a.mp4", "b c.mp4", "gone.mp4")),
        f"file://{tmp_path}/%FF.mp4",
    ]
    assert [source.size_bytes for source in listing.sources] == [1, 1, 0, 1]
    assert listing.ignored == {"listed twice": 1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ftp://host/film.mp4", "scheme ftp"),
        ("zip://a::file:///etc/passwd", "scheme zip"),
        ("s3://bucket", "names no file"),
        ("s3:///film.mp4", "names no bucket"),
        ("file://host/film.mp4", "another machine"),
        ("nul\0.mp4", "NUL"),
        ("x" * 1_000_000, "characters"),
    ],
)
def test_lines_that_name_no_file_are_said_before_the_run(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "films.txt"
    path.write_text(f"a.mp4\n{line}\nb.mp4\n{line}\n")
    with pytest.raises(ValueError, match=rf"(?s)line 2: .*{words}.*line 4: ") as caught:
        list_sources(os.fspath(path))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("films.csv", b"name,licence\na.mp4,CC0\n", "none of uri, path, file, url"),
        ("films.csv", b"", "none of uri, path, file, url"),
        ("films.csv", b"uri\n" + b'"' + b"x\n" * 200_000, "field larger"),
        ("films.jsonl", b'{"uri": "a.mp4"}\nnonsense\n', "line 2: no JSON"),
        ("films.jsonl", b"[" * 60_000, "cannot be read|no JSON"),
        ("films.jsonl", b'{"uri": 3}', "3 is no text"),
        ("films.parquet", b"nonsense", "cannot be read as a list"),
    ],
)
def test_what_is_no_list_is_a_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        list_sources(os.fspath(tmp_path / name))
