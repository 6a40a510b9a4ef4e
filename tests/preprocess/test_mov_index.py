"""Edit lists that play a film over and over are refused before they take memory; those that people make are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.mov_index import check_mov_index, check_repeats
from tests import videos
from tests.fault_films import FAULT_FILMS, edited


def test_tables_that_would_take_gigabytes_are_refused_unopened(tmp_path: Path) -> None:
    for name in ("edits.mov", "frames.mov"):
        FAULT_FILMS[name].build(tmp_path / name)
        with (tmp_path / name).open("rb") as file, pytest.raises(MediaError, match="too_large"):
            check_mov_index(file)


@pytest.mark.parametrize("edits", [[(500, 48), (500, 0)] * 20, [(4000, 0)] * 12, [(2000, 48)]])
def test_edits_that_people_make_are_played(tmp_path: Path, edits: list[tuple[int, int]]) -> None:
    path = tmp_path / "v.mov"
    edited(path, edits=edits)
    with Video(Source(uri=str(path), size_bytes=0, modified_ns=0)) as video:
        assert sum(1 for _ in video.frames()) >= 48


def test_what_an_opened_file_lists_is_held_to_the_same(tmp_path: Path) -> None:
    check_repeats(25_000, 1000)
    with pytest.raises(MediaError, match="27000 of 1000"):
        check_repeats(27_000, 1000)
    check_repeats(10**9, 0)  # most containers do not say how many frames they have


@pytest.mark.parametrize("build", [videos.mpeg_ts, videos.without_index, videos.cut_short, videos.text_file])
def test_other_and_broken_files_are_left_to_ffmpeg(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    build(tmp_path / ("v.ts" if build is videos.mpeg_ts else "v.mp4"))
    for each in tmp_path.iterdir():
        with each.open("rb") as file:
            check_mov_index(file)
            assert file.tell() == 0
        content = each.read_bytes()
        for length in range(0, min(len(content), 400), 7):
            each.write_bytes(content[:length])
            with each.open("rb") as file:
                check_mov_index(file)
