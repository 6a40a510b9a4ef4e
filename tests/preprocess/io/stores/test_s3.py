"""Buckets that speak S3: any key, and whatever is wrong is a sentence, never silence."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from preprocess.clip import Source
from preprocess.errors import MediaError, StorageError
from preprocess.io import storage
from preprocess.probe import open_source
from preprocess.sources import list_sources
from tests.buckets import make_bucket, moto_server, use_server

KEYS = [
    "a b.mp4",
    "ü.mp4",
    "u\u0308.mp4",
    "[x]?.mp4",
    "h#.mp4",
    "%41.mp4",
    "A.mp4",
    "%.mp4",
    "a+b.mp4",
    "return\r.mp4",
    "control\x01.mp4",
    "/slash first.mp4",
    "a//b.mp4",
    "x/../y.mp4",
    "./z.mp4",
    "x/./y.mp4",
    "slash at the end.mp4/",
    "back\\slash.mp4",
    "~&<>\"'.mp4",
    "long" * 255 + ".mp4",
]
"""All that S3 allows, but for a newline, which moto's router does not know (`tests/preprocess/test_ranges.py`)."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(autouse=True)
def in_use(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(monkeypatch, server)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def source(uri: str) -> Source:
    return Source(uri=uri, size_bytes=0, modified_ns=0)


def test_any_key_can_be_written_listed_and_read() -> None:
    bucket = make_bucket("any-key")
    for key in KEYS:
        storage.write_atomic(f"{bucket}/{key}", key.encode())
    storage.write_atomic(f"{bucket}/folder/", b"")  # what a console makes
    found = list_sources(bucket).sources
    assert sorted(one.uri for one in found) == sorted(f"{bucket}/{key}" for key in KEYS)
    for one in found:
        with open_source(one) as file:
            assert f"{bucket}/{file.read().decode()}" == one.uri
        assert [again.uri for again in list_sources(one.uri.rstrip("/")).sources] == [one.uri]
    assert [one.uri for one in list_sources(f"{bucket}/x/").sources] == [f"{bucket}/x/./y.mp4", f"{bucket}/x/../y.mp4"]


def test_reads_at_any_place_give_what_is_there() -> None:
    content = random.Random(0).randbytes(20 << 20)
    uri = f"{make_bucket('ranges')}/film.mp4"
    storage.write_atomic(uri, content)
    chance = random.Random(1)
    with open_source(source(uri)) as file:
        for _ in range(200):
            start, length = chance.randrange(len(content)), chance.choice([10, 32 << 10, 1 << 20])
            file.seek(start)
            for at in range(start, start + 4 * length, length):
                assert file.read(length) == content[at : at + length]
        assert file.seek(-5, 2) == len(content) - 5
        assert file.read(10) == content[-5:]


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed() -> None:
    uri = f"{make_bucket('replaced')}/film.mp4"
    storage.write_atomic(uri, b"a" * (1 << 20))
    with open_source(source(uri)) as file:
        storage.write_atomic(uri, b"b" * (1 << 20))
        with pytest.raises(StorageError, match="replaced"):
            file.read()


def test_only_one_of_two_writers_is_first() -> None:
    uri = f"{make_bucket('first')}/lock"
    first = storage.write_if(uri, b"one", None)
    assert first is not None
    assert storage.write_if(uri, b"two", None) is None
    assert storage.write_if(uri, b"two", first) is not None
    assert storage.write_if(uri, b"three", first) is None
    assert storage.read_tagged(uri)[0] == b"two"


@pytest.mark.parametrize("location", ["s3://no-such-bucket", "s3://no-such-bucket/films", "s3://no bucket/films"])
def test_a_bucket_that_is_not_there_is_a_sentence(location: str) -> None:
    with pytest.raises(ValueError, match=r"no such bucket|no name that S3 allows"):
        list_sources(location)
    with pytest.raises(ValueError, match=r"no such bucket|no name that S3 allows"):
        storage.check(location)
    with pytest.raises(StorageError, match=r"no such bucket|no name that S3 allows"):
        storage.read_bytes(f"{location}/run.json")
    with pytest.raises(MediaError) as caught:
        open_source(source(f"{location}/film.mp4"))
    assert caught.value.reason == "not_found"


def test_a_server_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"no answer from http://127\.0\.0\.1:9"):
        list_sources("s3://films")
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL"):
        open_source(source("s3://films/film.mp4"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        list_sources("s3://films")


@pytest.mark.parametrize("location", ["s3://", "s3:///films", "nonsense://films/x", "sftp://films/x"])
def test_what_is_no_location_is_a_sentence(location: str) -> None:
    with pytest.raises(ValueError, match=r"names no bucket|nothing for|paramiko"):
        list_sources(location)
