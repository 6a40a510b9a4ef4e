"""One span of one source becomes rows: decode it once, cut it or find its known clips, measure each by its frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import cv2

from pipelines.clips.pending import PendingClip
from pipelines.clips.task import Task
from preprocess.clip import Clip, SpanKey, Window
from preprocess.clocks import COUNTED, FILE
from preprocess.container_tags import MOST_CHARACTERS
from preprocess.decode import Video
from preprocess.errors import UNSETTLED, MediaError, one_line
from preprocess.file_bounds import ORDINARY
from preprocess.frames import MAX_FRAME_SECONDS, FrameView
from preprocess.manifest import Row
from preprocess.measurement import Look, Measurement, Score, Step
from preprocess.observe import ClipLengths, observe, revisit
from preprocess.probe import LONGEST_SECONDS
from preprocess.pulse import PULSE
from preprocess.schema import PROVENANCE
from preprocess.sidecars import read_sidecar, text_in
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
    known: bool = False
    """Whether the clips are those that were to be measured, and none were looked for."""


def measure_span(task: Task, span: SourceSpan) -> MeasuredSpan:
    """Everything about one span of one source that can be known where it is decoded.

    Raises:
        MediaError: the source is no usable video, or not the one that known clips are of.
        OSError, MemoryError: the machine failed.
    """
    with Video(span.source, clock=clock_of(span), bounds=task.config.bounds, listens=task.listens) as video:
        if span.clips:
            clips = _agreed(task, list(_known_clips(task, span, video)))
            return known_span(span, clips)
        # before the work: a storage that fails is asked again, and so is what was done until then
        known = _source_row(span, "ok", None, task.config.bounds.sidecar_bytes)
        clips = _agreed(task, list(_new_clips(task, span, video)))
        for clip in clips:
            clip.row["clock"] = video.clock  # that it starts again may be seen behind them
        status, reason = _verdict(task.config.clips, span, video, clips)
        seconds = float(video.last_end_seconds - video.first_seconds)
        seconds = seconds if seconds <= LONGEST_SECONDS else video.shown_seconds
        told = span.count > 1 or video.stopped is not None or video.info.is_picture
        duration = video.info.duration_seconds if told else seconds
        source = (
            dict(video.info.provenance)
            | known
            | {
                "status": status,
                "reason": reason,
                "source_id": video.info.source_id,
                "container": video.info.container,
                "codec": video.info.codec,
                "width": video.info.width,
                "height": video.info.height,
                "fps": None if video.info.is_picture else float(video.info.fps),
                "duration_seconds": duration,
                "num_clips": len(clips),
                "decode_errors": video.damage.decode_errors,
            }
        )
    return MeasuredSpan(key=span.key, source=source, clips=clips, seconds=video.shown_seconds)


def clock_of(span: SourceSpan) -> str:
    """That of the known clips: one that has to be counted makes it so for all of a source."""
    clocks = {row.get("clock") or FILE for row in span.clips}
    return COUNTED if COUNTED in clocks else FILE


def left_out_clip(task: Task, span: SourceSpan, reason: str) -> MeasuredSpan:
    """A span of one known clip that could not be measured: null in all columns that were asked for."""
    (row,) = span.clips
    columns = {column: None for measurement in task.measurements for column in measurement.columns}
    return known_span(span, [PendingClip(row=dict(row) | columns, left_out=reason)])


def known_span(span: SourceSpan, clips: list[PendingClip]) -> MeasuredSpan:
    """What became of a span's known clips."""
    return MeasuredSpan(key=span.key, source=_source_row(span, "ok", None), clips=clips, seconds=0.0, known=True)


def _new_clips(task: Task, span: SourceSpan, video: Video) -> Iterator[PendingClip]:
    for observed in observe(video, task.config.shots, task.config.clips, span.window):
        info = video.info
        row = observed.clip.row(
            codec=info.codec, has_audio=info.has_audio, damaged=observed.damaged, is_picture=info.is_picture
        )
        row["preview"] = None if observed.view is None else _preview(observed.view)
        yield _measured(task, row, observed.view)


def refuse_changed(span: SourceSpan, video: Video) -> None:
    """See that a video is the one that known clips are of.

    Raises:
        MediaError: it is not.
    """
    if video.info.source_id != span.clips[0]["source_id"]:
        raise MediaError("changed", "its bytes are not those of the manifest")


def _known_clips(task: Task, span: SourceSpan, video: Video) -> Iterator[PendingClip]:
    refuse_changed(span, video)
    rows = {row["clip_id"]: row for row in span.clips}
    for observed in revisit(video, [Clip.of(row) for row in span.clips]):
        yield _measured(task, dict(rows[observed.clip.clip_id]), observed.view)


def _measured(task: Task, row: Row, view: FrameView | None) -> PendingClip:
    """What is known decides first, then cheap scores; what the rules reject is shown to nothing dearer."""
    PULSE.seconds = row["start_seconds"] if PULSE.found_until is None else PULSE.found_until
    looks: dict[str, Look] = {}
    for step in (Step.FRAMES, Step.COSTLY):
        seen = view if task.passes(row, step) else None
        for measurement in task.at_once:
            if measurement.step == step:
                look = measurement.look(seen) if seen is not None else None
                row |= _scores(measurement, row, look)
                if measurement.together and look is not None:
                    looks[measurement.sees] = look
                PULSE.beats += 1
    models = [model for model in task.models if model.needs_frames]
    if view is not None and models and task.passes(row, Step.BATCHED):
        for model in models:
            if model.sees not in looks:
                looks[model.sees] = model.look(view)
    PULSE.found_until = row["end_seconds"]
    return PendingClip(row=row, looks=looks)


