"""Captions without a model: a sentence that says what was measured, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from captioners.base import Caption, Captioner, ClipToDescribe
from preprocess.io.tables import finite
from preprocess.kinds import PICTURE

TEXT_LIMIT = 80
"""Characters of on-screen text that are quoted; more says little about the picture."""
MOTIONS = ((0.1, "almost no motion"), (0.9, "slow motion"), (4.0, "moderate motion"), (math.inf, "fast motion"))
"""Upper ends of `motion` in percent of the longer side per second: of 31 real shots, a third lies under the second and
four fifths under the third; a brisk pan is over it."""
BRIGHTNESSES = ((50.0, "dark"), (90.0, "dim"), (160.0, "evenly lit"), (math.inf, "bright"))
"""Upper ends of `brightness`, mean luma 0-255."""
CAMERAS = {
    "static": "a static camera",
    "pan_left": "the camera panning left",
    "pan_right": "the camera panning right",
    "tilt_up": "the camera tilting up",
    "tilt_down": "the camera tilting down",
    "zoom_in": "the camera zooming in",
    "zoom_out": "the camera zooming out",
    "roll_left": "the camera rolling to the left",
    "roll_right": "the camera rolling to the right",
    "tracking": "the camera tracking a subject",
    "handheld": "a handheld camera",
    "shaky": "a shaky camera",
}


@dataclass(frozen=True, slots=True)
class AttributesCaptioner(Captioner):
    """Reads `duration_seconds motion camera brightness dominant_colors text` of the row; leaves out what is null.

    For instance: `A 5.2-second clip with slow motion, the camera panning left; bright, mainly blue and white; on-screen
    text reads "EXIT".`
    """

    name: ClassVar[str] = "attributes"
    needs_frames: ClassVar[bool] = False

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Always `ok`: with nothing measured it still is a clip."""
        return [Caption(text=_sentence(clip.row), outcome="ok") for clip in clips]


def _sentence(row: Mapping[str, Any]) -> str:
    duration = finite(row.get("duration_seconds"))
    unknown = "A picture" if row.get("kind") == PICTURE else "A clip"
    start = unknown if duration is None else f"{_article(duration)} {duration:.1f}-second clip"
    moves = [part for part in (_word(MOTIONS, row.get("motion")), CAMERAS.get(str(row.get("camera")))) if part]
    said = row.get("dominant_colors") or ()
    # one text in manifests of before
    colors = _listed(said if isinstance(said, str) else ", ".join(map(str, filter(None, said))))
    look = [part for part in (_word(BRIGHTNESSES, row.get("brightness")), colors and f"mainly {colors}") if part]
    text = _quotable(row.get("text"))
    parts = [
        f"{start} with {', '.join(moves)}" if moves else start,
        ", ".join(look),
        f'on-screen text reads "{text}"' if text else "",
    ]
    return "; ".join(part for part in parts if part) + "."


def _article(duration: float) -> str:
    """`An` before 8, 11, 18 and the eighties, as they are read out."""
    whole = f"{duration:.1f}".split(".")[0]
    return "An" if whole in ("11", "18") or whole.startswith("8") else "A"


def _word(scale: tuple[tuple[float, str], ...], value: object) -> str | None:
    number = finite(value)
    return None if number is None else next(word for end, word in scale if number < end)


def _listed(names: str) -> str:
    """`blue, white, grey` as `blue, white and grey`."""
    words = [word.strip() for word in names.split(",") if word.strip()]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _quotable(text: object) -> str:
    """One line of printable text without double quotes, cut at a word to `TEXT_LIMIT` characters."""
    if not isinstance(text, str):
        return ""
    # A control character may stand between two words, so it becomes a space; U+FFFD is what decoding failed on.
    printable = "".join(c if c.isprintable() and c != "\N{REPLACEMENT CHARACTER}" else " " for c in text)
    line = " ".join(printable.replace('"', "'").split())
    if len(line) <= TEXT_LIMIT:
        return line
    cut = line[:TEXT_LIMIT].rsplit(" ", 1)[0]
    return f"{cut.rstrip()}..."
