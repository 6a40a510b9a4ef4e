"""Listing: natural order, any name, nothing missed, nothing followed for ever."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.io import storage
from preprocess.listing import GrowingSources
from preprocess.sources import list_sources
from tests import videos

NAMES = ["clip2.mp4", "clip10.mp4", "with space.mp4", "-dash.mp4", "quote\"'.mp4", "new\nline.mp4", "فيلم 電影.MP4"]


def names(folder: Path) -> list[str]:
    return [os.path.relpath(source.uri, folder) for source in list_sources(os.fspath(folder)).sources]


def test_any_name_is_listed_in_natural_order(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(b"x")
    found = names(tmp_path)
    assert sorted(found) == sorted(NAMES)
    assert found.index("clip2.mp4") < found.index("clip10.mp4")


def test_folders_side_files_and_hidden_ones(tmp_path: Path) -> None:
    for name in (
        "a/b/deep.mkv",
        "film.mp4",
        "film.json",
        "notes.txt",
        ".hidden.mp4",
        ".cache/x.mp4",
        "strange",
        "p.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listing = list_sources(os.fspath(tmp_path))
    assert [os.path.relpath(s.uri, tmp_path) for s in listing.sources] == [
        "a/b/deep.mkv",
        "film.mp4",
        "strange",
    ]
    assert listing.ignored == {".json": 1, ".png": 1, ".txt": 1}
    assert [s.sidecar for s in listing.sources] == [None, os.fspath(tmp_path / "film.json"), None]


def test_output_folder_inside_the_source_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "out" / "media").mkdir(parents=True)
    (tmp_path / "out" / "media" / "x.mp4").write_bytes(b"x")
    (tmp_path / "outer.mp4").write_bytes(b"x")
    listing = list_sources(os.fspath(tmp_path), exclude=os.fspath(tmp_path / "out"))
    assert [Path(s.uri).name for s in listing.sources] == ["outer.mp4"]


def test_links_in_a_circle_end_and_dangling_ones_are_rows(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert names(tmp_path) == ["a.mp4", "dangling.mp4"]


def test_one_file_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert [s.uri for s in list_sources(os.fspath(tmp_path / "a.mp4")).sources] == [os.fspath(tmp_path / "a.mp4")]


def test_nothing_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        list_sources(os.fspath(tmp_path / "nowhere"))


def test_a_folder_that_may_not_be_listed_is_a_row(anybody: Path) -> None:
    (anybody / "shut").mkdir(mode=0)
    (anybody / "film.mp4").write_bytes(b"x")
    film, shut = list_sources(os.fspath(anybody)).sources
    assert (film.uri, film.unreadable) == (os.fspath(anybody / "film.mp4"), None)
    assert shut.uri == os.fspath(anybody / "shut")
    assert "Permission denied" in (shut.unreadable or "")
    with pytest.raises(ValueError, match=r"shut.*Permission denied"):
        list_sources(os.fspath(anybody / "shut"))


@pytest.fixture
def anybody() -> Iterator[Path]:
    """A folder of the user that we are, who is not root for the time: root may read everything."""
    with tempfile.TemporaryDirectory() as folder:
        nobody = 65534
        if os.geteuid() == 0:
            os.chown(folder, nobody, nobody)
            os.seteuid(nobody)
        try:
            yield Path(folder)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)


def test_file_uris_are_the_paths_they_stand_for(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "film.mp4").write_bytes(b"x")
    by_uri = list_sources(f"file://{tmp_path}/a%20b".replace("file:///", "file://localhost/"))
    assert list(by_uri.sources) == list(list_sources(os.fspath(tmp_path / "a b")).sources)
    storage.write_atomic(f"file://{tmp_path}/out%20put/run.json", b"{}")
    assert (tmp_path / "out put" / "run.json").read_bytes() == b"{}"
    with pytest.raises(ValueError, match="another machine"):
        list_sources("file://host/films")


def test_columns_give_the_sources_that_were_put_in(tmp_path: Path) -> None:
    growing = GrowingSources()
    put = [
        Source(uri=f"/films/{n}.mp4", size_bytes=n, modified_ns=-n, provenance=(("license", f"{n}"),))
        for n in random.Random(0).sample(range(25_000), 25_000)
    ]
    for source in put:
        growing.add(source)
    growing.add_sidecar("/films/7.json")
    growing.add_sidecar("/films/8.mp4.json")
    sources = growing.in_natural_order()
    put.sort(key=lambda source: source.size_bytes)
    put[7], put[8] = replace(put[7], sidecar="/films/7.json"), replace(put[8], sidecar="/films/8.mp4.json")
    assert list(sources) == put
    assert [sources[place] for place in (0, 24_999, -1, 7_000)] == [put[place] for place in (0, 24_999, -1, 7_000)]
    assert list(sources[3:20_000:7]) == put[3:20_000:7]
    done = {(source.uri, source.size_bytes, source.modified_ns) for source in put[::2]}
    assert list(sources.without(done)) == put[1::2]
    assert list(sources.larger_than(24_990)) == put[24_991:]
    marked = sources.with_unreadable({"/films/3.mp4": "no"})
    assert [place for place, source in enumerate(marked) if source.unreadable == "no"] == [3]


def test_name_that_is_no_utf8_can_be_listed_and_opened(tmp_path: Path) -> None:
    good = videos.counter_video(tmp_path / "good.mp4", num_frames=5)
    odd = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.mp4")
    os.rename(good, odd)
    (found,) = list_sources(os.fspath(tmp_path)).sources
    found.uri.encode()
    with Video(found) as video:
        assert sum(1 for _ in video.frames()) == 5


def test_names_that_look_like_protocols_are_files(tmp_path: Path) -> None:
    for name in ("concat:a|b.mp4", "http:x.mp4", "%03d.mp4"):
        path = videos.counter_video(tmp_path / "plain.mp4", num_frames=5).rename(tmp_path / name)
        with Video(Source(uri=os.fspath(path), size_bytes=1, modified_ns=0)) as video:
            assert sum(1 for _ in video.frames()) == 5


def test_bucket_is_listed_and_read_like_a_folder(tmp_path: Path) -> None:
    content = videos.counter_video(tmp_path / "v.mp4", num_frames=5).read_bytes()
    for name in ("in/a 1.mp4", "in/sub/b.mp4", "in/.hidden.mp4", "in/notes.txt"):
        storage.write_atomic(f"memory://bucket/{name}", content)
    listing = list_sources("memory://bucket/in")
    assert [s.uri for s in listing.sources] == ["memory://bucket/in/a 1.mp4", "memory://bucket/in/sub/b.mp4"]
    for found in listing.sources:
        assert found.size_bytes == len(content)
        with Video(found) as video:
            assert sum(1 for _ in video.frames()) == 5
