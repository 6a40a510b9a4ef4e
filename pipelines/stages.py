"""The steps of curation: measure a unit of work (one decode, all scores, rules, captions), then write it down."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2

from captioners.base import Captioner
from cluster.stage import Stage
from filters.base import Score, Scorer
from filters.rules import reasons
from pipelines.config import CurateConfig
from preprocess import storage
from preprocess.clip import Clip, VideoInfo
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.frames import FrameView
from preprocess.manifest import PROVENANCE, Manifest, Row
from preprocess.observe import Observed, observe
from preprocess.units import SourceSpan, WorkUnit

ATTEMPTS = 3
"""A span that failed this often for reasons of the machine is settled with a reason."""
PREVIEW_LONG_SIDE = 160

_log = logging.getLogger("clipmill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A unit with the rows it gave, one for each span."""

    unit: WorkUnit
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSummary:
    """What the driver is told of a finished unit: counts, no rows."""

    unit_id: str
    spans: int
    failed_sources: dict[str, str]
    """Reason by uri."""
    source_seconds: float
    clips: int
    kept: int
    kept_seconds: float
    first_reasons: dict[str, int]
    """Rejected clips by the first rule that they broke."""


class MeasureStage(Stage):
    """Decode each span of a unit once and fill every column of its clips; frames never leave this process."""

    name = "measure"

    def __init__(self, config: CurateConfig, attempts_location: str | None) -> None:
        self._config = config
        self._attempts = _Attempts(attempts_location)

    def setup(self) -> None:
        """Load what scorers and captioner need."""
        cv2.setNumThreads(1)  # one worker runs on each core already
        for scorer in self._config.scorers:
            scorer.setup()
        self._config.captioner.setup()

    def process(self, item: WorkUnit) -> Iterator[Measured]:
        """Measure one unit."""
        yield Measured(unit=item, rows=[self._settle(item, span) for span in item.spans])

    def close(self) -> None:
        """Release scorers and captioner."""
        for scorer in self._config.scorers:
            scorer.close()
        self._config.captioner.close()

    def _settle(self, unit: WorkUnit, span: SourceSpan) -> Row:
        """The span's rows, or a row with the reason why there are none. Only our own bugs get out of here."""
        name = f"{unit.unit_id}-{span.index}-{unit.spans.index(span)}"
        if self._attempts.begin(name) > ATTEMPTS:
            return _failed(span, "machine_failure", f"killed its worker {ATTEMPTS} times")
        try:
            return self._with_retries(span)
        except MediaError as error:
            return _failed(span, error.reason, error.detail)
        except Exception as error:
            # a bug: name the unit and stop
            raise RuntimeError(f"unit {unit.unit_id}: {span.source.uri!r}: {type(error).__name__}: {error}") from error
        finally:
            self._attempts.end(name)

    def _with_retries(self, span: SourceSpan) -> Row:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return measure_span(self._config, span)
            except (OSError, MemoryError) as error:
                if attempt == ATTEMPTS:
                    raise MediaError("machine_failure", f"{type(error).__name__}: {error}") from error
                time.sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable")


class WriteStage(Stage):
    """Store a measured unit as one part file, whose existence is the mark that the unit is done."""

    name = "write"
    cpus = 0.0

    def __init__(self, config: CurateConfig, out: str) -> None:
        self._columns = config.columns
        self._manifest = Manifest(out)

    def process(self, item: Measured) -> Iterator[UnitSummary]:
        """Write, then tell."""
        self._manifest.write_part(item.unit.unit_id, item.rows, self._columns)
        yield _summary(item)


def measure_span(config: CurateConfig, span: SourceSpan) -> Row:
    """Everything about one span of one source: `key`, a row of `sources/` and the rows of its clips.

    Raises:
        MediaError: the source is no usable video.
        OSError, MemoryError: the machine failed.
    """
    with Video(span.source) as video:
        found = observe(video, config.shots, config.clips, span.window)
        clips = [_clip_row(config, video.info, observed) for observed in found]
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
    return {"key": span.key, "source": source, "clips": clips, "seconds": seconds}


