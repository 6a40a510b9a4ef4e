"""Files that a table names in another place than they are now."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from preprocess.io.at_hand import common_folders, missing_of, refuse_missing
from preprocess.io.locations import local_uri
from preprocess.io.roots import Roots


@pytest.mark.parametrize(
    ("moves", "uri", "now"),
    [
        (["/data=/mnt"], "/data/a/b.mp4", "/mnt/a/b.mp4"),
        (["/data/=/mnt/"], "/data/b.mp4", "/mnt/b.mp4"),
        (["/data=/mnt"], "/database/b.mp4", "/database/b.mp4"),
        (["/data=/mnt", "/data/new=/fast"], "/data/new/b.mp4", "/fast/b.mp4"),
        (["s3://old=/mnt"], "s3://old/a%20b?c#d.mp4", "/mnt/a%20b?c#d.mp4"),
        (["/mnt=s3://new/films"], "/mnt/a b.mp4", "s3://new/films/a b.mp4"),
        (["s3://old/2020=gs://new"], "s3://old/2020/a.mp4", "gs://new/a.mp4"),
        (["/a=/b/day=1"], "/a/x.mp4", "/b/day=1/x.mp4"),
        (["/a/day=1=/b"], "/a/day=1/x.mp4", "/b/x.mp4"),
        (["/=/mnt"], "/x.mp4", "/mnt/x.mp4"),
        (["/data/a.mp4=/mnt/b.mp4"], "/data/a.mp4", "/mnt/b.mp4"),
        ([], "/data/a.mp4", "/data/a.mp4"),
    ],
)
def test_what_lies_below_one_folder_lies_below_the_other(moves: list[str], uri: str, now: str) -> None:
    roots = Roots.of(moves)
    assert roots.moved(uri) == now
    assert Roots.of(str(roots).splitlines()) == roots


def test_names_that_are_no_text_move_too() -> None:
    roots = Roots.of(["/data=/mnt"])
    assert roots.moved(local_uri(b"/data/\xff/a.mp4")) == local_uri(b"/mnt/\xff/a.mp4")
    in_bucket = Roots.of(["/data=s3://b"])
    assert in_bucket.moved(local_uri(b"/data/\xff.mp4")) == local_uri(b"/data/\xff.mp4")


@pytest.mark.parametrize("uri", ["s3://old/../etc/passwd", "s3://old/a/../../etc/passwd"])
def test_no_name_leads_out_of_the_new_place(uri: str) -> None:
    assert Roots.of(["s3://old=/mnt"]).moved(uri) == uri


@pytest.mark.parametrize("said", ["/data", "=/mnt", "/data=", "a=b=c", "/a=/b=/c"])
def test_a_move_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"--root .*: expected A=B"):
        Roots.of([said])


def test_one_folder_is_in_one_place() -> None:
    assert Roots.of(["/a=/b", "/a/=/b"]) == Roots.of(["/a=/b"])
    with pytest.raises(ValueError, match="cannot be in two places"):
        Roots.of(["/a=/b", "/a=/c"])


def test_common_folders_are_told_by_disk_and_bucket() -> None:
    uris = ["/data/x/a.mp4", "/data/x/y/b.mp4", "/data/x/c.mp4", "s3://k/p/a.mp4", "s3://k/p/q/a://b.mp4", "/data/xx"]
    assert common_folders(uris) == ["/data", "s3://k/p"]
    assert common_folders(uris[:3]) == ["/data/x"]


def test_some_missing_files_are_told_and_all_missing_ones_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = tmp_path / "a.mp4"
    there.touch()
    gone = [os.fspath(tmp_path / f"gone/{n}.mp4") for n in range(5)]
    assert missing_of([os.fspath(there), *gone, "https://host/x.mp4"]) == gone
    with caplog.at_level(logging.WARNING, "clipmill"):
        refuse_missing([os.fspath(there)], home="out")
        assert not caplog.messages
        refuse_missing([os.fspath(there), *gone], home="out")
    (message,) = caplog.messages
    assert "5 of the 6 files of 'out'" in message
    assert f"--root {tmp_path / 'gone'}=PLACE" in message
    with pytest.raises(ValueError, match=r"5 of the 5 files of 'out'.*relocate"):
        refuse_missing(gone, home="out")
