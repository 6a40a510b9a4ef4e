"""A clip and its row say the same, and the documentation says what the row means."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from preprocess.clip import CLIP_COLUMNS, CLIP_KEYS, Clip, Column
from preprocess.cutting.result import FILE_COLUMNS
from preprocess.manifest import Manifest
from preprocess.schema import CAPTION_COLUMNS, DECISION_COLUMNS, ORIGIN_COLUMNS, SOURCE_COLUMNS, clip_schema

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "manifest.md"
CLIP = Clip(
    source_id="ab",
    source_uri="/v.mp4",
    start_pts=1001,
    end_pts=3003,
    time_base=Fraction(1, 24000),
    num_frames=2,
    fps=Fraction(24000, 1001),
    width=640,
    height=360,
)


def test_a_clip_comes_back_from_its_row() -> None:
    row = CLIP.row(codec="h264", has_audio=True, damaged=False)
    assert Clip.of(row) == Clip.of({name: row[name] for name in CLIP_KEYS}) == CLIP
    assert list(row) == [column.name for column in CLIP_COLUMNS]
    (stored,) = pa.Table.from_pylist([row], schema=pa.schema([column.field for column in CLIP_COLUMNS])).to_pylist()
    assert stored == row
    with pytest.raises(ValueError, match=r"empty span \[3003, 3003\)"):
        Clip.of(row | {"start_pts": 3003})


def test_the_table_says_what_its_columns_mean(tmp_path: Path) -> None:
    manifest = Manifest(str(tmp_path))
    manifest.replace_clips(clip_schema({"motion": float}).empty_table(), {})
    clips = manifest.clips()
    assert clips is not None
    for column in (*CLIP_COLUMNS, *CAPTION_COLUMNS, *DECISION_COLUMNS):
        metadata = clips.schema.field(column.name).metadata
        assert metadata[b"description"].decode() == column.meaning
        assert metadata.get(b"unit", b"").decode() == column.unit


@pytest.mark.parametrize(
    "columns",
    [CLIP_COLUMNS, FILE_COLUMNS, (*CAPTION_COLUMNS, *ORIGIN_COLUMNS, *DECISION_COLUMNS), SOURCE_COLUMNS],
)
def test_the_documentation_lists_them_so(columns: tuple[Column, ...]) -> None:
    lines = [f"| `{column.name}` | {column.unit} | {column.meaning} |".replace("|  |", "| |") for column in columns]
    assert "\n".join(lines) in DOCUMENTATION.read_text(encoding="utf-8")
