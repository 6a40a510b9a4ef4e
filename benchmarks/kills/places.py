"""Where the films and the manifest of a torture lie: in folders, or in buckets of an S3-compatible server."""

from __future__ import annotations

import io
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq

Rows = list[dict[str, Any]]


class Place(ABC):
    """A source of films and a manifest, which begin empty."""

    films: str
    out: str

    @abstractmethod
    def offer(self, films: Sequence[Path]) -> None:
        """Let the source hold exactly these, with what accompanies them."""

    @abstractmethod
    def names(self) -> list[str]:
        """Every file of the manifest, by its path below OUT."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """One of them."""

    @abstractmethod
    def clear(self) -> None:
        """Remove the manifest."""

    def rows(self, table: str) -> Rows:
        """All rows of all parts of a table, in the order of the names, as any reader of Parquet folders has them."""
        parts = sorted(name for name in self.names() if name.startswith(f"{table}/") and name.endswith(".parquet"))
        return [row for part in parts for row in pq.read_table(io.BytesIO(self.read(part))).to_pylist()]

    def leftovers(self) -> list[str]:
        """What no run that has ended leaves behind."""
        return [
            name
            for name in self.names()
            if ".tmp" in name
            or ".replaced" in name
            or name == "run.next.json"
            or name.partition("/")[0] in ("attempts", "columns", "parts")
        ]


class Folders(Place):
    """On a local disk."""

    def __init__(self, folder: Path) -> None:
        self._films, self._out = folder / "films", folder / "out"
        self.films, self.out = str(self._films), str(self._out)

    def offer(self, films: Sequence[Path]) -> None:
        """Copies, with their times."""
        self._films.mkdir(parents=True, exist_ok=True)
        wanted = {path.name: path for path in _with_sidecars(films)}
        for path in self._films.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, path in wanted.items():
            if not (self._films / name).exists():
                shutil.copy2(path, self._films / name)

    def names(self) -> list[str]:
        """Hidden ones, too."""
        return [path.relative_to(self._out).as_posix() for path in self._out.rglob("*") if path.is_file()]

    def read(self, name: str) -> bytes:
        """From the disk."""
        return (self._out / name).read_bytes()

    def clear(self) -> None:
        """With all in it."""
        shutil.rmtree(self._out, ignore_errors=True)


class Buckets(Place):
    """At the server that the environment names."""

    films, out = "s3://films/all", "s3://curated/out"

    def __init__(self) -> None:
        self._client = boto3.client("s3")
        for bucket in ("films", "curated"):
            self._client.create_bucket(Bucket=bucket)

    def offer(self, films: Sequence[Path]) -> None:
        """Those that are there already keep their time."""
        wanted = {f"all/{path.name}": path for path in _with_sidecars(films)}
        there = self._keys("films")
        for key in there - wanted.keys():
            self._client.delete_object(Bucket="films", Key=key)
        for key in wanted.keys() - there:
            self._client.put_object(Bucket="films", Key=key, Body=wanted[key].read_bytes())

    def names(self) -> list[str]:
        """All pages."""
        return [key.removeprefix("out/") for key in self._keys("curated")]

    def read(self, name: str) -> bytes:
        """One object."""
        data: bytes = self._client.get_object(Bucket="curated", Key=f"out/{name}")["Body"].read()
        return data

    def clear(self) -> None:
        """Object by object."""
        for key in self._keys("curated"):
            self._client.delete_object(Bucket="curated", Key=key)

    def _keys(self, bucket: str) -> set[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}


def _with_sidecars(films: Sequence[Path]) -> list[Path]:
    sidecars = [path.with_suffix(".json") for path in films]
    return [*films, *(path for path in sidecars if path.exists())]
