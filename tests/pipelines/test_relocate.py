"""A manifest whose videos are elsewhere now, by what the command line says or for good."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from preprocess.io.settings import override
from preprocess.manifest import Manifest, part_table
from tests import videos

SMALL = ["rules.short_side.min=none", "rules.text_area.max=none"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "films").mkdir()
    videos.shots_video(folder / "films" / "a.mp4", seconds=(4,), openings=("cut",))
    videos.shots_video(folder / "films" / "b.mp4", seconds=(5,), openings=("cut",))
    shutil.copy(folder / "films" / "b.mp4", folder / "films" / "copy.mp4")
    curate(
        os.fspath(folder / "films"), os.fspath(folder / "out"), override(recipes.default(), SMALL), engine="in-process"
    )
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path) -> Path:
    """The films are in `there` now; OUT says another place, which is empty."""
    shutil.copytree(made / "out", tmp_path / "out")
    shutil.copytree(made / "films", tmp_path / "there")
    for film in (tmp_path / "there").iterdir():
        os.utime(film, (1, 1))  # as a copy has that keeps no times
    main(["relocate", f"{tmp_path}/out", f"{made}/films={tmp_path}/there"])
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    return tmp_path


def uris(out: Path) -> set[str]:
    sources, clips = pd.read_parquet(out / "sources"), pd.read_parquet(out / "clips")
    return {os.path.dirname(uri) for uri in (*sources["uri"], *clips["source_uri"])}


def brightness(out: Path) -> list[float]:
    return pd.read_parquet(out / "clips")["brightness"].tolist()


def test_the_command_says_which_videos_are_missing_and_how_to_map_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = brightness(here / "out")
    assert main(["filter", "brightness", f"{here}/out", "--engine", "in-process"]) == 1
    assert f"--root {here}/there=PLACE" in capsys.readouterr().err
    assert (
        main(
            [
                "filter",
                "brightness",
                f"{here}/out",
                "--engine",
                "in-process",
                "--root",
                f"{here}/there={here}/elsewhere",
            ]
        )
        == 0
    )
    assert brightness(here / "out") == before
    assert uris(here / "out") == {f"{here}/there"}  # said for this once


def test_some_missing_videos_are_told_and_the_others_measured(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    (here / "elsewhere" / "a.mp4").unlink()
    with caplog.at_level(logging.WARNING, "clipmill"):
        run_filter("brightness", f"{here}/out", roots=[f"{here}/there={here}/elsewhere"], engine="in-process")
    assert any("1 of the 2 files" in message and "a.mp4" in message for message in caplog.messages)


def test_a_relocated_manifest_goes_on_where_it_was(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also `curate` has nothing to do: files that are the same ones are known by the time that they have now."""
    for film in (here / "elsewhere").iterdir():
        os.utime(film, (2, 2))
    assert main(["relocate", f"{here}/out", f"{here}/there={here}/elsewhere"]) == 0
    assert "3 files are below their new places now; 3 of them were read" in capsys.readouterr().out
    assert uris(here / "out") == {f"{here}/elsewhere"}
    before = pd.read_parquet(here / "out" / "sources")
    assert set(before["reason"].dropna()) == {f"duplicate_of:{here}/elsewhere/b.mp4"}
    done = curate(f"{here}/elsewhere", f"{here}/out", override(recipes.default(), SMALL), engine="in-process")
    assert done.outcomes.status == 0
    pd.testing.assert_frame_equal(before, pd.read_parquet(here / "out" / "sources"))


def test_what_is_done_of_an_unfinished_film_stays_done(here: Path) -> None:
    manifest = Manifest(f"{here}/out")
    clips, sources = manifest.clips(), manifest.sources()
    assert clips is not None
    assert sources is not None
    (here / "elsewhere" / "long.mp4").write_bytes((here / "elsewhere" / "a.mp4").read_bytes() + b"more")
    facts = (here / "elsewhere" / "long.mp4").stat()
    row = next(row for row in sources.to_pylist() if row["uri"].endswith("a.mp4"))
    row |= {"uri": f"{here}/there/long.mp4", "size_bytes": facts.st_size, "modified_ns": 5, "source_id": None}
    clip = next(clip for clip in clips.to_pylist() if clip["source_uri"].endswith("a.mp4"))
    span = {
        "key": (row["uri"], row["size_bytes"], 5, 0, 2),
        "source": row,
        "clips": [clip | {"source_uri": row["uri"], "preview": b"jpeg"}],
    }
    manifest.write_part("0" * 24, part_table([span], {}))
    assert main(["relocate", f"{here}/out", f"{here}/there={here}/elsewhere"]) == 0
    place = f"{here}/elsewhere/long.mp4"
    assert manifest.settled_spans() == {(place, facts.st_size, facts.st_mtime_ns, 0, 2)}
    (part,) = (here / "out" / "parts").glob("*.parquet")
    (moved,) = pq.read_table(part)["clips"].to_pylist()[0]
    assert moved == {name: value for name, value in span["clips"][0].items() if name in moved} | {"source_uri": place}


def test_other_films_are_refused_and_nothing_is_changed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = here / "elsewhere"
    data = bytearray((films / "a.mp4").read_bytes())
    data[-1] ^= 1  # of the same size
    (films / "a.mp4").write_bytes(data)
    with (films / "b.mp4").open("ab") as film:
        film.write(b"more")
    assert main(["relocate", f"{here}/out", f"{here}/there={films}"]) == 1
    said = capsys.readouterr().err
    assert f"2 files are not those that the manifest was made of; nothing is changed: '{films}/a.mp4'" in said
    assert uris(here / "out") == {f"{here}/there"}


def test_films_that_are_not_there_move_too_and_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = here / "elsewhere"
    (films / "a.mp4").unlink()
    assert main(["relocate", f"{here}/out", f"{here}/there={films}"]) == 3
    assert f"1 files are not there: '{films}/a.mp4'" in capsys.readouterr().out
    assert uris(here / "out") == {f"{films}"}


@pytest.mark.parametrize(
    ("move", "words"), [("{0}/no=/x", "none of its files is below"), ("{0}/there={0}/no", "which is all of them")]
)
def test_a_move_that_finds_nothing_is_refused(
    here: Path, move: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["relocate", f"{here}/out", move.format(here)]) == 1
    assert words in capsys.readouterr().err
    assert uris(here / "out") == {f"{here}/there"}


def test_killed_between_the_tables_the_same_command_ends_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["relocate", f"{here}/out", f"{here}/there={here}/elsewhere"]
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "rewrite_clips", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            main(command)
    assert uris(here / "out") == {f"{here}/there", f"{here}/elsewhere"}
    assert main(command) == 0
    assert uris(here / "out") == {f"{here}/elsewhere"}
