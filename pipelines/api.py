"""ClipMill from Python, for notebooks and scripts: curate, look at tables, measure one video, take frames of clips."""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from PIL import Image

from pipelines.curate import curate
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.config import recipe as recipe_named
from pipelines.recipe.plugins import scorer_named, with_scorer
from pipelines.recipe.recorded import recorded_config
from pipelines.where import Where
from preprocess.clip import Clip
from preprocess.cutting.spans import frames_by_clip
from preprocess.decode import Frame, Video
from preprocess.io.places import refuse_elsewhere
from preprocess.io.roots import Roots
from preprocess.io.settings import override
from preprocess.manifest import Manifest
from preprocess.picking import EARLY_SECONDS, on_screen
from preprocess.rgb import rgb_of

Rgb = npt.NDArray[np.uint8]
"""(H, W, 3), upright; as it is coded, so that pixels of odd films may not be square."""


def curate_videos(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    recipe: str | CurateConfig = "default",
    settings: Sequence[str] = (),
    engine: str = "local",
    workers: int | None = None,
) -> OpenManifest:
    """Curate a folder, a bucket, a video or a list of videos into the manifest at `out`; again, it resumes.

    Args:
        source: as on the command line.
        out: a folder or bucket.
        recipe: a name, `file.py:function`, or a recipe.
        settings: such as `rules.motion.min=1.0`.
        engine: `local`, one process beside this one; `ray` or `auto`; `in-process` for a debugger.
        workers: at most so many.

    Raises:
        ValueError: as the command line says it.
    """
    config = recipe_named(recipe) if isinstance(recipe, str) else recipe
    curate(os.fspath(source), os.fspath(out), config, assignments=settings, engine=engine, workers=workers)
    return open_manifest(out)


def open_manifest(out: str | os.PathLike[str], *, roots: Sequence[str] = ()) -> OpenManifest:
    """The manifest at a folder or bucket. `roots`, such as `/data=/mnt/data`, say where its videos are now.

    Raises:
        ValueError: there is none.
    """
    manifest = Manifest(os.fspath(out))
    if manifest.parted_clips().schema is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `curate_videos(SOURCE, OUT)` makes one")
    return OpenManifest(location=manifest.location, roots=Roots.of(roots))


def score_video(
    video: str | os.PathLike[str], *filters: str, settings: Sequence[str] = (), engine: str = "in-process"
) -> pd.DataFrame:
    """Find the clips of one video and measure them with some filters alone: a row each, and nothing is decided.

    Args:
        video: a path or URI.
        filters: a file's name in `filters/`, such as `motion`, or `module:Class`.
        settings: such as `scorers.motion.frames=8` or `clips.min_seconds=1`.
        engine: as of `curate_videos`.

    Raises:
        ValueError: there is no such filter, its weights are missing, or no clip is found, with the reason.
    """
    config = replace(recipe_named("default"), scorers=(), rules=())
    for name in filters:
        config = with_scorer(config, scorer_named(name))
    config = override(config, settings)
    with tempfile.TemporaryDirectory() as out:
        manifest = curate_videos(video, out, recipe=config, engine=engine)
        clips, sources = manifest.clips(), manifest.sources()
    if clips.empty:
        told = sources["reason"].fillna(sources["status"]).tolist()
        raise ValueError(f"{os.fspath(video)!r}: no clip is found: {', '.join(told)}")
    return clips[["clip_id", "start_seconds", "end_seconds", *config.columns]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenManifest:
    """A manifest to be looked at. Each method reads the tables as they are then."""

    location: str
    roots: Roots = field(default_factory=Roots)

    @property
    def recipe(self) -> CurateConfig:
        """What decides, and by what it was made.

        Raises:
            ValueError: it needs code that is not ours and that nobody has imported.
        """
        return recorded_config(Manifest(self.location).run() or {})

    def clips(self, where: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows of clips, kept or not; of `columns`, those that there are.

        Args:
            where: such as `status == 'kept' and motion > 2`, as `cut --where` has it.
            columns: None for all.

        Raises:
            ValueError: the condition is none, or names columns that there are not.
        """
        table = Manifest(self.location).parted_clips()
        assert table.schema is not None
        condition = None if where is None else Where(where)
        if condition is not None:
            condition.check(table.schema)
        names = table.schema.names
        shown = names if columns is None else [name for name in dict.fromkeys(columns) if name in names]
        read = shown if condition is None else list(dict.fromkeys([*shown, *condition.names]))
        batches = [
            (batch if condition is None else batch.filter(pa.array(condition.holds(batch)))).select(shown)
            for batch in table.batches(read)
        ]
        frame: pd.DataFrame = pa.concat_tables([table.schema.empty_table().select(shown), *batches]).to_pandas()
        return frame

    def sources(self) -> pd.DataFrame:
        """The rows of source files."""
        frame: pd.DataFrame = Manifest(self.location).parted_sources().read_all().to_pandas()
        return frame

    def reasons(self) -> pd.Series[int]:
        """How many clips each reason is against, the most common first."""
        counts: pd.Series[int] = self.clips(columns=["reasons"])["reasons"].explode().value_counts()
        return counts

    def preview(self, clip_id: str) -> Image.Image:
        """Three frames of a clip, side by side.

        Raises:
            KeyError: there are none of it.
        """
        return Image.open(io.BytesIO(Manifest(self.location).previews([clip_id])[clip_id]))

    def frames(
        self, clip: Mapping[str, Any] | pd.Series[Any], *, fps: float | None = None
    ) -> Iterator[tuple[float, Rgb]]:
        """The frames of a clip, given as a row of `clips()`: seconds from its begin, and pixels.

        With `fps` those that are on screen at every 1 / fps s, picked by time, so that a slower film repeats its
        frames; without, each at its own time.

        Raises:
            ValueError: the film is where a manifest by itself may open nothing; `roots` say that it may.
            MediaError: it is gone, or cannot be decoded.
        """
        row = dict(clip)
        row["source_uri"] = self.roots.moved(row["source_uri"])
        refuse_elsewhere([row["source_uri"]], home=self.location, named=self.roots.targets, option="roots=PLACE=")
        of = Clip.of({name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()})
        with Video(of.source, source_id=of.source_id, clock=of.clock) as video:
            for _, frames in frames_by_clip(video, [of]):
                shown = frames if fps is None else _at_rate(frames, of, Fraction(fps).limit_denominator(1001))
                for number, frame in enumerate(shown):
                    begun = float((frame.pts - of.start_pts) * of.time_base)
                    yield begun if fps is None else number / fps, _upright(frame)


def _at_rate(frames: Iterator[Frame], clip: Clip, fps: Fraction) -> Iterator[Frame]:
    step = 1 / fps / clip.time_base
    count = math.ceil((clip.end_pts - clip.start_pts) / step)
    yield from on_screen(
        frames, first=Fraction(clip.start_pts), step=step, early=EARLY_SECONDS / clip.time_base, count=count
    )


def _upright(frame: Frame) -> Rgb:
    return np.rot90(rgb_of(frame.raw), -(frame.info.rotation // 90))
