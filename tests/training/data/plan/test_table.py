from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from preprocess.manifest import Manifest
from preprocess.schema import CLIP_FIELDS, clip_schema
from training.data.plan.config import SamplerConfig
from training.data.plan.hashing import keys_of, keys_of_texts
from training.data.plan.plan import plan_epoch
from training.data.plan.table import read_table
from training.models.grid import TokenGrid

CROP = {"crop_left": int, "crop_top": int, "crop_right": int, "crop_bottom": int}


def row(index: int, **other: Any) -> dict[str, Any]:
    plain = dict.fromkeys(name for name, _ in CLIP_FIELDS)
    fields = {
        "clip_id": f"{index:032x}",
        "source_uri": f"/videos/{'films' if index % 2 else 'stock'}/{index}.mp4",
        "duration_seconds": 4.0,
        "fps": 24.0,
        "num_frames": 96,
        "width": 640,
        "height": 360,
        "caption": "a dog runs",
        "status": "kept",
    }
    return plain | fields | other


def written(folder: Path, rows: list[dict[str, Any]], columns: dict[str, type] = CROP) -> str:
    Manifest(str(folder)).replace_clips(pa.Table.from_pylist(rows, schema=clip_schema(columns)), {})
    return str(folder)


def test_only_kept_clips_are_read(tmp_path: Path) -> None:
    manifest = written(tmp_path, [row(0), row(1, status="rejected"), row(2), row(3, status="failed")])
    table = read_table(manifest, SamplerConfig())
    assert len(table) == 2
    assert table.clips is not None
    assert table.clips["clip_id"].to_pylist() == [f"{0:032x}", f"{2:032x}"]


def test_black_borders_are_no_part_of_a_clip(tmp_path: Path) -> None:
    box = {"crop_left": 0, "crop_top": 40, "crop_right": 640, "crop_bottom": 320}
    impossible = {"crop_left": 600, "crop_top": 40, "crop_right": 100, "crop_bottom": 320}
    table = read_table(written(tmp_path, [row(0, **box), row(1), row(2, **impossible)]), SamplerConfig())
    assert table.width.tolist() == [640, 640, 640]
    assert table.height.tolist() == [280, 360, 360]


def test_a_manifest_without_a_crop_is_read_whole(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, [row(0)], {}), SamplerConfig())
    assert (table.width.tolist(), table.height.tolist()) == ([640], [360])


def test_captions_that_are_blank_are_none(tmp_path: Path) -> None:
    rows = [row(0, caption_short="a dog"), row(1, caption=" "), row(2, caption=None, caption_short="")]
    table = read_table(written(tmp_path, rows), SamplerConfig())
    assert table.has_caption.tolist() == [True, False, False]
    assert table.has_short.tolist() == [True, False, False]


def test_weights_follow_the_first_pattern_that_matches(tmp_path: Path) -> None:
    sampler = SamplerConfig(source_weights="*/films/3.mp4=3, */films/*=0.5")
    table = read_table(written(tmp_path, [row(index) for index in range(4)]), sampler)
    assert table.source_weight.tolist() == [1.0, 0.5, 1.0, 3.0]


def test_the_fingerprint_is_of_what_plans_depend_on(tmp_path: Path) -> None:
    def fingerprint(name: str, **other: Any) -> str:
        return read_table(written(tmp_path / name, [row(0), row(1, **other)]), SamplerConfig()).fingerprint

    assert fingerprint("a") == fingerprint("b") == fingerprint("c", codec="vp9")
    assert len({fingerprint("a"), fingerprint("d", width=320), fingerprint("e", clip_id="ff")}) == 3


def test_ids_of_any_length_have_keys_of_their_own() -> None:
    ids = np.array([*(f"{index:032x}" for index in range(1000)), *map(str, range(1000)), "clip-1", "clip-10"], "S")
    keys = keys_of(ids)
    assert len(set(keys.tolist())) == len(ids)
    assert keys_of(ids.astype("S64")).tolist() == keys.tolist()


def test_texts_of_any_length_have_keys_without_an_array_as_wide_as_the_longest() -> None:
    texts = ["", "a dog", "猫", "a dog\0runs", *(f"{index:04d}" * (index % 90) for index in range(2000)), "x" * 100_000]
    expected = [keys_of(np.array([text.encode()]))[0] for text in texts]
    tracemalloc.start()
    keys = keys_of_texts(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert keys.tolist() == expected
    assert peak < 10_000_000  # that array would take 200 MB


def test_numbers_that_are_none_fit_no_shape(tmp_path: Path) -> None:
    rows = [row(0, duration_seconds=math.nan), row(1, fps=math.inf), row(2, duration_seconds=None), row(3, width=None)]
    table = read_table(written(tmp_path, [*rows, row(4)]), SamplerConfig())
    assert table.duration_seconds.tolist() == [0.0, 4.0, 0.0, 4.0, 4.0]
    assert table.fps.tolist() == [24.0, 0.0, 24.0, 24.0, 24.0]
    plan = plan_epoch(table, SamplerConfig().on(TokenGrid()), seed=0, epoch=0, world_size=1)
    frames = dict(zip(plan.rows.tolist(), np.repeat(plan.shape_of, np.diff(plan.starts)).tolist(), strict=True))
    assert {row: plan.shapes[shape].frames > 1 for row, shape in frames.items()} == {
        0: False,
        1: False,
        2: False,
        4: True,
    }
    assert plan.unfit.tolist() == [3]


def test_a_folder_without_clips_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="curate"):
        read_table(str(tmp_path), SamplerConfig())
    with pytest.raises(ValueError, match="none of its 1 clips is kept"):
        read_table(written(tmp_path, [row(0, status="rejected")]), SamplerConfig())


def test_a_manifest_leads_nowhere_else_by_itself(tmp_path: Path) -> None:
    manifest = written(tmp_path, [row(0, source_uri="https://films/a.mp4")])
    with pytest.raises(ValueError, match=r"--set data\.source=https://films"):
        read_table(manifest, SamplerConfig())
    assert len(read_table(manifest, SamplerConfig(), source="https://films")) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_frames": 10}, "must be 4n"),
        ({"min_frames": 17, "max_frames": 9}, "empty range"),
        ({"fps": 0.0}, "fps 0"),
        ({"fps": math.nan}, "fps is nan"),
        ({"image_weight": math.inf}, "image_weight is inf"),
        ({"distinct_epochs": -1}, "distinct_epochs is -1"),
        ({"still_share": 1.5}, "still_share"),
        ({"source_weights": "films"}, "pattern=weight"),
        ({"source_weights": "*=-1"}, "pattern=weight"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplerConfig(**settings).on(TokenGrid())
