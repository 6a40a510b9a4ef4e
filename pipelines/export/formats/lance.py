"""Lance: a dataset a split, of the clips' files as blobs, which are read when asked for, and their columns."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.facts import table_of
from pipelines.export.trainer import Text, Trainer

BATCH = 16
"""Clips in memory at a time."""
VIDEO = pa.field("video", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
"""https://lancedb.github.io/lance, guide on blobs: read by `take_blobs` as files."""


def _texts(export: Export) -> Iterator[Text]:
    yield from ()


def _pack(export: Export, folder: str) -> None:
    import lance

    for split in (TRAIN, VALIDATION) if export.held_out else (TRAIN,):
        temporary = Path(folder, f".{split}.lance.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        schema = table_of(export, ()).schema.append(VIDEO)
        # 2.0 knows such blobs without a descriptor of their own
        batches = _batches(export, split, folder, schema)
        lance.write_dataset(batches, str(temporary), schema=schema, data_storage_version="2.0")
        place = Path(folder, f"{split}.lance")
        shutil.rmtree(place, ignore_errors=True)
        temporary.replace(place)


def _batches(export: Export, split: str, folder: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    items = list(export.of(split))
    for start in range(0, len(items), BATCH):
        some = items[start : start + BATCH]
        videos = pa.array([Path(folder, export.file(item)).read_bytes() for item in some], pa.large_binary())
        table = table_of(export, some).append_column(VIDEO, videos)
        yield from table.cast(schema).to_batches()


FORMAT = Trainer(
    name="lance",
    source="https://lancedb.github.io/lance",
    texts=_texts,
    pack=_pack,
    library="lance",
)
