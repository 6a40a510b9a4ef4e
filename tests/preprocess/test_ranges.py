"""Films that are read by ranges: few requests, few bytes to look at one, and a failure is never the end of the film."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.demo_films.encode import write_video
from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import MediaError, StorageError
from preprocess.io.stores import web
from preprocess.probe import header_seconds
from preprocess.sources import list_sources
from tests import videos
from tests.buckets import use_server
from tests.range_server import RangeServer

BUILDERS = {"mp4": videos.with_sound, "ts": videos.mpeg_ts, "avi": videos.mpeg4_avi, "webm": videos.webm}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RangeServer, str]]:
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    web._session_of.cache_clear()
    ranges = RangeServer(tmp_path)
    with ranges.serving() as address:
        yield ranges, address


def source(uri: str) -> Source:
    return Source(uri=uri, size_bytes=0, modified_ns=0)


def padded(film: Path, num_bytes: int) -> None:
    """Put so many bytes that no player looks at, which take no place on the disk, before the index of an MP4."""
    content = film.read_bytes()
    index = content.index(b"moov") - 4
    with film.open("wb") as file:
        file.write(content[:index] + struct.pack(">I4s", num_bytes, b"free"))
        file.seek(num_bytes - 8, 1)
        file.write(content[index:])


def frames(uri: str) -> list[tuple[int, bytes]]:
    with Video(source(uri)) as video:
        return [(frame.pts, frame.raw.to_ndarray(format="gray").tobytes()) for frame in video.frames()]


def test_a_look_at_a_film_of_2_gb_fetches_kilobytes(tmp_path: Path, server: tuple[RangeServer, str]) -> None:
    ranges, address = server
    film = videos.with_sound(tmp_path / "film.mp4")
    seconds = header_seconds(source(str(film)))
    padded(film, 2_000_000_000)
    assert header_seconds(source(f"{address}/film.mp4")) == seconds
    assert ranges.num_bytes < 300_000
    assert len(ranges.spans) < 8


@pytest.mark.parametrize("kind", BUILDERS)
def test_frames_by_ranges_are_those_of_the_file(tmp_path: Path, server: tuple[RangeServer, str], kind: str) -> None:
    film = BUILDERS[kind](tmp_path / f"a b%41ü.{kind}")
    by_ranges = frames(f"{server[1]}/a b%2541ü.{kind}")
    assert by_ranges == frames(str(film))
    server[0].knows_ranges = False
    assert by_ranges == frames(f"{server[1]}/a b%2541ü.{kind}")


def test_a_film_that_is_hashed_and_decoded_is_fetched_once(tmp_path: Path, server: tuple[RangeServer, str]) -> None:
    film = videos.counter_video(tmp_path / "film.mkv", num_frames=200, size=(640, 360))
    frames(f"{server[1]}/film.mkv")
    assert server[0].num_bytes == film.stat().st_size


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "avi"])
def test_a_read_that_fails_is_never_the_end_of_a_film(
    tmp_path: Path, server: tuple[RangeServer, str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ranged.AHEAD_BYTES", "ranged.FIRST_BYTES", "stores.web.FIRST_BYTES"):
        monkeypatch.setattr(f"preprocess.io.{name}", 8 << 10)
    ranges, address = server
    noise = np.random.default_rng(0).integers(0, 255, (8, 90, 160, 3), np.uint8)
    write_video(tmp_path / f"film.{kind}", iter(noise), fps=videos.FPS)

    def read() -> int:
        ranges.forget()
        with Video(source(f"{address}/film.{kind}"), source_id="known") as video:
            return sum(1 for _ in video.frames())

    assert read() == 8
    requests = len(ranges.spans)
    assert requests > 6
    for ranges.fails_at in range(requests):
        with pytest.raises(StorageError):
            read()


def test_one_address_is_a_source_and_what_is_wrong_with_it_is_said(
    tmp_path: Path, server: tuple[RangeServer, str]
) -> None:
    film = videos.with_sound(tmp_path / "film.mp4")
    ranges, address = server
    (found,) = list_sources(f"{address}/film.mp4").sources
    assert (found.uri, found.size_bytes) == (f"{address}/film.mp4", film.stat().st_size)
    with pytest.raises(ValueError, match="cannot be listed"):
        list_sources(f"{address}/nowhere.mp4")
    with pytest.raises(MediaError, match="not_found"):
        header_seconds(source(f"{address}/nowhere.mp4"))
    ranges.fails_at = 0
    with pytest.raises(ValueError, match="503"):
        list_sources(f"{address}/film.mp4")
    with pytest.raises(ValueError, match="no answer"):
        list_sources("http://127.0.0.1:9/film.mp4")


def test_keys_with_newlines_are_listed_and_read(
    tmp_path: Path, server: tuple[RangeServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_server(monkeypatch, server[1])
    film = videos.counter_video(tmp_path / "new\nline\r\n.mp4")
    (tmp_path / "films").mkdir()
    film.rename(tmp_path / "films" / film.name)
    (found,) = list_sources("s3://films").sources
    assert found.uri == f"s3://films/{film.name}"
    assert frames(found.uri) == frames(str(tmp_path / "films" / film.name))
