"""Which clips an export takes, which it leaves out and why: decided from the table, before anything is written."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.export.captions import Kind, caption_of, one_line
from pipelines.export.content import TRAIN, VALIDATION
from preprocess.cutting.format import CutFormat
from preprocess.io.bounds import at_least, check, within
from preprocess.kinds import PICTURE

Row = Mapping[str, Any]
LADDER = (1 / 3, 2 / 3, 1.0)
"""Shares of the clips that are too short, of which it is said which number of frames keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user asks for, of clips and captions."""

    caption: Kind = "detailed"
    trigger: str | None = None
    """Word or words that stand before each caption."""
    uncaptioned: bool = False
    """Take clips without a caption, too: with the trigger word, or nothing."""
    held_out: float = field(default=0.0, metadata=within("[0, 1)"))
    """Share of the sources whose clips are not trained on."""
    repeats: int = field(default=1, metadata=at_least(1))
    """How often an epoch sees each clip."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A clip that the export takes."""

    row: Row
    split: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written, and what is not."""

    chosen: Sequence[Chosen]
    left_out: Mapping[str, int]
    """Clips by the reason why they are left out."""
    short: Sequence[int]
    """Frames, as the model counts them, of each clip that is too short; sorted."""

    def ladder(self) -> list[tuple[int, int]]:
        """Lower numbers of frames, and how many of the clips that are too short each of them keeps."""
        ones = [count for count in self.short if count > 1]
        counts = {ones[int(len(ones) * (1 - share))] for share in LADDER} if ones else set()
        return [(count, sum(each >= count for each in ones)) for count in sorted(counts, reverse=True)]


def plan_export(
    rows: Iterable[Row], wish: Wish, cut: CutFormat, *, needs_sound: bool, pictures: bool = False, spare: int = 0
) -> Plan:
    """Decide on each of the kept clips `rows`, `pictures` among them or not; `spare` frames of each file are not
    trained on."""
    chosen, left_out, short = [], Counter[str](), []
    for row in rows:
        caption = caption_of(row, wish.caption, wish.trigger, heard=needs_sound)
        if caption is None and wish.uncaptioned:
            caption = one_line(wish.trigger or "")
        if row.get("kind") == PICTURE:
            reason = _against_picture(row, cut, pictures=pictures)
        else:
            reason = _against(row, cut, needs_sound=needs_sound)
        if reason is None and caption is None:
            reason = "no_caption"
        if reason is not None:
            left_out[reason] += 1
            short += [_frames(row, cut) - spare] if reason == "too_short" else []
            continue
        split = VALIDATION if is_held_out(str(row["source_id"]), wish.held_out) else TRAIN
        chosen.append(Chosen(row=row, split=split, caption=caption or ""))
    return Plan(chosen=chosen, left_out=left_out, short=sorted(short))


def is_held_out(source_id: str, share: float) -> bool:
    """Whether the clips of a source are held out: by a hash of its content, so that it stays so whatever else there is.

    A source that is held out at one share is so at any larger one.
    """
    digest = hashlib.sha256(f"held-out {source_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _against_picture(row: Row, cut: CutFormat, *, pictures: bool) -> str | None:
    if not pictures:
        return "picture"
    return None if _is_large_enough(row, cut) else "too_small"


def _against(row: Row, cut: CutFormat, *, needs_sound: bool) -> str | None:
    if cut.num_frames(row["duration_seconds"], row["fps"]) is None:
        return "too_short"
    if needs_sound and not row["has_audio"]:
        return "no_sound"
    return None if _is_large_enough(row, cut) else "too_small"


def _is_large_enough(row: Row, cut: CutFormat) -> bool:
    try:
        cut.size(*_picture(row, cut))
    except ValueError:
        return False
    return True


def _picture(row: Row, cut: CutFormat) -> tuple[int, int]:
    """Width and height of the picture, without bars where they are cut off."""
    if cut.crop_bars and row.get("crop_right") is not None:
        return int(row["crop_right"] - row["crop_left"]), int(row["crop_bottom"] - row["crop_top"])
    return int(row["width"]), int(row["height"])


def _frames(row: Row, cut: CutFormat) -> int:
    """The largest number of frames of the model's kind that the clip has."""
    unbounded = CutFormat(fps=cut.fps, frame_step=cut.frame_step)
    return unbounded.num_frames(row["duration_seconds"], row["fps"]) or 0
