"""One span of one source becomes rows: decode it once, cut it, measure every clip by its frames."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import cv2

from filters.base import Scorer
from pipelines.clips.decisions import BATCHED, COSTLY, broken_rules
from pipelines.clips.pending import PendingClip, look, measure
from pipelines.recipe.config import CurateConfig
from preprocess.clip import Clip, SpanKey, VideoInfo
from preprocess.decode import Video
from preprocess.frames import FrameView
from preprocess.io import storage
from preprocess.manifest import PROVENANCE, Row
from preprocess.observe import Observed, observe
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


def measure_span(config: CurateConfig, span: SourceSpan) -> MeasuredSpan:
    """Everything about one span of one source that can be known where it is decoded.

    Raises:
        MediaError: the source is no usable video.
        OSError, MemoryError: the machine failed.
    """
    with Video(span.source) as video:
        found = observe(video, config.shots, config.clips, span.window)
        clips = [_clip(config, video.info, observed) for observed in found]
        status, reason = _verdict(config, span, video, clips)
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


def clip_fields(clip: Clip, info: VideoInfo, *, damaged: bool) -> Row:
    """The columns of a clip that no scorer is needed for."""
    return {
        "clip_id": clip.clip_id,
        "source_id": clip.source_id,
        "source_uri": clip.source_uri,
        "start_seconds": clip.start_seconds,
        "end_seconds": clip.end_seconds,
        "start_pts": clip.start_pts,
        "end_pts": clip.end_pts,
        "time_base_num": clip.time_base.numerator,
        "time_base_den": clip.time_base.denominator,
        "num_frames": clip.num_frames,
        "fps": float(clip.fps),
        "duration_seconds": clip.duration_seconds,
        "width": clip.width,
        "height": clip.height,
        "short_side": min(clip.width, clip.height),
        "codec": info.codec,
        "has_audio": info.has_audio,
        "damaged": damaged,
    }


def _clip(config: CurateConfig, info: VideoInfo, observed: Observed) -> PendingClip:
    """Cheap scores first; what the rules on them reject is never shown to a model or a captioner."""
    view = observed.view
    row = clip_fields(observed.clip, info, damaged=observed.damaged)
    row["preview"] = None if view is None else _preview(view)
    scorers = [scorer for scorer in config.scorers if isinstance(scorer, Scorer)]
    row |= measure((scorer for scorer in scorers if not scorer.costly), view)
    costly_view = None if broken_rules(config, row, before=COSTLY) else view
    row |= measure((scorer for scorer in scorers if scorer.costly), costly_view)
    if view is None or broken_rules(config, row, before=BATCHED):
        return PendingClip(row=row)
    return look(view, config.scorers, config.towers, config.captioner, row)


def _verdict(config: CurateConfig, span: SourceSpan, video: Video, clips: list[PendingClip]) -> tuple[str, str | None]:
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
    if whole and sum(clip.row["duration_seconds"] for clip in clips) < config.clips.min_seconds:
        return "ok", f"duration_seconds:below_{config.clips.min_seconds}"
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
