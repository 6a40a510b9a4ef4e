"""One source: its clips in the order of time, and what of it lies in no clip, with what is known of why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.progress import hours_text
from pipelines.show.clip import span_text
from pipelines.terminal import shown
from preprocess.clip import Row

LEAST_GAP_SECONDS = 1e-3
ROUNDING_FRAMES = 1.5
"""Of a margin: frames are shown for whole ticks, and an average rate is not each frame's."""
_FACTS = ("container", "codec", "width", "height", "fps", "decode_errors", "license", "url", "title", "author")


def source_lines(sources: Sequence[Row], clips: Sequence[Row], run: Mapping[str, Any]) -> Iterator[str]:
    """Lines on a source, of which the rows may be several that hold the same content."""
    own = next((row for row in sources if row["status"] != "duplicate"), sources[0])
    why = f", {shown(own['reason'])}" if own["reason"] else ""
    yield f"source {shown(own['source_id'] or 'without an id')}: {shown(own['status'])}{why}"
    yield f"  {shown(own['uri'])}"
    yield from (f"  also {shown(row['uri'])}" for row in sources if row is not own)
    told = [f"{name} {shown(own[name])}" for name in _FACTS if own.get(name) is not None]
    yield f"  {own['size_bytes'] or 0:,} bytes{''.join(f', {each}' for each in told)}"
    yield from _timeline(own, clips, run)


def _timeline(own: Row, clips: Sequence[Row], run: Mapping[str, Any]) -> Iterator[str]:
    """The clips with what lies between them, and sums."""
    end: float | None = None
    between = 0.0
    for clip in clips:
        if end is not None and clip["start_seconds"] - end > LEAST_GAP_SECONDS:
            gap = clip["start_seconds"] - end
            between += gap
            yield f"  {end:.2f} to {clip['start_seconds']:.2f} s ({gap:.2f} s) in no clip: {_why(gap, own, run)}"
        end = clip["end_seconds"]
        reasons = "".join(f" {shown(reason)}" for reason in clip["reasons"] or ())
        yield f"  {span_text(clip)} {shown(clip['status'])} {shown(clip['clip_id'])}{reasons}"
    seconds = dict.fromkeys(("kept", "rejected"), 0.0)
    for clip in clips:
        seconds[clip["status"]] = seconds.get(clip["status"], 0.0) + (clip["duration_seconds"] or 0.0)
    counts = Counter(clip["status"] for clip in clips)
    length = own["duration_seconds"]
    whole = "an unknown length" if length is None else hours_text(length / 3600)
    yield f"{whole}: {counts['kept']:,} clips kept ({seconds['kept']:.2f} s), {len(clips) - counts['kept']:,} not"
    if length is None:
        return
    rest = max(0.0, length - sum(seconds.values()) - between)
    if between or rest > LEAST_GAP_SECONDS:
        yield f"{between:.2f} s between clips and {rest:.2f} s before the first and after the last are in no clip"
    if not clips and own["status"] == "ok" and not own["reason"]:
        yield "no clip was found, and the manifest does not say why"


def _why(gap: float, own: Row, run: Mapping[str, Any]) -> str:
    """What the length of a gap says of its cause: the manifest does not keep it."""
    settings = run.get("settings") or {}
    margin, fps = settings.get("shots.margin_frames"), own.get("fps")
    if isinstance(margin, int) and fps and gap <= (2 * margin + ROUNDING_FRAMES) / fps:
        return "the margin around a cut"
    damage = "frames that could not be decoded, " if own["status"] == "damaged" or own.get("decode_errors") else ""
    return f"{damage}a fade, dissolve, wipe or slide, a picture that stands for over 2 s, or a jump of the file's times"
