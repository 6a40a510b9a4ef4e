"""The column of a single filter as it enters the table: its meaning, and a fixed size where vectors agree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from filters.embedding import EmbeddingColumnScorer
from pipelines.clips.revisit import fields_of, stored_fields, with_values
from preprocess.manifest import Manifest
from preprocess.schema import clip_schema

VECTOR = pa.list_(pa.float16())
FIELDS = fields_of(EmbeddingColumnScorer())


def written(folder: Path, **columns: Any) -> Manifest:
    schema = clip_schema({})
    rows = pa.Table.from_pylist([{"clip_id": clip_id} for clip_id in "abc"], schema=schema)
    for name, values in columns.items():
        rows = rows.append_column(name, values)
    manifest = Manifest(os.fspath(folder))
    manifest.replace_clips(rows, {})
    return manifest


def values_of(vectors: list[list[float] | None]) -> dict[str, dict[str, Any]]:
    return {clip_id: {"embedding": vector} for clip_id, vector in zip("abc", vectors, strict=False)}


@pytest.mark.parametrize(
    ("before", "vectors", "kind"),
    [
        (None, [[1, 2], None, [3, 4]], pa.list_(pa.float16(), 2)),
        (None, [[1, 2], [3]], VECTOR),
        (None, [None], VECTOR),
        (pa.list_(pa.float16(), 2), [None, [3, 4]], pa.list_(pa.float16(), 2)),
        (pa.list_(pa.float16(), 2), [None, [3, 4, 5]], VECTOR),
        (VECTOR, [[3, 4]], VECTOR),
    ],
)
def test_vectors_have_a_fixed_size_where_all_agree(
    tmp_path: Path, before: pa.DataType | None, vectors: list[list[float] | None], kind: pa.DataType
) -> None:
    old = {} if before is None else {"embedding": pa.array([[7, 8], None, [9, 9]], before)}
    manifest, values = written(tmp_path, **old), values_of(vectors)
    fields = stored_fields(manifest, FIELDS, values)
    manifest.rewrite_clips(lambda clips: with_values(clips, values, fields), {"fingerprint": "f"})
    clips = manifest.clips()
    assert clips is not None
    assert clips.schema.field("embedding").type == kind
    assert clips.schema.field("embedding").metadata == FIELDS["embedding"].metadata
    stayed = [[7, 8], None, [9, 9]] if old else [None] * 3
    assert clips["embedding"].to_pylist() == vectors + stayed[len(vectors) :]


@pytest.mark.parametrize("reader", ["pandas", "polars", "duckdb", "datasets"])
def test_others_read_them(tmp_path: Path, reader: str) -> None:
    library = pytest.importorskip(reader)
    vectors = [[1.0, 2.0], None, [0.5, 0.25]]
    written(tmp_path, embedding=pa.array(vectors, pa.list_(pa.float16(), 2)))
    files = f"{tmp_path}/clips/*.parquet"
    if reader == "pandas":
        column = library.read_parquet(tmp_path / "clips")["embedding"]
        found = [None if vector is None else vector.tolist() for vector in column]
    elif reader == "polars":
        found = library.read_parquet(files)["embedding"].to_list()
    elif reader == "duckdb":
        found = [
            None if row[0] is None else list(row[0])
            for row in library.sql(f"select embedding from '{files}'").fetchall()
        ]
    else:
        found = library.load_dataset("parquet", data_files=files, split="train", cache_dir=f"{tmp_path}/cache")[
            "embedding"
        ][:]
    assert found == vectors
