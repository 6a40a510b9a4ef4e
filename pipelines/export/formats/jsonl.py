"""A JSON object a line and clip, with all that the manifest knows of it."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.export.config_text import json_lines
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.facts import facts_of
from pipelines.export.trainer import Text, Trainer


def _texts(export: Export) -> Iterator[Text]:
    for split in (TRAIN, VALIDATION) if export.held_out else (TRAIN,):
        rows = ({"file_name": export.file(item), **facts_of(item)} for item in export.of(split))
        yield f"{split}.jsonl", json_lines(rows)


FORMAT = Trainer(name="jsonl", source="https://jsonlines.org", pictures=lambda model: True, texts=_texts)