def measure(scorers: tuple[Scorer, ...], view: FrameView | None) -> dict[str, Score]:
    """The scorers' columns for one clip; None for all of them where it has no view.

    Raises:
        ValueError: a scorer gave other columns than it declares.
    """
    row: dict[str, Score] = {}
    for scorer in scorers:
        scores: Mapping[str, Score] = dict.fromkeys(scorer.columns) if view is None else scorer.score(view)
        if scores.keys() != scorer.columns.keys():
            raise ValueError(f"scorer {scorer.name} gave {sorted(scores)}, declared {sorted(scorer.columns)}")
        row |= scores
    return row


def decide(config: CurateConfig, row: Row) -> list[str]:
    """Every reason against a clip; none keeps it. Rules on models' columns count only for clips that pass the others,
    since only those get to the models."""
    return decide_cheaply(config, row) or reasons(config.rules, row)


def decide_cheaply(config: CurateConfig, row: Row) -> list[str]:
    """The reasons against a clip that are known before a model looks at it."""
    return (["damaged"] if row["damaged"] else []) + reasons(config.cheap_rules, row)


def describe(captioner: Captioner, view: FrameView | None, row: Row) -> Row:
    """The caption columns of a decided clip; clips that were not kept are not described."""
    if row["status"] != "kept":
        return {"caption": None, "captioner": None, "caption_outcome": None}
    caption = captioner.caption(view, row)
    return {"caption": caption.text, "captioner": captioner.name, "caption_outcome": caption.outcome}


def clip_fields(clip: Clip, info: VideoInfo) -> Row:
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
        "damaged": False,
    }


def _clip_row(config: CurateConfig, info: VideoInfo, observed: Observed) -> Row:
    """Cheap scores first; what the rules on them reject never reaches a model or a captioner."""
    row = clip_fields(observed.clip, info) | {"damaged": observed.damaged}
    row |= measure(tuple(scorer for scorer in config.scorers if not scorer.costly), observed.view)
    broken = decide_cheaply(config, row)
    costly = tuple(scorer for scorer in config.scorers if scorer.costly)
    row |= measure(costly, None if broken else observed.view)
    broken = decide(config, row)
    row |= {"status": "rejected" if broken else "kept", "reasons": broken}
    row |= describe(config.captioner, observed.view, row)
    row["preview"] = None if observed.view is None else _preview(observed.view)
    return row


def _verdict(config: CurateConfig, span: SourceSpan, video: Video, clips: list[Row]) -> tuple[str, str | None]:
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
    if whole and sum(clip["duration_seconds"] for clip in clips) < config.clips.min_seconds:
        return "ok", f"duration_seconds:below_{config.clips.min_seconds}"
    return "ok", None


def _failed(span: SourceSpan, reason: str, detail: str) -> Row:
    source = _source_row(span, "failed", reason if not detail else f"{reason}: {detail}")
    return {"key": span.key, "source": source, "clips": [], "seconds": 0.0}


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


def _summary(measured: Measured) -> UnitSummary:
    clips: list[Row] = [clip for row in measured.rows for clip in row["clips"]]
    kept = [clip for clip in clips if clip["status"] == "kept"]
    firsts = Counter(clip["reasons"][0] for clip in clips if clip["reasons"])
    failed = {
        row["source"]["uri"]: row["source"]["reason"] for row in measured.rows if row["source"]["status"] == "failed"
    }
    return UnitSummary(
        unit_id=measured.unit.unit_id,
        spans=len(measured.rows),
        failed_sources=failed,
        source_seconds=sum(row["seconds"] for row in measured.rows),
        clips=len(clips),
        kept=len(kept),
        kept_seconds=sum(clip["duration_seconds"] for clip in kept),
        first_reasons=dict(firsts),
    )


class _Attempts:
    """Counts how often a span was begun and not ended, which is what a killed worker leaves behind.

    Marks live in a folder of the run's own, so that stopping a whole run never counts against a span.
    """

    def __init__(self, location: str | None) -> None:
        self._location = location

    def begin(self, name: str) -> int:
        """Mark a beginning; returns which one it is, counted from 1."""
        if self._location is None:
            return 1
        place = storage.join(self._location, name)
        count = int(storage.read_bytes(place) or b"0") + 1
        storage.write_atomic(place, str(count).encode())
        return count

    def end(self, name: str) -> None:
        """Forget the span's marks."""
        if self._location is not None:
            storage.delete(storage.join(self._location, name))
