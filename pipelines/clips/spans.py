"""One span of one source becomes rows: decode it once, cut it or find its known clips, measure each by its frames."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2

from pipelines.clips.pending import PendingClip
from pipelines.clips.task import Task
from preprocess.clip import Clip, SpanKey
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.frames import FrameView
from preprocess.io import storage
from preprocess.manifest import PROVENANCE, Row
from preprocess.measurement import Look, Measurement, Score, Step
from preprocess.observe import ClipLengths, observe, revisit
from preprocess.units import SourceSpan

PREVIEW_LONG_SIDE = 160

_log = logging.getLogger("clipmill")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpan:
    """A span of a source with its clips."""

    key: SpanKey
    source: Row
    """A row of `sources/`."""
    clips: list[PendingClip]
    seconds: float
    """Video in it."""


def measure_span(task: Task, span: SourceSpan) -> MeasuredSpan:
    """Everything about one span of one source that can be known where it is decoded.

    Raises:
        MediaError: the source is no usable video, or not the one that known clips are of.
        OSError, MemoryError: the machine failed.
    """
    with Video(span.source) as video:
        if span.clips:
            clips = list(_known_clips(task, span, video))
            return MeasuredSpan(key=span.key, source=_source_row(span, "ok", None), clips=clips, seconds=0.0)
        clips = list(_new_clips(task, span, video))
        status, reason = _verdict(task.config.clips, span, video, clips)
        seconds = float(video.last_end_seconds - video.first_seconds)
        duration = seconds if span.count == 1 else video.info.duration_seconds
        source = _source_row(span, status, reason) | {
            "source_id": video.info.source_id,
            "container": video.info.container,
            "codec": video.info.codec,
            "width": video.info.width,
            "height": video.info.height,
            "fps": float(video.info.fps),
            "duration_seconds": duration,
            "num_clips": len(clips),
            "decode_errors": video.damage.decode_errors,
        }
    return MeasuredSpan(key=span.key, source=source, clips=clips, seconds=seconds)


def left_out_clip(task: Task, span: SourceSpan, reason: str) -> MeasuredSpan:
    """A span of one known clip that could not be measured: null in all columns that were asked for."""
    (row,) = span.clips
    columns = {column: None for measurement in task.measurements for column in measurement.columns}
    clip = PendingClip(row=dict(row) | columns, left_out=reason)
    return MeasuredSpan(key=span.key, source=_source_row(span, "ok", None), clips=[clip], seconds=0.0)


def _new_clips(task: Task, span: SourceSpan, video: Video) -> Iterator[PendingClip]:
    for observed in observe(video, task.config.shots, task.config.clips, span.window):
        info = video.info
        row = observed.clip.row(codec=info.codec, has_audio=info.has_audio, damaged=observed.damaged)
        row["preview"] = None if observed.view is None else _preview(observed.view)
        yield _measured(task, row, observed.view)


def _known_clips(task: Task, span: SourceSpan, video: Video) -> Iterator[PendingClip]:
    if video.info.source_id != span.clips[0]["source_id"]:
        raise MediaError("changed", "its bytes are not those of the manifest")
    rows = {row["clip_id"]: row for row in span.clips}
    for observed in revisit(video, [Clip.of(row) for row in span.clips]):
        yield _measured(task, dict(rows[observed.clip.clip_id]), observed.view)


def _measured(task: Task, row: Row, view: FrameView | None) -> PendingClip:
    """Cheap scores first; what the rules on them reject is never shown to a model or a captioner."""
    for step in (Step.FRAMES, Step.COSTLY):
        seen = view if task.passes(row, step) else None
        for measurement in task.at_once:
            if measurement.step == step:
                row |= _scores(measurement, row, seen)
    looks: dict[str, Look] = {}
    if view is not None and task.passes(row, Step.BATCHED):
        for model in task.models:
            if model.needs_frames and model.sees not in looks:
                looks[model.sees] = model.look(view)
    return PendingClip(row=row, looks=looks)


def _scores(measurement: Measurement, row: Row, view: FrameView | None) -> Mapping[str, Score]:
    """The measurement's columns for one clip; None for all of them where it has no view."""
    if view is None:
        return dict.fromkeys(measurement.columns)
    (scores,) = measurement.scores(measurement.see([measurement.look(view)], [row]), [row])
    return measurement.filled(scores)


def _verdict(lengths: ClipLengths, span: SourceSpan, video: Video, clips: list[PendingClip]) -> tuple[str, str | None]:
    """Status and reason of a source that could be opened, as far as one of its spans shows."""
    info = video.info
    whole = span.count == 1
    if whole and video.num_frames == 1:
        return "failed", "single_frame"
    # Containers round, and some list a last frame that is not there; over half a second is neither. Some count from 0,
    # some from the first frame, so the earlier of both ends is what is promised.
    promised = (info.duration_seconds or 0.0) - 0.5 - 2 / info.fps
    if span.index == span.count - 1 and video.last_end_seconds < promised:
        end = float(video.last_end_seconds)
        return "damaged", f"truncated: ends at {end:.1f} of {info.duration_seconds:.1f} s"
    if video.damage.decode_errors:
        return "damaged", f"decode_errors: {video.damage.decode_errors}"
    if whole and not clips:
        return "ok", "no_clean_shot"
    if whole and sum(clip.row["duration_seconds"] for clip in clips) < lengths.min_seconds:
        return "ok", f"duration_seconds:below_{lengths.min_seconds}"
    return "ok", None


def failed_span(span: SourceSpan, reason: str, detail: str) -> MeasuredSpan:
    """A row of `sources/` with the reason why there are no clips."""
    source = _source_row(span, "failed", reason if not detail else f"{reason}: {detail}")
    return MeasuredSpan(key=span.key, source=source, clips=[], seconds=0.0)


def _source_row(span: SourceSpan, status: str, reason: str | None) -> Row:
    source = span.source
    known: Row = {"uri": source.uri, "size_bytes": source.size_bytes, "modified_ns": source.modified_ns}
    return known | {"status": status, "reason": reason, "num_clips": 0} | _provenance(source.sidecar)


def _provenance(sidecar: str | None) -> Row:
    """License and the like from the JSON file beside the video; a file of another form says nothing."""
    if sidecar is None:
        return {}
    try:
        said = json.loads(storage.read_bytes(sidecar) or b"null")
    except (ValueError, OSError) as error:
        _log.warning("%r is not read: %s", sidecar, error)
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: str(said[name])[:2000] for name in PROVENANCE if isinstance(said.get(name), str | int | float)}


def _preview(view: FrameView) -> bytes:
    """A JPEG strip of three frames, each at most `PREVIEW_LONG_SIDE` pixels long."""
    chosen = (view.samples[0], view.samples[len(view.samples) // 2], view.samples[-1])
    frames = [sample.picture.bgr(PREVIEW_LONG_SIDE) for sample in chosen]
    encoded = cv2.imencode(".jpg", cv2.hconcat(frames), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return bytes(encoded)
