"""What moving bounds costs: CPU time and memory of `decide` over a manifest of any length, report included, and of what
says what it would change (`--dry-run`, of a percentile), what it changed (`diff`), takes it back (`--undo`), and sees
whether all is whole (`validate`).

    python -m benchmarks.decide --rows 1000000 [--vectors 768] [--folder DIR]

Makes a manifest of the default recipe with generated values in a temporary folder, and runs the command itself in a
process of its own. One bound is tightened and one loosened, so that a tenth of the clips change sides both ways: some
lose their caption and some are described for the first time. With `--vectors`, the clips have an `embedding`, too.
The table that is taken back has to be that of before, byte for byte. Ids of generated clips are not those of their
spans, which `validate` finds out. The last line is JSON.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.decide import decided
from pipelines.recipe import recipes
from pipelines.recipe.recorded import run_of
from preprocess.io import storage
from preprocess.io.tables import write_parts, write_table
from preprocess.manifest import PREVIEW_GROUP_ROWS, PREVIEW_ROWS, Manifest
from preprocess.schema import FINGERPRINT, SCHEMA_VERSION, SOURCE_SCHEMA, clip_schema

ROOT = Path(__file__).resolve().parents[1]
MOVED = ("rules.motion.min=0.7", "rules.text_area.max=0.06")
COLORS = (["blue", "white"], ["grey"], ["green", "brown", "black"])
BATCH_ROWS = 20_000
CLIPS_OF_SOURCE = 20
DISTINCT_BATCHES = 5
"""After these the values come again, with other ids: to make captions takes longer than all the rest."""
CAMERAS = ("static", "pan_left", "pan_right", "zoom_in", "shaky", None)


def main(rows: int, vectors: int, folder: str | None) -> None:
    """Make the manifest, decide, and print."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        out, before = Path(work, "out"), Path(work, "before")
        # not here: the kernel counts what a process held when it started another one as memory of that one, too
        maker = multiprocessing.get_context("spawn").Process(target=generate, args=(os.fspath(out), rows, vectors))
        maker.start()
        maker.join()
        for name in ("clips", "sources"):
            shutil.copytree(out / name, before / name)
        shutil.copy(out / "run.json", before)
        figures = {
            "dry_run": _measured("decide", out, "--dry-run", "--set=rules.motion.min=p10"),
            "decide": _measured("decide", out, *(f"--set={moved}" for moved in MOVED)),
            "diff": _measured("diff", before, out),
            "undo": _measured("decide", out, "--undo"),
            "validate": _measured("validate", out, status=1),
        }
        if not _are_same(before / "clips", out / "clips") or list((out / "history").iterdir()):
            raise SystemExit("what was taken back is not the table of before")
    print(json.dumps({"rows": rows, **figures}))


