"""A line of CSV a clip, with all that the manifest knows of it. Lists are JSON; what was not measured is empty."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.facts import facts_of
from pipelines.export.trainer import Text, Trainer


def _texts(export: Export) -> Iterator[Text]:
    for split in (TRAIN, VALIDATION) if export.held_out else (TRAIN,):
        yield f"{split}.csv", _csv({"file_name": export.file(item), **facts_of(item)} for item in export.of(split))


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    """By RFC 4180, but with line feeds alone, as pandas writes it."""
    sink = io.StringIO(newline="")
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sink, row.keys(), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return sink.getvalue()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


FORMAT = Trainer(name="csv", source="https://www.rfc-editor.org/rfc/rfc4180", pictures=lambda model: True, texts=_texts)
