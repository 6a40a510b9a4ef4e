"""Known clips of one source become files, where a worker has the source at hand."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av

from pipelines.clips.pending import PendingClip
from pipelines.clips.spans import MeasuredSpan, clock_of, known_span, refuse_changed
from pipelines.clips.task import Task
from preprocess.clip import Clip, Source
from preprocess.cutting.encode import encode_clip
from preprocess.cutting.format import CutFormat
from preprocess.cutting.picture import Box
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.result import CutFile
from preprocess.cutting.smart import copy_span
from preprocess.cutting.spans import frames_by_clip, runs
from preprocess.cutting.still import still_name, write_still
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.file_bounds import FileBounds
from preprocess.io import storage
from preprocess.kinds import PICTURE
from preprocess.pulse import PULSE
from preprocess.units import SourceSpan

Row = Mapping[str, Any]
_log = logging.getLogger("clipmill")
_BOX = ("crop_left", "crop_top", "crop_right", "crop_bottom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutter:
    """Writes files of one format into one folder: what `MeasureStage` does with a span."""

    form: CutFormat
    dest: str
    seen: dict[str, str] = field(default_factory=dict)
    """Content ids by uri of sources that this worker has opened: to find one out reads up to 32 MiB."""

    def __call__(self, task: Task, span: SourceSpan) -> MeasuredSpan:
        """Fill the columns of a file for each clip, or say why there is none.

        Raises:
            MediaError: the source cannot be opened, or is not the one of the manifest.
            OSError, MemoryError: the machine or a storage failed.
        """
        source, clock, bounds = span.source, clock_of(span), task.config.bounds
        rows = {row["clip_id"]: row for row in span.clips}
        if any(row.get("kind") == PICTURE for row in span.clips):
            return known_span(span, [self._still(span, row, task.config.bounds) for row in span.clips])
        clips = [Clip.of(row) for row in span.clips]
        done: dict[str, PendingClip] = {}
        with Video(source, source_id=self.seen.get(source.uri), clock=clock, bounds=bounds) as video:
            self.seen[source.uri] = video.info.source_id
            refuse_changed(span, video)
            todo = runs([clip for clip in clips if not self._copy(source, clip, rows, done)])
            if todo:
                self._encode(video, todo[0], rows, done)
        for run in todo[1:]:
            with Video(source, source_id=run[0].source_id, clock=clock, bounds=bounds) as video:
                self._encode(video, run, rows, done)
        return known_span(span, [done[clip_id] for clip_id in rows])

    def _copy(self, source: Source, clip: Clip, rows: Mapping[str, Row], done: dict[str, PendingClip]) -> bool:
        """Whether a clip that is to stay as it is could be copied, with no more encoded than its ends."""
        if not self.form.as_they_are:
            return False
        row = rows[clip.clip_id]
        with _pulse(clip):
            try:
                with self._place(clip) as path:
                    file = copy_span(source, clip, path, damaged=bool(row.get("damaged")))
            except (CannotCopy, av.error.FFmpegError) as error:  # the latter of muxers, which do not take everything
                _log.debug("clip %s of %r is encoded: %s", clip.clip_id, source.uri, error)
                return False
            done[clip.clip_id] = self._cut(row, file)
        return True

    def _encode(self, video: Video, run: list[Clip], rows: Mapping[str, Row], done: dict[str, PendingClip]) -> None:
        """The clips of a run; one that is at fault itself leaves the others alone."""
        sound_of = video.source if video.info.has_audio else None
        for clip, frames in frames_by_clip(video, run):
            row = rows[clip.clip_id]
            with _pulse(clip):
                try:
                    with self._place(clip) as path:
                        woven = bool(row.get("interlaced"))
                        file = encode_clip(clip, frames, self.form, path, sound_of=sound_of, box=_box(row), woven=woven)
                    done[clip.clip_id] = self._cut(row, file)
                except MediaError as error:
                    done[clip.clip_id] = PendingClip(row=dict(row), left_out=str(video.stopped or error))

    def _still(self, span: SourceSpan, row: Row, bounds: FileBounds) -> PendingClip:
        """A picture, which is one clip."""
        name = still_name(row["clip_id"], row["codec"])
        with Video(span.source, bounds=bounds) as video:
            refuse_changed(span, video)
            try:
                frame = next(video.frames(), None)
                if frame is None:
                    raise MediaError("no_frames", "a picture")
                with storage.written_whole(storage.join(self.dest, name)) as path:
                    file = write_still(span.source, frame, row["codec"], self.form, path, name=name, box=_box(row))
            except MediaError as error:
                return PendingClip(row=dict(row), left_out=str(video.stopped or error))
        return PendingClip(row={**row, **file.columns})

    def _place(self, clip: Clip) -> AbstractContextManager[Path]:
        return storage.written_whole(storage.join(self.dest, self.form.name_of(clip.clip_id)))

    def _cut(self, row: Row, file: CutFile) -> PendingClip:
        return PendingClip(row={**row, **replace(file, name=self.form.name_of(row["clip_id"])).columns})


@contextmanager
def _pulse(clip: Clip) -> Iterator[None]:
    """Say which clip is worked on: what ends the worker then is that clip's fault."""
    PULSE.seconds = clip.start_seconds if PULSE.found_until is None else PULSE.found_until
    yield
    PULSE.beats += 1
    PULSE.found_until = clip.end_seconds


def _box(row: Row) -> Box | None:
    """The picture without its bars, where they were looked for."""
    left, top, right, bottom = (row.get(name) for name in _BOX)
    if left is None or top is None or right is None or bottom is None:
        return None
    return left, top, right, bottom
