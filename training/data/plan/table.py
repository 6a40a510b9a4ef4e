"""The columns of the kept clips that plans are made of; no video is opened."""

from __future__ import annotations

import fnmatch
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from preprocess.io.places import refuse_elsewhere
from preprocess.io.roots import Roots
from preprocess.io.tables import with_moved
from preprocess.manifest import Manifest
from training.data.plan.bounds import bounds_of, within_bounds
from training.data.plan.config import SamplerConfig
from training.data.plan.hashing import Keys, keys_of

CROP_COLUMNS = ("crop_left", "crop_top", "crop_right", "crop_bottom")
"""The picture inside black borders, a half-open box in displayed pixels, where the manifest has it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipTable:
    """N clips, by column. All arrays are (N,)."""

    keys: Keys
    """64 bits that the clip's id alone decides."""
    duration_seconds: npt.NDArray[np.float32]
    fps: npt.NDArray[np.float32]
    num_frames: npt.NDArray[np.int32]
    """1 for an image."""
    width: npt.NDArray[np.int32]
    """As displayed, without black borders."""
    height: npt.NDArray[np.int32]
    source_weight: npt.NDArray[np.float32]
    has_caption: npt.NDArray[np.bool_]
    has_short: npt.NDArray[np.bool_]
    clips: pa.Table | None = None
    """The same rows with all the columns of the manifest, for who opens the videos."""

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different length: {lengths}")

    def __len__(self) -> int:
        return len(self.keys)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        names = [name for name in self.__dataclass_fields__ if name != "clips"]
        return {name: getattr(self, name) for name in names}

    @property
    def fingerprint(self) -> str:
        """16 hex digits of all columns: equal tables have equal plans."""
        digest = hashlib.blake2b(digest_size=8)
        for name, column in self.columns().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(column).view(np.uint8).data)
        return digest.hexdigest()

    def take(self, rows: npt.NDArray[Any]) -> ClipTable:
        """Some of the rows, by number or by mask: for a part held out."""
        kept = np.flatnonzero(rows) if rows.dtype == bool else rows
        clips = None if self.clips is None else self.clips.take(pa.array(kept))
        return ClipTable(**{name: column[kept] for name, column in self.columns().items()}, clips=clips)


def read_table(manifest: str, sampler: SamplerConfig, *, source: str = "", roots: Roots | None = None) -> ClipTable:
    """The kept clips of the manifest at a folder or bucket. Videos are on its disk, in a bucket, or below `source`, and
    where `roots` has them now.

    Raises:
        ValueError: there is no manifest, it has no kept clip, or its videos are elsewhere.
    """
    clips = Manifest(manifest).parted_clips()
    if clips.schema is None:
        raise ValueError(f"{manifest!r}: no clips/; is it what `python -m pipelines curate` wrote?")
    batches = (batch.filter(pc.equal(batch["status"], "kept")) for batch in clips.batches())
    kept = pa.concat_tables([clips.schema.empty_table(), *batches])
    if not kept.num_rows:
        raise ValueError(f"{manifest!r}: none of its {clips.num_rows} clips is kept")
    if bounds := bounds_of(sampler.bounds):
        fits = within_bounds(kept, bounds)
        if not fits.any():
            raise ValueError(f"{manifest!r}: none of its {len(fits)} kept clips holds to bounds={sampler.bounds}")
        kept = kept.filter(pa.array(fits))
    roots = roots or Roots()
    moved = with_moved(kept, "source_uri", roots)
    named = [source] * bool(source) + [*roots.targets]
    uris = moved["source_uri"].unique().to_pylist()
    refuse_elsewhere(uris, home=manifest, named=named, option="--set data.source=")
    # weights of sources are by the names that the manifest has
    return replace(table_of(kept, sampler), clips=moved)


def table_of(clips: pa.Table, sampler: SamplerConfig) -> ClipTable:
    """Plan columns of rows of a manifest's `clips/`."""
    width, height = _displayed(clips)
    return ClipTable(
        keys=keys_of(np.array(clips["clip_id"].to_pylist(), "S")),
        duration_seconds=_numbers(clips, "duration_seconds", np.float32),
        fps=_numbers(clips, "fps", np.float32),
        num_frames=_numbers(clips, "num_frames", np.int32),
        width=width,
        height=height,
        source_weight=_source_weights(clips["source_uri"], sampler),
        has_caption=_has_text(clips, "caption"),
        has_short=_has_text(clips, "caption_short"),
        clips=clips,
    )


def _numbers(clips: pa.Table, name: str, kind: Any, where_null: float = 0) -> npt.NDArray[Any]:
    """A column; a number that is missing, or none (NaN, infinite), fits no shape."""
    values = pc.fill_null(clips[name], where_null).to_numpy()
    return np.where(np.isfinite(values), values, where_null).astype(kind)


def _displayed(clips: pa.Table) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Width and height inside black borders."""
    width, height = (_numbers(clips, name, np.int32) for name in ("width", "height"))
    if not set(CROP_COLUMNS) <= set(clips.column_names):
        return width, height
    left, top, right, bottom = (_numbers(clips, name, np.int32, -1) for name in CROP_COLUMNS)
    known = (left >= 0) & (top >= 0) & (right > left) & (bottom > top) & (right <= width) & (bottom <= height)
    return np.where(known, right - left, width), np.where(known, bottom - top, height)


def _has_text(clips: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    if name not in clips.column_names:
        return np.zeros(clips.num_rows, np.bool_)
    lengths = pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(clips[name])), 0)
    return np.asarray(lengths.to_numpy() > 0, np.bool_)


def _source_weights(uris: pa.ChunkedArray, sampler: SamplerConfig) -> npt.NDArray[np.float32]:
    patterns = sampler.weights_by_pattern()
    coded = pc.dictionary_encode(uris).combine_chunks()
    weights = [
        next((weight for pattern, weight in patterns if fnmatch.fnmatchcase(uri or "", pattern)), 1.0)
        for uri in coded.dictionary.to_pylist()
    ]
    codes = pc.fill_null(coded.indices, 0).to_numpy()
    return np.asarray(np.array(weights, np.float32)[codes], np.float32)