def _scores(measurement: Measurement, row: Row, look: Look | None) -> Mapping[str, Score]:
    """The measurement's columns for one clip; None for all of them where it has no look."""
    if look is None:
        return dict.fromkeys(measurement.columns)
    (scores,) = measurement.scores(measurement.see([look], [row]), [row])
    return measurement.filled(scores, row)


def _agreed(task: Task, clips: list[PendingClip]) -> list[PendingClip]:
    """The clips, once the measurements that look at all of them have."""
    for measurement in task.at_once:
        seen = [clip for clip in clips if measurement.together and measurement.sees in clip.looks]
        rows = [clip.row for clip in seen]
        found = measurement.scores([clip.looks.pop(measurement.sees) for clip in seen], rows) if seen else ()
        for clip, scores in zip(seen, found, strict=True):
            clip.row |= measurement.filled(scores, clip.row)
    return clips


def _verdict(lengths: ClipLengths, span: SourceSpan, video: Video, clips: list[PendingClip]) -> tuple[str, str | None]:
    """Status and reason of a source that could be opened, as far as one of its spans shows."""
    info = video.info
    whole = span.count == 1
    if video.stopped is not None:
        return "damaged" if clips else "failed", str(video.stopped)
    if info.is_picture:
        return "ok", None
    if whole and video.num_frames == 1:
        return "failed", "single_frame"
    # Containers round, and some list a last frame that is not there; over half a second is neither. Some count from 0,
    # some from the first frame, so the earlier of both ends is what is promised. Clocks that go round begin below 0.
    promised = (info.duration_seconds or 0.0) - 0.5 - 2 / info.fps + min(0.0, float(info.start_pts * info.time_base))
    is_short = span.index == span.count - 1 and video.last_end_seconds < promised
    if is_short and not video.has_sound_at(promised):  # sound that is longer is what the container counted
        end = float(video.last_end_seconds)
        return "damaged", f"truncated: ends at {end:.1f} of {info.duration_seconds:.1f} s"
    if video.damage.decode_errors:
        return "damaged", f"decode_errors: {video.damage.decode_errors}"
    if whole and not clips:
        stills = video.num_gaps >= video.num_frames - 1
        return "ok", f"stills: shown for over {MAX_FRAME_SECONDS} s each" if stills else "no_clean_shot"
    if whole and sum(clip.row["duration_seconds"] for clip in clips) < lengths.min_seconds:
        return "ok", f"duration_seconds:below_{lengths.min_seconds}"
    return "ok", None


def failed_span(span: SourceSpan, reason: str, detail: str) -> MeasuredSpan:
    """A row of `sources/` with the reason why there are no clips. Where the file beside the video cannot be read
    now, the row is one that the next run makes anew."""
    why = one_line(f"{reason}: {detail}" if detail else reason)
    try:
        source = _source_row(span, "failed", why)
    except OSError as error:
        alone = replace(span, source=replace(span.source, sidecar=None))
        source = _source_row(alone, "failed", why if reason in UNSETTLED else one_line(f"machine_failure: {error}"))
    return MeasuredSpan(key=span.key, source=source, clips=[], seconds=0.0)


def until(span: SourceSpan, seconds: float) -> SourceSpan | None:
    """The span up to a place on the file's clock; None where nothing lies before it."""
    start = span.window.start_seconds
    return None if seconds <= (start or 0.0) else replace(span, window=Window(start_seconds=start, end_seconds=seconds))


def spoilt(measured: MeasuredSpan, reason: str) -> MeasuredSpan:
    """What was found of a source that is over its bounds, with the reason."""
    status = "damaged" if measured.clips else "failed"
    return replace(measured, source=measured.source | {"status": status, "reason": reason})


def _source_row(span: SourceSpan, status: str, reason: str | None, sidecar_bytes: int = ORDINARY.sidecar_bytes) -> Row:
    source = span.source
    known: Row = {"uri": source.uri, "size_bytes": source.size_bytes, "modified_ns": source.modified_ns}
    found: Row = {"status": status, "reason": reason, "num_clips": 0}
    return known | found | _provenance(source.sidecar, sidecar_bytes) | dict(source.provenance)


def _provenance(sidecar: str | None, max_bytes: int) -> Row:
    """License and the like from the JSON file beside the video; a file of another form, or that may not be read, says
    nothing.

    Raises:
        OSError: the storage failed.
    """
    if sidecar is None:
        return {}
    try:
        said = read_sidecar(sidecar, max_bytes) or {}
    except (ValueError, PermissionError) as error:
        _log.warning("%r is not read: %s", sidecar, error)
        return {}
    texts = ((name, text_in(said, name)) for name in PROVENANCE)
    return {name: text[:MOST_CHARACTERS] for name, text in texts if text is not None}


def _preview(view: FrameView) -> bytes:
    """A JPEG strip of three frames, each at most `PREVIEW_LONG_SIDE` pixels long; one frame alone is twice as long."""
    alone = view.clip.num_frames == 1
    chosen = (view.samples[0], view.samples[len(view.samples) // 2], view.samples[-1])[: 1 if alone else 3]
    frames = [sample.picture.bgr(PREVIEW_LONG_SIDE * (2 if alone else 1)) for sample in chosen]
    encoded = cv2.imencode(".jpg", cv2.hconcat(frames), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return bytes(encoded)
