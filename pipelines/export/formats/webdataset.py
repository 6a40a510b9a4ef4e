"""WebDataset: tar files of clips, each with its caption in `.txt` and all that is known of it in `.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from posixpath import splitext

from pipelines.export.config_text import json_of
from pipelines.export.content import TRAIN, VALIDATION, Export, Item
from pipelines.export.facts import facts_of
from pipelines.export.trainer import Text, Trainer

SHARD_BYTES = 512 << 20
"""Of clips in a tar file, about. Its guide: 256 MB to 1 GB (https://github.com/webdataset/webdataset, README)."""


def _texts(export: Export) -> Iterator[Text]:
    yield from ()


def _pack(export: Export, folder: str) -> None:
    for split in (TRAIN, VALIDATION) if export.held_out else (TRAIN,):
        Path(folder, "shards").mkdir(exist_ok=True)
        for number, shard in enumerate(_shards(export.of(split))):
            _write(Path(folder, "shards", f"{split}-{number:06d}.tar"), export, shard, folder)


def _shards(items: Iterator[Item]) -> Iterator[list[Item]]:
    shard: list[Item] = []
    size = 0
    for item in items:
        if shard and size + item.file.size_bytes > SHARD_BYTES:
            yield shard
            shard, size = [], 0
        shard.append(item)
        size += item.file.size_bytes
    if shard:
        yield shard


def _write(place: Path, export: Export, shard: list[Item], folder: str) -> None:
    """The same clips give the same bytes."""
    import webdataset

    temporary = place.with_name(f".{place.name}.tmp")
    with temporary.open("wb") as stream, webdataset.TarWriter(stream, mtime=0) as writer:
        for item in shard:
            texts = {"txt": item.caption, "json": json_of(facts_of(item)).encode()}
            kind = splitext(item.file.name)[1].removeprefix(".")
            writer.write({"__key__": item.stem, kind: Path(folder, export.file(item)).read_bytes(), **texts})
    temporary.replace(place)


FORMAT = Trainer(
    name="webdataset",
    source="https://github.com/webdataset/webdataset, https://huggingface.co/docs/hub/datasets-webdataset",
    texts=_texts,
    pictures=lambda model: True,
    pack=_pack,
    library="webdataset",
)
