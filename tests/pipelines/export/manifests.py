"""A manifest of a few small films, made without curating: `from tests.pipelines.export.manifests import ...`."""

import os
from fractions import Fraction
from pathlib import Path

import pyarrow as pa

from pipelines.export.planning import is_held_out
from pipelines.recipe.recipes import default
from pipelines.recipe.recorded import run_of
from preprocess.clip import Clip, Source
from preprocess.decode import Video
from preprocess.io.locations import join
from preprocess.io.tables import write_table
from preprocess.manifest import Manifest
from preprocess.schema import clip_schema, stored_sources
from tests.videos import counter_video

HOSTILE = "He said: \"no\",\n\n# a = [1]\\ \u2028 \x00 {}: 'x' \x7f \U0001f600\r\nend; NA $(rm -rf /) `x`"
"""Quotes, line ends of four kinds, a comment's mark, zero and delete, an emoji, a shell's words."""
TAME = "He said: \"no\", # a = [1]\\ {}: 'x' \U0001f600 end; NA $(rm -rf /) `x`"
"""The same as an export has it."""
LICENCE = "CC-BY-4.0"


def film(folder: Path, name: str, *, fps: Fraction, seconds: float, sound: bool = True, size=(160, 96)) -> Path:
    """Frame i shows i."""
    count = round(seconds * float(fps))
    return counter_video(folder / name, num_frames=count, fps=fps, size=size, tone_hertz=440.0 if sound else None)


def clip_of(path: Path, *, start: float = 0.0, end: float | None = None):
    """The row of a span of a film, in seconds."""
    with Video(source_of(path)) as video:
        info = video.info
    last = info.duration_seconds if end is None else end
    start_pts, end_pts = (round(each / info.time_base) for each in (start, last))
    clip = Clip(
        source_id=info.source_id,
        source_uri=os.fspath(path),
        start_pts=start_pts,
        end_pts=end_pts,
        time_base=info.time_base,
        num_frames=round((end_pts - start_pts) * info.time_base * info.fps),
        fps=info.fps,
        width=info.width,
        height=info.height,
    )
    return clip.row(codec="h264", has_audio=info.has_audio, damaged=False) | {
        "caption": f"a film of numbers, {path.stem}",
        "caption_short": "numbers",
        "status": "kept",
        "reasons": [],
        "motion": 1.5,
        "license": LICENCE,
        "url": "https://example.org/film",
        "author": "A. Nobody",
    }


def source_of(path: Path) -> Source:
    """As a listing has it."""
    known = path.stat()
    return Source(uri=os.fspath(path), size_bytes=known.st_size, modified_ns=known.st_mtime_ns)


def manifest(out: Path, rows) -> str:
    """A manifest of these clips."""
    table = pa.Table.from_pylist(list(rows), clip_schema({"motion": float}))
    made = Manifest(os.fspath(out))
    made.replace_clips(table, {})
    made.write_run(run_of(default()))
    places = dict(zip(table["source_id"].to_pylist(), table["source_uri"].to_pylist(), strict=True))
    sources = stored_sources([_source_row(*each) for each in places.items()])
    write_table(join(made.location, "sources", "sources.parquet"), sources)
    return os.fspath(out)


def _source_row(source_id: str, uri: str):
    source = source_of(Path(uri))
    known = {"size_bytes": source.size_bytes, "modified_ns": source.modified_ns, "status": "ok", "title": "Numbers"}
    return {"source_id": source_id, "uri": uri, "license": LICENCE, **known}


def share_that_holds_out_one(rows) -> float:
    """A share at which the clips of one source, and of no other, are held out."""
    ids = {row["source_id"] for row in rows}
    return next(share for step in range(1, 1000) if sum(is_held_out(each, share := step / 1000) for each in ids) == 1)
