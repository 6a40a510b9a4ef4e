"""The same in a bucket, which cannot change two objects at once: whatever fails, at whatever step, the next run comes
to the tables of one that nobody disturbed."""

from __future__ import annotations

import io
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest

from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.manifest import Manifest
from preprocess.sweep import sweep
from tests.buckets import make_bucket, moto_server, use_server
from tests.preprocess.stored_spans import COLUMNS
from tests.preprocess.test_compaction import LISTED, before_compaction, left_to_do


class SuddenError(Exception):
    """As sudden as a kill, but that a test survives it."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(autouse=True)
def in_use(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(monkeypatch, server)


def objects(bucket: str) -> dict[str, bytes]:
    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def filled(bucket: str, content: dict[str, bytes]) -> str:
    location = make_bucket(bucket)
    for key, data in content.items():
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
    return f"{location}/out"


def table(content: dict[str, bytes], name: str) -> pd.DataFrame:
    """As any reader of a folder of Parquet files has it."""
    parts = [data for key, data in sorted(content.items()) if key.startswith(f"out/{name}/")]
    return pd.concat([pd.read_parquet(io.BytesIO(part)) for part in parts], ignore_index=True)


def next_run(location: str) -> None:
    manifest = Manifest(location)
    sources = [of.source for of in LISTED]
    with exclusive(location):
        manifest.mend()
        assert left_to_do(manifest, sources) == []
        manifest.compact(sources, COLUMNS, {"clipmill_fingerprint": "b"})


def fail_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Fail at the change number `at`: the odd ones before it is done, the even ones after."""
    count = itertools.count(1)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any) -> None:
            if next(count) == at:
                raise SuddenError
            call(*arguments)
            if next(count) == at:
                raise SuddenError

        return change

    for name in ("write_atomic", "upload", "delete", "delete_folder"):
        monkeypatch.setattr(storage, name, counted(getattr(storage, name)))


@pytest.fixture(scope="module", params=["one object a table", "filled from a disk"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What `before_compaction` makes. From a disk comes a table of clips of several parts."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "filled from a disk":
            patch.setattr("preprocess.io.tables.GROUP_ROWS", 1)
            patch.setattr("preprocess.io.tables.PART_ROWS", 2)
        before_compaction(folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    content = {f"out/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}
    assert len([key for key in content if key.startswith("out/clips/")]) == (1 if "one" in request.param else 3)
    return content


def test_a_failure_at_any_step_loses_nothing(
    prepared: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    name = f"kills-{abs(hash(request.node.name))}"
    next_run(filled(f"{name}-undisturbed", prepared))
    undisturbed = objects(f"{name}-undisturbed")
    generations = [table(content, "clips") for content in (prepared, undisturbed)]
    for step in itertools.count(1, 3):
        location = filled(f"{name}-{step}", prepared)
        failed = False
        with monkeypatch.context() as patch:
            fail_at(patch, step)
            try:
                next_run(location)
            except SuddenError:
                failed = True
        seen = Manifest(location).clips()
        assert seen is not None
        assert any(seen.to_pandas().equals(generation) for generation in generations)
        next_run(location)
        after = objects(f"{name}-{step}")
        for one in ("clips", "sources"):
            pd.testing.assert_frame_equal(table(after, one), table(undisturbed, one))
        assert [key for key in after if "/previews/" not in key] == [
            key for key in undisturbed if "/previews/" not in key
        ]
        if not failed:
            break
    assert step > 15


def test_what_a_killed_upload_left_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    location, client = make_bucket("halves"), boto3.client("s3")
    for key in ("out/clips/part-00000.parquet", "theirs"):
        client.create_multipart_upload(Bucket="halves", Key=key)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with exclusive(f"{location}/out"):
        sweep(f"{location}/out")
    assert [left["Key"] for left in client.list_multipart_uploads(Bucket="halves")["Uploads"]] == ["theirs"]
