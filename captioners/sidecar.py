"""Captions that came with the videos, from the JSON file beside each, as collections and generated films have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from captioners.base import Caption, Captioner, ClipToDescribe
from preprocess.file_bounds import SIDECAR_BYTES
from preprocess.io.bounds import at_least, check
from preprocess.io.settings import OPERATIONAL
from preprocess.sidecars import read_sidecar, sidecar_names


@dataclass(frozen=True, slots=True)
class SidecarCaptioner(Captioner):
    """Reads `film.json` or `film.mp4.json` beside `film.mp4`: all clips of a film get the film's caption.

    So it suits films of one scene each. The outcome is `empty` where there is no such file or no caption in it, and
    `error` where the file cannot be read as a JSON object.
    """

    name: ClassVar[str] = "sidecar"
    needs_frames: ClassVar[bool] = False
    reads_files: ClassVar[bool] = True

    key: str = "caption"
    """The detailed caption's key in the file."""
    short_key: str = "caption_short"
    """The short caption's key; a file may lack it."""
    sound_key: str = "caption_sound"
    """That of what is to be heard; a file may lack it."""
    max_bytes: int = field(default=SIDECAR_BYTES, metadata=OPERATIONAL | at_least(1))
    """A larger file is not read."""

    def __post_init__(self) -> None:
        check(self)

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """A caption for each; each film's file is read once."""
        said: dict[str, Caption] = {}
        for clip in clips:
            uri = str(clip.row["source_uri"])
            if uri not in said:
                said[uri] = self._of_film(uri)
        return [said[str(clip.row["source_uri"])] for clip in clips]

    def _of_film(self, uri: str) -> Caption:
        try:
            found = (read_sidecar(name, self.max_bytes) for name in sidecar_names(uri))
            facts = next((facts for facts in found if facts is not None), None)
        except ValueError as error:
            return Caption(text=None, outcome="error", detail=f"the file beside the video is not read: {error}"[:200])
        except OSError as error:
            return Caption(text=None, outcome="error", detail=f"the file beside the video: {error.strerror or error}")
        if facts is None:
            return Caption(text=None, outcome="empty", detail="no JSON file beside the video")
        text = _line(facts, self.key)
        if text is None:
            return Caption(text=None, outcome="empty", detail=f"no text {self.key!r} in the file beside the video")
        return Caption(text=text, short=_line(facts, self.short_key), sound=_line(facts, self.sound_key), outcome="ok")


def _line(facts: Mapping[str, Any], key: str) -> str | None:
    """The text on one line, without control characters; None where there is none."""
    value = facts.get(key)
    if not isinstance(value, str):
        return None
    return " ".join("".join(c if c.isprintable() else " " for c in value).split()) or None
