"""Tables of clips of small generated videos, as the curation pass would write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from preprocess.clip import Clip, Source
from preprocess.decode import Video
from tests.videos import counter_video
from training.data.plan.config import SamplerConfig
from training.data.plan.table import ClipTable, table_of
from training.models.grid import TokenGrid

RECIPE = SamplerConfig(
    budget_tokens=90, fps=12, min_frames=5, max_frames=9, min_side=48, max_side=64, sides=2, short_caption_share=0.5
).on(TokenGrid())
"""Samples of 5 or 9 frames and 48 to 64 pixels, several to a batch."""


def clip_row(path: Path, start_frame: int = 0, end_frame: int | None = None, **columns: Any) -> dict[str, Any]:
    """The manifest's row of frames [start, end) of a video; `columns` are added or replaced."""
    with Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)) as video:
        frames = [(frame.pts, frame.end_pts) for frame in video.frames()][start_frame:end_frame]
        info = video.info
    clip = Clip(
        source_id=info.source_id,
        source_uri=os.fspath(path),
        start_pts=frames[0][0],
        end_pts=frames[-1][1],
        time_base=info.time_base,
        num_frames=len(frames),
        fps=info.fps,
        width=info.width,
        height=info.height,
    )
    return {
        **clip.row(codec=info.codec, has_audio=info.has_audio, damaged=False, is_picture=info.is_picture),
        "caption": f"a long text on frames {start_frame} to {end_frame}",
        "caption_short": f"frames {start_frame}",
        **columns,
    }


def table_of_rows(rows: Sequence[dict[str, Any]], sampler: SamplerConfig = RECIPE) -> ClipTable:
    return table_of(pa.Table.from_pylist(list(rows)), sampler)


def counter_clips(folder: Path, *, videos: int = 4) -> list[dict[str, Any]]:
    """Three clips of a second each of videos at 12, 24, 30 and 60 fps, whose frames tell their number."""
    rows = []
    for index in range(videos):
        fps = (12, 24, 30, 60)[index % 4]
        path = counter_video(folder / f"{index}.mp4", num_frames=3 * fps, fps=Fraction(fps), size=(160, 90 + 2 * index))
        rows += [clip_row(path, part * fps, (part + 1) * fps) for part in range(3)]
    return rows
