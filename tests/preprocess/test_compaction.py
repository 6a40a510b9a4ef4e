"""Whatever kills a compaction, the next run comes to the tables of one that nobody disturbed."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from preprocess.clip import Source
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.manifest import Manifest
from preprocess.units import SourceSpan, plan_units
from tests.preprocess.stored_spans import COLUMNS, failed, row, span, write

FILM = [span("/film.mp4", index=index, count=4) for index in range(4)]
LONGER = [span("/longer.mp4", index=index, count=3) for index in range(3)]
OLD, NEW = span("/replaced.mp4"), span("/replaced.mp4", modified_ns=2)
COPY, KNOWN, LEFT = (span(f"/{name}.mp4") for name in ("copy", "known", "left"))
HALF = span("/half.mp4", index=1, count=2)
LISTED = [LONGER[0], COPY, FILM[0], KNOWN, NEW, LEFT]


def before_compaction(folder: Path) -> None:
    """A manifest of three files, and the parts of a run that found more: several spans a film and several films a
    part, a file replaced, the copy of one that is replaced, and half a film that is no longer listed."""
    manifest = Manifest(os.fspath(folder))
    write(manifest, (KNOWN, row(KNOWN, "KNOWN", 2)), (OLD, row(OLD, "OLD", 3)), (COPY, row(COPY, "OLD", 3)))
    manifest.compact([OLD.source, COPY.source, KNOWN.source], COLUMNS, {"clipmill_fingerprint": "a"})
    write(manifest, (FILM[2], row(FILM[2], "FILM", 2)))
    write(manifest, (FILM[0], row(FILM[0], "FILM", 1)), (FILM[1], row(FILM[1], "FILM", 2, "damaged")))
    write(manifest, (FILM[3], row(FILM[3], "FILM", 3)), (LONGER[1], row(LONGER[1], "LONGER", 2)))
    write(manifest, (LONGER[2], row(LONGER[2], "LONGER", 1)))
    write(manifest, (LONGER[0], row(LONGER[0], "LONGER", 4)))
    write(manifest, (NEW, row(NEW, "NEW", 1)), (LEFT, row(LEFT, "LEFT", 1)))
    write(manifest, (HALF, row(HALF, "HALF", 1)))


def as_next_run(folder: Path, listed: list[SourceSpan] = LISTED) -> None:
    """Plan what is left, which must be nothing, and compact."""
    manifest = Manifest(os.fspath(folder))
    sources = [of.source for of in listed]
    assert left_to_do(manifest, sources) == []
    with exclusive(manifest.location):
        manifest.compact(sources, COLUMNS, {"clipmill_fingerprint": "b"})


def left_to_do(manifest: Manifest, sources: list[Source]) -> list[SourceSpan]:
    done = manifest.settled_sources()
    todo = [source for source in sources if (source.uri, source.size_bytes, source.modified_ns) not in done]
    units = plan_units(todo, {}, manifest.settled_spans(), span_seconds=300, workers=1)
    return [of for unit in units for of in unit.spans]


def tables(folder: Path) -> list[pd.DataFrame]:
    return [pd.read_parquet(folder / name) for name in ("clips", "sources")]


expected_tables = functools.cache(tables)
"""Of folders that do not change."""


def assert_same(folder: Path, undisturbed: Path) -> None:
    for table, expected in zip(tables(folder), expected_tables(undisturbed), strict=True):
        pd.testing.assert_frame_equal(table, expected)
    ids = tables(folder)[0]["clip_id"]
    assert Manifest(os.fspath(folder)).previews(ids) == dict.fromkeys(ids, b"jpeg")
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "previews" not in path.parts]
    assert len(files) == len(
        [path for path in undisturbed.rglob("*") if path.is_file() and "previews" not in path.parts]
    )
    assert not [path for path in files if path.name.endswith(".tmp")]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    before_compaction(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    shutil.copytree(prepared, folder)
    as_next_run(folder)
    return folder


def test_an_undisturbed_compaction_is_as_it_should_be(undisturbed: Path) -> None:
    clips, sources = tables(undisturbed)
    assert list(sources["uri"]) == [of.source.uri for of in LISTED]
    assert list(sources["status"]) == ["ok", "ok", "damaged", "ok", "ok", "ok"]
    assert list(sources["num_clips"]) == [7, 3, 8, 2, 1, 1]
    owners = clips.groupby("source_id", sort=False)["source_uri"].unique().map(list).to_dict()
    assert owners == {
        "LONGER": ["/longer.mp4"],
        "OLD": ["/copy.mp4"],
        "FILM": ["/film.mp4"],
        "KNOWN": ["/known.mp4"],
        "NEW": ["/replaced.mp4"],
        "LEFT": ["/left.mp4"],
    }
    assert list(sources["num_clips"]) == list(clips.groupby("source_uri", sort=False).size())
    assert len(list((undisturbed / "parts").iterdir())) == 1  # half a film waits for the other half


class StorageError(Exception):
    """Stands for whatever a storage may raise."""


def fail_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the change number `at` to the storage fail before it is done."""
    count = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise StorageError
            return call(*arguments, **named)

        return change

    for name in ("write_atomic", "delete", "delete_temporaries", "replace_folder", "_exchange"):
        monkeypatch.setattr(storage, name, counted(getattr(storage, name)))
    for name in ("replace", "rename", "unlink", "mkdir"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    monkeypatch.setattr(pq, "ParquetWriter", counted(pq.ParquetWriter))


@pytest.fixture(params=["exchange", "aside"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file system that can exchange two folders, and one that cannot."""
    if request.param == "aside":
        monkeypatch.setattr(storage, "_exchange", lambda _first, _second: False)
    return str(request.param)


def assert_old_or_new(folder: Path, prepared: Path, undisturbed: Path, system: str) -> None:
    """What is there before the next run has repaired anything."""
    generations = [expected_tables(place)[0] for place in (prepared, undisturbed)]
    clips = Manifest(os.fspath(folder)).clips()
    assert clips is not None
    assert any(clips.to_pandas().equals(generation) for generation in generations)
    if system == "exchange" or (folder / "clips").exists():
        assert any(tables(folder)[0].equals(generation) for generation in generations)


def test_a_storage_that_fails_at_any_step_loses_nothing(
    prepared: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        shutil.copytree(prepared, folder)
        with monkeypatch.context() as patch:
            fail_at(patch, step)
            try:
                as_next_run(folder)
            except StorageError:
                failed = True
            else:
                failed = False
        assert_old_or_new(folder, prepared, undisturbed, system)
        as_next_run(folder)
        assert_same(folder, undisturbed)
        if not failed:
            break
    assert step > 20


def test_a_kill_at_any_step_loses_nothing(prepared: Path, undisturbed: Path, tmp_path: Path, system: str) -> None:
    """A forked process counts what it does to files, as the interpreter sees it, and kills itself."""
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        shutil.copytree(prepared, folder)
        victim = multiprocessing.get_context("fork").Process(target=compact_until, args=(folder, step))
        victim.start()
        victim.join()
        assert victim.exitcode in (0, -signal.SIGKILL)
        assert_old_or_new(folder, prepared, undisturbed, system)
        as_next_run(folder)
        assert_same(folder, undisturbed)
        if victim.exitcode == 0:
            break
    assert step > 15


def compact_until(folder: Path, at: int) -> None:
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        writing = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wa+")
        if writing or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            step()

    def seen(call: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any) -> Any:
            step()
            return call(*arguments)

        return change

    # what Arrow and the kernel do out of the interpreter's sight
    for name in ("delete", "_exchange"):
        setattr(storage, name, seen(getattr(storage, name)))
    sys.addaudithook(watch)
    as_next_run(folder)


def test_two_divisions_of_one_film_are_one_film(tmp_path: Path) -> None:
    manifest, whole = Manifest(os.fspath(tmp_path)), span("/film.mp4")
    for of in (*FILM, whole):
        write(manifest, (of, row(of, "FILM", 1)))
    write(manifest, (FILM[3], row(FILM[3], "FILM", 1)), (LEFT, row(LEFT, "LEFT", 1)))
    as_next_run(tmp_path, [whole, LEFT])
    assert list(tables(tmp_path)[0]["clip_id"]) == ["FILM-0-0", "LEFT-0-0"]
    assert not list((tmp_path / "parts").iterdir())


def test_half_a_film_is_no_film_and_waits(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    write(manifest, (HALF, row(HALF, "HALF", 1)), (LEFT, row(LEFT, "LEFT", 1)))
    as_next_run(tmp_path, [LEFT])
    assert list(tables(tmp_path)[1]["uri"]) == ["/left.mp4"]
    other = span("/half.mp4", index=0, count=2)
    write(manifest, (other, row(other, "HALF", 1)))
    as_next_run(tmp_path, [HALF, LEFT])
    assert list(tables(tmp_path)[0]["clip_id"]) == ["HALF-0-0", "HALF-1-0", "LEFT-0-0"]
    assert not list((tmp_path / "parts").iterdir())


def test_parts_of_an_older_file_change_nothing(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    write(manifest, (NEW, row(NEW, "NEW", 1)))
    as_next_run(tmp_path, [NEW])
    for listed in ([NEW], []):
        write(manifest, (OLD, row(OLD, "OLD", 1)))
        as_next_run(tmp_path, listed)
        assert list(tables(tmp_path)[0]["clip_id"]) == ["NEW-0-0"]
        assert not list((tmp_path / "parts").iterdir())


def test_columns_that_a_filter_added_outlive_left_over_parts(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    write(manifest, (LEFT, row(LEFT, "LEFT", 1)))
    kept = next((tmp_path / "parts").iterdir()).read_bytes()
    as_next_run(tmp_path, [LEFT])
    clips = manifest.clips()
    assert clips is not None
    manifest.replace_clips(clips.append_column("redness", [[0.5]]), {})
    (tmp_path / "parts" / "again.parquet").write_bytes(kept)
    as_next_run(tmp_path, [LEFT])
    assert list(tables(tmp_path)[0]["redness"]) == [0.5]


def test_a_copy_whose_original_is_in_no_table_is_measured_again(tmp_path: Path) -> None:
    manifest = Manifest(os.fspath(tmp_path))
    write(manifest, (COPY, row(COPY, "LOST", 1, "duplicate")))
    manifest.compact([COPY.source], COLUMNS, {})
    assert left_to_do(manifest, [COPY.source]) == [COPY]


OUTAGE = "machine_failure: OSError: 503"


@pytest.mark.parametrize("again", [FILM[2:3], FILM[1:3]])
def test_a_film_of_which_a_span_met_an_outage_waits_for_it_alone(tmp_path: Path, again: list[SourceSpan]) -> None:
    """`again`: what another run tries; one of these spans was there already, as when a run is killed half-way."""
    undisturbed, film = Manifest(os.fspath(tmp_path / "undisturbed")), [(of, row(of, "FILM", 2)) for of in FILM]
    copy = (COPY, row(COPY, "FILM", 8))
    write(undisturbed, *film, copy)
    as_next_run(tmp_path / "undisturbed", [FILM[0], COPY])
    manifest = Manifest(os.fspath(tmp_path / "out"))
    write(manifest, film[0], film[1], (FILM[2], failed(FILM[2], OUTAGE)))
    write(manifest, film[3], copy, (LEFT, failed(LEFT, "not_found")))
    listed = [FILM[0].source, COPY.source, LEFT.source]
    for _ in range(2):
        manifest.compact(listed, COLUMNS, {"clipmill_fingerprint": "b"})
        clips, sources = tables(tmp_path / "out")
        assert list(sources["reason"].fillna("")) == [OUTAGE, "", "not_found"]
        assert list(clips["source_uri"].unique()) == ["/copy.mp4"]
        done = manifest.settled_sources()
        assert [uri for uri, _, _ in done] == ["/copy.mp4"]
        assert {key[3] for key in manifest.settled_spans() if key[0] == "/film.mp4"} == {0, 1, 3}
    write(manifest, *((of, row(of, "FILM", 2)) for of in again))
    as_next_run(tmp_path / "out", [FILM[0], COPY])
    sources = tables(tmp_path / "out")[1]
    assert sources["reason"].iloc[-1] == "not_found"
    pd.testing.assert_frame_equal(sources[:-1], tables(tmp_path / "undisturbed")[1])
    pd.testing.assert_frame_equal(tables(tmp_path / "out")[0], tables(tmp_path / "undisturbed")[0])
    assert not list((tmp_path / "out" / "parts").iterdir())


def test_what_was_settled_is_tried_again_where_somebody_asks_for_it(tmp_path: Path) -> None:
    manifest, reason = Manifest(os.fspath(tmp_path)), "internal_error: KeyError"
    write(manifest, (LEFT, failed(LEFT, reason)), (KNOWN, row(KNOWN, "KNOWN", 2, "damaged", "too_slow: 9 s")))
    as_next_run(tmp_path, [LEFT, KNOWN])
    write(manifest, (LEFT, row(LEFT, "LEFT", 1)), (KNOWN, row(KNOWN, "KNOWN", 3, "damaged", "too_slow: 9 s")))
    kept = next((tmp_path / "parts").iterdir())
    shutil.copy(kept, tmp_path / "kept")
    as_next_run(tmp_path, [LEFT, KNOWN])  # nobody asked
    assert list(tables(tmp_path)[1]["num_clips"]) == [0, 2]
    shutil.copy(tmp_path / "kept", kept)
    again = ("internal_error", "too_slow")
    assert manifest.settled_sources(again) == {LEFT.key[:3]}
    manifest.compact([LEFT.source, KNOWN.source], COLUMNS, {}, again)
    clips, sources = tables(tmp_path)
    assert list(sources["num_clips"]) == [1, 3]
    assert len(clips) == 4
    assert not list((tmp_path / "parts").iterdir())