def _measured(*arguments: str | Path, status: int = 0) -> dict[str, float]:
    """What a command takes; it ends with `status`."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "pipelines", *arguments], cwd=ROOT, stdout=sys.stderr)
    _, code, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if os.waitstatus_to_exitcode(code) != status:
        raise SystemExit(f"{arguments[0]} ended with status {os.waitstatus_to_exitcode(code)}")
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": usage.ru_maxrss // 1024,
    }


def _are_same(one: Path, other: Path) -> bool:
    """Whether two folders have the same files, byte for byte."""
    names = [sorted(path.name for path in folder.iterdir()) for folder in (one, other)]
    return names[0] == names[1] and filecmp.cmpfiles(one, other, names[0], shallow=False)[0] == names[0]


def generate(out: str, rows: int, vectors: int) -> None:
    """A manifest at `out` as the default recipe leaves it, of clips that do not exist."""
    manifest, config = Manifest(out), recipes.default()
    run = run_of(config) | {"source": "/videos", "wall_seconds": 1.0}
    metadata = {FINGERPRINT: run["fingerprint"], "clipmill_schema_version": str(SCHEMA_VERSION)}
    schema = clip_schema(dict(config.columns) | ({"embedding": list} if vectors else {}))
    models = [
        decided(config, _batch(schema, np.random.default_rng(seed), vectors), measured=True)
        for seed in range(DISTINCT_BATCHES)
    ]

    def batches() -> Iterator[pa.Table]:
        for number, start in enumerate(range(0, rows, BATCH_ROWS)):
            batch = models[number % DISTINCT_BATCHES].slice(0, min(BATCH_ROWS, rows - start))
            placed = _placed(batch, start)
            _write_previews(manifest, placed["clip_id"])
            yield placed

    write_parts(storage.join(manifest.location, "clips"), batches(), schema.with_metadata(metadata))
    sources = -(-rows // CLIPS_OF_SOURCE)
    said = {"uri": [_uri(source) for source in range(sources)], "status": ["ok"] * sources, "codec": ["h264"] * sources}
    said["source_id"] = [f"{source:032x}" for source in range(sources)]
    table = pa.table({field.name: said.get(field.name, pa.nulls(sources, field.type)) for field in SOURCE_SCHEMA})
    write_table(storage.join(manifest.location, "sources", "sources.parquet"), table.cast(SOURCE_SCHEMA))
    manifest.write_run(run)


def _write_previews(manifest: Manifest, clip_ids: pa.ChunkedArray) -> None:
    """Files as compaction leaves them, but of small pictures: all but a few hundred are passed over."""
    for start in range(0, len(clip_ids), PREVIEW_ROWS):
        ids = clip_ids.slice(start, PREVIEW_ROWS)
        table = pa.table({"clip_id": ids, "jpeg": pa.array([bytes(100)] * len(ids), pa.binary())})
        place = storage.join(manifest.location, "previews", f"{ids[0].as_py()[:24]}.parquet")
        write_table(place, table, group_rows=PREVIEW_GROUP_ROWS)


def _batch(schema: pa.Schema, draw: np.random.Generator, vectors: int) -> pa.Table:
    """Values as those of real footage are spread: about half of the clips are kept."""
    size = BATCH_ROWS
    values = {
        "duration_seconds": draw.uniform(2.0, 10.0, size),
        "fps": draw.choice([24.0, 25.0, 30.0], size),
        "motion": draw.lognormal(0.5, 1.0, size),
        "camera": draw.choice(np.array(CAMERAS, object), size),
        "visual_quality": draw.beta(6, 3, size),
        "black_fraction": np.where(draw.random(size) < 0.9, 0.0, draw.random(size)),
        "freeze_fraction": np.where(draw.random(size) < 0.8, 0.0, draw.random(size)),
        "text_area": np.where(draw.random(size) < 0.7, 0.0, draw.exponential(0.03, size)),
        "dominant_colors": [COLORS[number] for number in draw.integers(len(COLORS), size=size)],
        "text": draw.choice(np.array(["EXIT", "News at ten", None], object), size, p=[0.1, 0.1, 0.8]),
        "codec": np.full(size, "h264", object),
        "kind": np.full(size, "video", object),
        "has_audio": np.ones(size, bool),
        "damaged": np.zeros(size, bool),
    }
    lengths = {"width": 1280, "height": 720, "short_side": 720, "time_base_num": 1, "time_base_den": 12800}
    lengths |= {"crop_left": 0, "crop_top": 0, "crop_right": 1280, "crop_bottom": 720}
    columns = []
    for field in schema:
        if field.name == "embedding":
            flat = pa.array(draw.normal(0, vectors**-0.5, size * vectors).astype(np.float16))
            columns.append(pa.ListArray.from_arrays(np.arange(0, size * vectors + 1, vectors, dtype=np.int32), flat))
        elif field.name in values:
            columns.append(pa.array(values[field.name], field.type))
        elif pa.types.is_integer(field.type):
            columns.append(pa.array(np.full(size, lengths.get(field.name, 100)), field.type))
        elif pa.types.is_floating(field.type):
            columns.append(pa.array(draw.gamma(4.0, 20.0, size)))
        else:
            columns.append(pa.nulls(size, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _placed(batch: pa.Table, start: int) -> pa.Table:
    """The rows from number `start` on, with ids and places of their own."""
    rows = np.arange(start, start + batch.num_rows)
    draw = np.random.default_rng(start)
    sources = (rows // CLIPS_OF_SOURCE).tolist()
    starts = (rows % CLIPS_OF_SOURCE) * 12.0
    columns = {
        "clip_id": pa.array([draw.bytes(16).hex() for _ in rows]),
        "source_id": pa.array([f"{source:032x}" for source in sources]),
        "source_uri": pa.array([_uri(source) for source in sources]),
        "start_seconds": pa.array(starts),
        "end_seconds": pa.array(starts + batch["duration_seconds"].to_numpy()),
        "start_pts": pa.array((starts * 12800).astype(np.int64)),
        "end_pts": pa.array(((starts + batch["duration_seconds"].to_numpy()) * 12800).astype(np.int64)),
    }
    for name, values in columns.items():
        batch = batch.set_column(batch.schema.get_field_index(name), name, values)
    return batch


def _uri(source: int) -> str:
    return f"/videos/{source // 1000:04}/film {source:07}.mp4"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--vectors", type=int, default=0, help="numbers in an `embedding`; 0 for no such column")
    parser.add_argument("--folder", help="where the temporary folder is made")
    arguments = parser.parse_args()
    main(arguments.rows, arguments.vectors, arguments.folder)
