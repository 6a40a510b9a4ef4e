"""SOURCE and OUT in buckets of an S3-compatible server: the tables of a run on folders, whatever the server does."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import StorageError
from preprocess.io import storage
from preprocess.io.settings import override
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server
from tests.faulty_proxy import Fault, FaultyProxy

NAMES = ["a b.mp4", "ü%41#?[x]+.mp4", "sub/film 10.mp4", "sub/film 2.mp4"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "sub").mkdir()
    for number, name in enumerate(NAMES):
        videos.shots_video(folder / name, seconds=(3.2 + number / 4, 3.5), openings=("cut", "cut"))
    (folder / "a b.json").write_text('{"license": "CC0"}')
    return folder


@pytest.fixture(scope="module")
def undisturbed(films: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    out = tmp_path_factory.mktemp("undisturbed")
    curate(os.fspath(films), os.fspath(out), small(), engine="in-process")
    return tables(os.fspath(out), os.fspath(films))


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[FaultyProxy, str]]:
    with moto_server() as server:
        between = FaultyProxy(server)
        with between.serving() as address:
            yield between, address


@pytest.fixture
def bucket(films: Path, proxy: tuple[FaultyProxy, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The films as objects, by way of the proxy."""
    use_server(monkeypatch, proxy[1])
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    source = make_bucket("films")
    for path in films.rglob("*.*"):
        storage.write_atomic(f"{source}/{path.relative_to(films)}", path.read_bytes())
    return source


def small() -> CurateConfig:
    return override(recipes.default(), ["rules.short_side.min=none"])


def tables(out: str, source: str) -> dict[str, pd.DataFrame]:
    """What a manifest holds, with locations relative to the source, and without times of files."""
    found = {}
    for name, column in (("clips", "source_uri"), ("sources", "uri")):
        parts = [storage.read_bytes(f"{out}/{name}/{part}") for part in storage.list_files(f"{out}/{name}", ".parquet")]
        table = pd.concat([pd.read_parquet(io.BytesIO(part)) for part in parts if part], ignore_index=True)
        table[column] = [uri.removeprefix(f"{source}/") for uri in table[column]]
        found[name] = table.drop(columns="modified", errors="ignore")
    return found


def assert_same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])


def test_buckets_give_the_tables_of_folders(bucket: str, undisturbed: dict[str, pd.DataFrame]) -> None:
    out = f"{make_bucket('curated')}/a run?"
    assert curate(bucket, out, small(), engine="local").outcomes.status == 0
    found = tables(out, bucket)
    assert_same(found, undisturbed)
    assert set(found["sources"]["uri"]) == set(NAMES)
    for uri in found["clips"]["source_uri"]:  # what a row says can be read back
        with Video(Source(uri=f"{bucket}/{uri}", size_bytes=0, modified_ns=0)) as video:
            assert next(iter(video.frames())).pts == 0


def outcome(source: str, out: str) -> int | str:
    """The exit status of a run, or the sentence with which it stops."""
    try:
        return curate(source, out, small(), engine="local").outcomes.status
    except (ValueError, StorageError) as error:
        return str(error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "below", "skips"),
    [
        ("slow", "/", 0),
        *(
            pytest.param(*case, marks=pytest.mark.attack)
            for case in (("busy", "/films", 3), ("busy", "/", 20), ("reset", "/films", 3), ("reset", "/", 20))
        ),
    ],
)
def test_after_an_outage_the_same_command_gives_the_same_tables(
    bucket: str,
    undisturbed: dict[str, pd.DataFrame],
    proxy: tuple[FaultyProxy, str],
    fault: Fault,
    below: str,
    skips: int,
) -> None:
    """The outage outlasts all patience; where OUT is out of reach, too, the run stops with a sentence."""
    between, _ = proxy
    out = f"{make_bucket(f'curated-{fault}-{skips}')}/out"
    between.fault, between.below, between.skips, between.struck = fault, below, skips, 0
    ended = outcome(bucket, out)
    between.fault = None
    if below == "/" and fault != "slow":
        assert isinstance(ended, str)
        assert "s3://" in ended
    else:
        assert ended == (0 if fault == "slow" else 3)
    assert between.struck
    assert curate(bucket, out, small(), engine="in-process").outcomes.status == 0
    assert_same(tables(out, bucket), undisturbed)
