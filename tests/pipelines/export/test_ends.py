"""Exports that were killed, and films that are away: the same command brings about what it would have at once."""

import itertools
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pipelines.__main__ import main
from pipelines.cut import Work
from pipelines.export.order import order
from pipelines.export.planning import Wish
from pipelines.export.profiles import trainers
from pipelines.export.run import run_export
from preprocess.io import storage
from tests.buckets import make_bucket, moto_server, use_server
from tests.pipelines.export.manifests import clip_of, film, manifest, share_that_holds_out_one
from tests.pipelines.export.test_files import content

HERE = Work(engine="in-process")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [film(folder, f"{name}.mp4", fps=Fraction(rate), seconds=1.5) for name, rate in (("a", 24), ("b", 25))]


@pytest.fixture(scope="module")
def rows(films):
    return [*map(clip_of, films), clip_of(films[0], start=0.25, end=1.25)]


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.attack)])
def test_killed_at_any_write_it_is_finished_by_the_same_command(stride, rows, tmp_path):
    out = manifest(tmp_path / "out", rows)
    wanted = order("musubi", frames=9)
    wish = Wish(held_out=share_that_holds_out_one(rows))
    whole = tmp_path / "whole"
    run_export(out, os.fspath(whole), wanted, wish, HERE)
    for step in itertools.count(step=stride):
        dest = tmp_path / str(step)
        died = killed(out, dest, wanted, wish, step)
        assert finished(dest) is not died
        run_export(out, os.fspath(dest), wanted, wish, HERE)
        assert content(dest) == content(whole)
        if not died:
            break
    assert step > 6


def finished(dest: Path) -> bool:
    record = dest / "export.json"
    return record.is_file() and '"finished": true' in record.read_text()


def killed(out, dest, wanted, wish, step) -> bool:
    """Whether the export died at its `step`-th write of a file."""

    def both() -> None:
        left, write = [step], storage.write_atomic

        def dying(location, data):
            if os.fspath(dest) in location:
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
            write(location, data)

        storage.write_atomic = dying
        run_export(out, os.fspath(dest), wanted, wish, HERE)

    victim = multiprocessing.get_context("fork").Process(target=both)
    victim.start()
    victim.join()
    assert victim.exitcode in (0, -signal.SIGKILL)
    return victim.exitcode != 0


def test_a_film_that_is_away_is_told_and_made_good_later(films, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    here = [Path(shutil.copy2(each, tmp_path / "in")) for each in films]
    out = manifest(tmp_path / "out", map(clip_of, here))
    here[0].rename(tmp_path / "away.mp4")
    words = ["export", out, os.fspath(tmp_path / "to"), "--for", "jsonl", "--engine", "in-process"]
    assert main(words) == 3
    assert "left out: 1 could not be made into files" in capsys.readouterr().out
    (tmp_path / "away.mp4").rename(here[0])
    assert main(words) == 0
    assert "2 clips: 2 in train" in capsys.readouterr().out


def test_films_that_have_moved_are_found_by_root(films, tmp_path):
    (tmp_path / "old").mkdir()
    moved = [Path(shutil.copy2(each, tmp_path / "old")) for each in films]
    out = manifest(tmp_path / "out", map(clip_of, moved))
    (tmp_path / "old").rename(tmp_path / "new")
    words = ["export", out, os.fspath(tmp_path / "to"), "--for", "csv", "--engine", "in-process"]
    assert main([*words, "--root", f"{tmp_path / 'old'}={tmp_path / 'new'}"]) == 0
    assert len(list((tmp_path / "to" / "train").glob("*.mp4"))) == 2


def test_a_bucket_holds_what_a_folder_does(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.export.run.find_spec", lambda name: True)
    out = manifest(tmp_path / "out", rows)
    run_export(out, os.fspath(tmp_path / "to"), order("musubi", frames=9), Wish(), HERE, at="/data")
    with moto_server() as server:
        use_server(monkeypatch, server)
        dest = f"{make_bucket('dest')}/y z"
        with pytest.raises(ValueError, match="musubi reads from disks: say with --at"):
            run_export(out, dest, order("musubi", frames=9), Wish(), HERE)
        with pytest.raises(ValueError, match="written to a folder on a disk"):
            run_export(out, dest, replace(order("jsonl"), trainer=trainers()["webdataset"]), Wish(), HERE)
        for _ in range(2):
            run_export(out, dest, order("musubi", frames=9), Wish(), HERE, at="/data")
        for name in content(tmp_path / "to"):
            there = storage.read_bytes(f"{dest}/{name}")
            assert there
            if not name.endswith((".mp4", ".parquet")):
                assert there == (tmp_path / "to" / name).read_bytes()
