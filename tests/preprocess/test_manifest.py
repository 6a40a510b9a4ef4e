"""Parts become tables exactly once, whatever is repeated, renamed, replaced or killed in between."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from preprocess.clip import Source
from preprocess.io import storage
from preprocess.manifest import Manifest
from preprocess.units import WorkUnit, divide, plan_units
from tests.preprocess.stored_spans import compact, row, span, write


def clip_ids(manifest: Manifest) -> list[str]:
    return list(pd.read_parquet(storage.join(manifest.location, "clips"))["clip_id"])


def test_parts_are_the_record_until_compaction(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    a, b = span("/b2.mp4"), span("/a10.mp4")
    write(manifest, (a, row(a, "A", 2)))
    write(manifest, (b, row(b, "B", 1)))
    assert manifest.settled_spans() == {a.key, b.key}
    compact(manifest, a, b)
    assert clip_ids(manifest) == ["A-0-0", "A-0-1", "B-0-0"]
    assert manifest.settled_spans() == set()
    assert len(manifest.settled_sources()) == 2
    assert manifest.previews(["A-0-1", "none"]) == {"A-0-1": b"jpeg"}


def test_spans_of_one_film_become_one_source(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    first, second = span("/film.mp4", index=0, count=2), span("/film.mp4", index=1, count=2)
    write(manifest, (second, row(second, "F", 3, "damaged")))
    write(manifest, (first, row(first, "F", 2)))
    compact(manifest, first)
    sources = pd.read_parquet(tmp_path / "sources")
    assert list(sources["num_clips"]) == [5]
    assert list(sources["status"]) == ["damaged"]
    assert clip_ids(manifest) == ["F-0-0", "F-0-1", "F-1-0", "F-1-1", "F-1-2"]


def test_compaction_killed_before_the_parts_were_deleted_changes_nothing(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    a = span("/a.mp4")
    write(manifest, (a, row(a, "A", 2)))
    compact(manifest, a)
    before = pd.read_parquet(tmp_path / "clips")
    write(manifest, (a, row(a, "A", 2)))
    compact(manifest, a)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "clips"), before)


def test_copies_keep_their_clips_once(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    for name in ("/one.mp4", "/two.mp4"):
        of = span(name)
        write(manifest, (of, row(of, "SAME", 2)))
    compact(manifest, span("/one.mp4"), span("/two.mp4"))
    sources = pd.read_parquet(tmp_path / "sources")
    assert list(sources["status"]) == ["ok", "duplicate"]
    assert sources["reason"][1] == "duplicate_of:/one.mp4"
    assert clip_ids(manifest) == ["SAME-0-0", "SAME-0-1"]


def test_renamed_file_takes_its_clips_along(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    old, new = span("/old.mp4"), span("/new.mp4")
    write(manifest, (old, row(old, "SAME", 2)))
    compact(manifest, old)
    write(manifest, (new, row(new, "SAME", 2)))
    compact(manifest, new)
    clips = pd.read_parquet(tmp_path / "clips")
    assert list(clips["clip_id"]) == ["SAME-0-0", "SAME-0-1"]
    assert set(clips["source_uri"]) == {"/new.mp4"}


def test_copy_does_not_lose_its_clips_when_the_first_is_deleted(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    for name in ("/one.mp4", "/two.mp4"):
        of = span(name)
        write(manifest, (of, row(of, "SAME", 2)))
    compact(manifest, span("/one.mp4"), span("/two.mp4"))
    compact(manifest, span("/two.mp4"))
    assert clip_ids(manifest) == ["SAME-0-0", "SAME-0-1"]


def test_replaced_file_replaces_its_rows(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    old, new = span("/a.mp4"), span("/a.mp4", modified_ns=2)
    write(manifest, (old, row(old, "OLD", 2)))
    compact(manifest, old)
    write(manifest, (new, row(new, "NEW", 1)))
    compact(manifest, new)
    assert clip_ids(manifest) == ["NEW-0-0"]


def test_unfinished_temporary_file_is_no_part(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / ".unit.parquet.1234.tmp").write_bytes(b"half")
    assert Manifest(os.fspath(tmp_path)).settled_spans() == set()


def test_no_clips_at_all_is_a_table_too(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    compact(manifest)
    assert clip_ids(manifest) == []


def test_long_films_are_divided_and_short_ones_share() -> None:
    sources = [Source(uri=f"/{n}.mp4", size_bytes=1 << 20, modified_ns=0) for n in range(40)]
    film = Source(uri="/film.mp4", size_bytes=1 << 30, modified_ns=0)
    units = plan_units([*sources, film], {film.uri: 3600.0}, [], span_seconds=300, workers=2)
    spans = [one for unit in units for one in unit.spans]
    assert len(spans) == 40 + 12
    assert [one.window.start_seconds for one in spans[40:42]] == [None, 300.0]
    assert spans[-1].window.end_seconds is None
    assert len(units) >= 8
    left = plan_units(
        [*sources, film], {film.uri: 3600.0}, [one.key for one in spans[:45]], span_seconds=300, workers=2
    )
    assert [one.key for unit in left for one in unit.spans] == [one.key for one in spans[45:]]


def test_unit_names_are_of_the_work_alone() -> None:
    (unit,) = plan_units([span("/a.mp4").source], {}, [], span_seconds=300, workers=1)
    (same,) = plan_units([span("/a.mp4").source], {}, [], span_seconds=300, workers=9)
    assert unit.unit_id == same.unit_id
    assert unit.unit_id != WorkUnit(spans=(span("/a.mp4", modified_ns=2),)).unit_id
    assert len(divide(unit.spans[0].source, 450.0, 300.0)) == 1


def test_a_header_cannot_promise_more_spans_than_there_is_work() -> None:
    spans = divide(span("/a.mp4").source, 1e12, 300.0)
    assert len(spans) == 1000
    assert [spans[0].window.start_seconds, spans[-1].window.end_seconds] == [None, None]
