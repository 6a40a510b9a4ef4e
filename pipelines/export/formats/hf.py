"""A VideoFolder, which `datasets.load_dataset(DEST)` reads and the Hub shows.

A folder a split, with the clips and a `metadata.parquet`, and a card that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipelines.export.config_text import yaml_of
from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.facts import parquet_of, table_of
from pipelines.export.trainer import Text, Trainer


def _texts(export: Export) -> Iterator[Text]:
    splits = (TRAIN, VALIDATION) if export.held_out else (TRAIN,)
    for split in splits:
        table = table_of(export, export.of(split)).drop_columns(["split"])
        names = [item.file.name for item in export.of(split)]
        yield f"{split}/metadata.parquet", parquet_of(table.add_column(0, "file_name", [names]))
    yield "README.md", _card(export, splits)


def _card(export: Export, splits: tuple[str, ...]) -> str:
    files = [{"split": split, "path": f"{split}/**"} for split in splits]
    head = {"configs": [{"config_name": "default", "data_files": files}], "task_categories": ["text-to-video"]}
    counts = ", ".join(f"{sum(1 for _ in export.of(split)):,} for {split}" for split in splits)
    licences = Counter(item.row.get("license") or "not said" for item in export.items)
    lines = [f"- {name.replace('`', '')}: {count:,} clips" for name, count in licences.most_common()]
    return (
        f"---\n{yaml_of(head)}---\n\n# Clips\n\n{counts}.\n\nLicences of their sources:\n\n" + "\n".join(lines) + "\n"
    )


FORMAT = Trainer(
    name="hf",
    source="https://huggingface.co/docs/datasets/video_dataset, https://huggingface.co/docs/hub/datasets-manual-configuration",
    texts=_texts,
)
