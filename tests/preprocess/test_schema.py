"""Types of the tables: what earlier versions wrote, vectors of one size, meanings that stay."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from preprocess.clip import Column
from preprocess.io.tables import write_parts, write_table
from preprocess.manifest import Manifest, part_table
from preprocess.schema import SOURCE_SCHEMA
from preprocess.units import SourceSpan, WorkUnit
from tests.preprocess.stored_spans import row, span

COLUMNS: dict[str, Any] = {"motion": float, "embedding": list, "dominant_colors": tuple}


def store(manifest: Manifest, of: SourceSpan, name: str, vectors: list[list[float] | None], **source: Any) -> None:
    made = row(of, name, len(vectors))
    for clip, vector in zip(made["clips"], vectors, strict=True):
        clip |= {"embedding": vector, "dominant_colors": ("blue", "grey")}
    made["source"] |= source
    manifest.write_part(WorkUnit(spans=(of,)).unit_id, part_table([made], COLUMNS))


def compacted(manifest: Manifest, *spans: SourceSpan) -> pa.Table:
    manifest.compact([of.source for of in spans], COLUMNS, {})
    clips = manifest.clips()
    assert clips is not None
    return clips


def as_version_1(out: Path) -> None:
    """What the first version wrote of the same manifest."""
    manifest = Manifest(os.fspath(out))
    clips, sources = manifest.clips(), manifest.sources()
    assert clips is not None
    assert sources is not None
    place = clips.column_names.index("dominant_colors")
    clips = clips.set_column(place, "dominant_colors", pc.binary_join(clips["dominant_colors"], ", "))
    place = clips.column_names.index("embedding")
    clips = clips.set_column(place, "embedding", clips["embedding"].cast(pa.list_(pa.float16())))
    clips = clips.drop_columns(["license", "url", "author"])
    write_parts(os.fspath(out / "clips"), [clips], clips.schema.remove_metadata())
    write_table(os.fspath(out / "sources" / "sources.parquet"), sources)


def test_a_manifest_of_version_1_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    manifest, a, b = Manifest(os.fspath(tmp_path)), span("/a.mp4", modified_ns=-(10**18) - 1), span("/b.mp4")
    store(manifest, a, "A", [[1, 2]], license="CC0")
    compacted(manifest, a)
    as_version_1(tmp_path)
    assert "modified_ns" in pd.read_parquet(tmp_path / "sources")
    assert manifest.settled_sources() == {a.key[:3]}
    sources = manifest.sources()
    assert sources is not None
    assert sources.schema.equals(SOURCE_SCHEMA)
    store(manifest, b, "B", [[3, 4]], author="me")
    clips = compacted(manifest, a, b)
    assert clips["dominant_colors"].to_pylist() == [["blue", "grey"]] * 2
    assert clips["embedding"].to_pylist() == [[1, 2], [3, 4]]
    assert clips["license"].to_pylist() == ["CC0", None]
    assert clips["author"].to_pylist() == [None, "me"]
    stored = pq.read_table(tmp_path / "sources")
    assert stored.schema.field("modified").type == pa.timestamp("ns", "UTC")
    assert stored["modified"].cast(pa.int64()).to_pylist() == [-(10**18) - 1, 1]


def test_vectors_have_a_fixed_size_while_all_agree(tmp_path: Path) -> None:
    manifest, films = Manifest(os.fspath(tmp_path)), [span(f"/{name}.mp4") for name in "abc"]
    store(manifest, films[0], "A", [None, [1, 2]])
    assert compacted(manifest, films[0]).schema.field("embedding").type == pa.list_(pa.float16(), 2)
    store(manifest, films[1], "B", [[3, 4], None])
    clips = compacted(manifest, *films[:2])
    assert clips.schema.field("embedding").type == pa.list_(pa.float16(), 2)
    assert clips["embedding"].to_pylist() == [None, [1, 2], [3, 4], None]
    store(manifest, films[2], "C", [[5, 6, 7]])  # another model's
    clips = compacted(manifest, *films)
    assert clips.schema.field("embedding").type == pa.list_(pa.float16())
    assert clips["embedding"].to_pylist() == [None, [1, 2], [3, 4], None, [5, 6, 7]]


def test_without_any_vector_the_size_is_open(tmp_path: Path) -> None:
    manifest, film = Manifest(os.fspath(tmp_path)), span("/a.mp4")
    store(manifest, film, "A", [None])
    assert compacted(manifest, film).schema.field("embedding").type == pa.list_(pa.float16())


@pytest.mark.parametrize("rewritten", [False, True])
def test_what_a_scorer_says_of_its_column_is_in_the_table(tmp_path: Path, rewritten: bool) -> None:
    manifest, film = Manifest(os.fspath(tmp_path)), span("/a.mp4")
    made = row(film, "A", 1)
    columns = {"motion": Column(name="motion", type=pa.float64(), unit="m/s", meaning="how fast")}
    manifest.write_part(WorkUnit(spans=(film,)).unit_id, part_table([made], columns))
    manifest.compact([film.source], columns, {})
    if rewritten:
        nothing = pa.array([2.0])
        manifest.rewrite_clips(
            lambda clips: clips.set_column(clips.column_names.index("motion"), "motion", nothing[: clips.num_rows]),
            {"fingerprint": "f"},
        )
    (part,) = (tmp_path / "clips").iterdir()
    assert pq.read_schema(part).field("motion").metadata == {b"unit": b"m/s", b"description": b"how fast"}
