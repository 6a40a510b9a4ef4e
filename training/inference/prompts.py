"""What is to be sampled, from a file: prompts one a line, or a table or a manifest with a column `caption`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocess.manifest import Manifest

CAPTION = "caption"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One video."""

    prompt: str
    negative: str | None = None
    """None: as all have it."""
    seed: int | None = None
    """None: as all have it."""


def read_prompts(place: str) -> list[Asked]:
    """What a file asks for, in its order.

    `.csv` and `.parquet` have a column `caption`, and may have `negative` and `seed`; a folder or bucket is a manifest,
    of which the kept clips are taken; any other file has a prompt on each line that is not empty.

    Raises:
        ValueError: there is nothing in it, or no column `caption`, or a seed that is no number.
        OSError: it cannot be opened.
    """
    path = Path(place)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            asked = _rows(place, csv.DictReader(file))
    elif path.suffix == ".parquet":
        asked = _rows(place, _parquet(path))
    elif path.is_dir() or "://" in place:
        asked = [Asked(prompt=caption) for caption in _captions(place)]
    else:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{place}: no text in UTF-8: {error}") from error
        asked = [Asked(prompt=line.strip()) for line in lines if line.strip()]
    if not asked:
        raise ValueError(f"{place}: no prompt in it")
    return asked


def _rows(place: str, rows: Iterable[Mapping[str, Any]]) -> list[Asked]:
    asked = []
    for number, row in enumerate(rows, start=1):
        if row.get(CAPTION) is None:
            raise ValueError(f"{place}, row {number}: no {CAPTION}; its columns are {', '.join(map(str, row))}")
        seed = row.get("seed")
        try:
            seed = None if seed is None or seed == "" else int(seed)
        except ValueError:
            raise ValueError(f"{place}, row {number}: seed {seed!r} is no whole number") from None
        asked.append(Asked(prompt=str(row[CAPTION]), negative=row.get("negative") or None, seed=seed))
    return asked


def _parquet(path: Path) -> Iterable[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: no Parquet file: {error}") from error
    with file:
        names = [name for name in (CAPTION, "negative", "seed") if name in file.schema_arrow.names]
        if CAPTION not in names:
            raise ValueError(f"{path}: no column {CAPTION}; its columns are {', '.join(file.schema_arrow.names)}")
        rows: list[Mapping[str, Any]] = file.read(columns=names).to_pylist()
        return rows


def _captions(manifest: str) -> list[str]:
    clips = Manifest(manifest).parted_clips()
    if clips.schema is None:
        raise ValueError(f"{manifest!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    if CAPTION not in clips.schema.names:
        raise ValueError(f"{manifest!r}: its clips have no captions; `python -m pipelines caption` gives them some")
    table = clips.read_all(["status", CAPTION])
    return [
        text
        for text, status in zip(table[CAPTION].to_pylist(), table["status"].to_pylist(), strict=True)
        if text and status == "kept"
    ]
