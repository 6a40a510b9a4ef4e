"""Which frames and which part of the picture a sample shows: decided from columns, before any video is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from preprocess.clip import CLIP_KEYS, Clip
from training.data.plan.choice import frames_at_rate, weights
from training.data.plan.config import SamplerConfig
from training.data.plan.hashing import draw_unit
from training.data.plan.plan import RankStep
from training.data.plan.table import CROP_COLUMNS, ClipTable
from training.data.read.crop import Box, choose_crop
from training.models.grid import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One sample that a plan asks for."""

    row: int
    """Of the table."""
    shape: Shape
    caption: str
    """The manifest's column of its text; "" for none."""
    seed: int
    """64 bits made of the run's seed, the epoch and the clip: what is random about the sample comes from them alone,
    so that it depends neither on workers nor on ranks."""
    start: float
    """In [0, 1): where in the time that the clip has to spare the sample begins."""

    @property
    def stride_chance(self) -> float:
        """In [0, 1): for the stride."""
        return float(draw_unit(np.array([self.seed], np.uint64), "stride")[0])

    @property
    def chances(self) -> tuple[float, float, float]:
        """Three numbers in [0, 1): for the place in time, along the width and along the height."""
        left, top = (float(draw_unit(np.array([self.seed], np.uint64), name)[0]) for name in ("left", "top"))
        return self.start, left, top


def requests(step: RankStep) -> list[Request]:
    """The B samples of a step."""
    return [
        Request(row=int(row), shape=step.shape, caption=caption, seed=int(seed), start=float(start))
        for row, caption, seed, start in zip(step.rows, step.captions, step.seeds, step.starts, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where in a clip a sample of some shape is taken from."""

    start_ticks: int
    """From the clip's start, in ticks of its time base."""
    crop: Box
    """In displayed source pixels, inside black borders."""
    stride: int = field(default=1, repr=False)
    """Frames are so many times as far apart as the sampler's rate has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedClip:
    """What the manifest says of one clip, as far as reading it goes."""

    clip: Clip
    content: Box
    """The picture inside black borders."""

    @property
    def clip_id(self) -> str:
        """The clip's."""
        return self.clip.clip_id

    @property
    def displayed(self) -> tuple[int, int]:
        """Height and width of the whole picture, upright, in square pixels."""
        return self.clip.height, self.clip.width

    def longest_stride(self, frames: int, fps: Fraction) -> int:
        """The largest at which so many frames fit into the clip; 1 where none does."""
        seconds = (self.clip.end_pts - self.clip.start_pts) * self.clip.time_base
        return max(1, int(seconds * fps / frames))

    def placement(
        self, shape: Shape, fps: Fraction, chances: tuple[float, float, float], *, stride: int = 1
    ) -> Placement:
        """A sample's place, from three numbers in [0, 1): along time, width and height, wherever there is room."""
        room = self.clip.end_pts - self.clip.start_pts - int(shape.frames * stride / fps / self.clip.time_base)
        return Placement(
            start_ticks=int(chances[0] * (max(0, room) + 1)),
            crop=choose_crop(self.content, height=shape.height, width=shape.width, place=chances[1:]),
            stride=stride,
        )


def placed_clip(table: ClipTable, row: int) -> PlacedClip:
    """One row of the manifest.

    Raises:
        ValueError: the table was made without the manifest's columns.
    """
    clips = _manifest(table)
    clip = Clip.of({name: _value(clips, name, row) for name in CLIP_KEYS if name in clips.column_names})
    return PlacedClip(clip=clip, content=_content(clips, row, clip.height, clip.width))


def clip_ids(table: ClipTable) -> list[str]:
    """The ids of all N clips, by row."""
    return [str(clip_id) for clip_id in _manifest(table)["clip_id"].to_pylist()]


def caption_of(table: ClipTable, row: int, column: str) -> str:
    """A clip's text, of the other kind where it has none of this; "" where it has none at all."""
    clips = _manifest(table)
    names = [name for name in (column, "caption", "caption_short") if name in clips.column_names]
    texts = (_value(clips, name, row) for name in names)
    return next((text for text in texts if text and text.strip()), "")


def all_captions(table: ClipTable) -> list[str]:
    """Every text that `caption_of` may give, but for the empty one."""
    clips = _manifest(table)
    columns = [name for name in ("caption", "caption_short") if name in clips.column_names]
    texts = {text for name in columns for text in clips[name].unique().to_pylist()}
    return sorted(text for text in texts if text and text.strip())


def similar_rows(table: ClipTable, shape: Shape, sampler: SamplerConfig) -> np.ndarray[Any, Any]:
    """Rows of clips that can be shown in this shape too, in the table's order; int64."""
    long_enough = frames_at_rate(table, sampler) >= shape.frames
    known = (table.height > 0) & (table.width > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.abs(np.log(table.height / table.width) - np.log(shape.height / shape.width))
    large = (table.height * 2 >= shape.height) & (table.width * 2 >= shape.width)
    fitting = known & (change <= sampler.max_residue_aspect_change) & large & (weights(table, sampler) > 0)
    if shape.frames > 1:
        fitting &= long_enough
    return np.flatnonzero(fitting)


def _manifest(table: ClipTable) -> pa.Table:
    if table.clips is None:
        raise ValueError("this table has no manifest columns: it serves for plans, not for reading videos")
    return table.clips


def _content(clips: pa.Table, row: int, height: int, width: int) -> Box:
    """As `table.ClipTable.width` and `height` have it: the whole picture where the box is absent or impossible."""
    if set(CROP_COLUMNS) <= set(clips.column_names):
        left, top, right, bottom = (_value(clips, name, row) for name in CROP_COLUMNS)
        if None not in (left, top, right, bottom) and 0 <= left < right <= width and 0 <= top < bottom <= height:
            return Box(left=left, top=top, right=right, bottom=bottom)
    return Box(left=0, top=0, right=width, bottom=height)


def _value(clips: pa.Table, name: str, row: int) -> Any:
    return clips[name][row].as_py()
