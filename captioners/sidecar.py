"""Captions that came with the videos, from the JSON file beside each, as collections and generated films have them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

from captioners.base import Caption, Captioner, ClipToDescribe
from preprocess.io import storage


@dataclass(frozen=True, slots=True)
class SidecarCaptioner(Captioner):
    """Reads `film.json` or `film.mp4.json` beside `film.mp4`: all clips of a film get the film's caption.

    So it suits films of one scene each. The outcome is `empty` where there is no such file or no caption in it, and
    `error` where the file is no JSON object.
    """

    name: ClassVar[str] = "sidecar"
    needs_frames: ClassVar[bool] = False

    key: str = "caption"
    """The detailed caption's key in the file."""
    short_key: str = "caption_short"
    """The short caption's key; a file may lack it."""

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """A caption for each; each film's file is read once."""
        said: dict[str, Caption] = {}
        for clip in clips:
            uri = str(clip.row["source_uri"])
            if uri not in said:
                said[uri] = self._of_film(uri)
        return [said[str(clip.row["source_uri"])] for clip in clips]

    def _of_film(self, uri: str) -> Caption:
        stem = uri.removesuffix(PurePosixPath(uri).suffix)
        data = storage.read_bytes(f"{stem}.json") or storage.read_bytes(f"{uri}.json")
        if data is None:
            return Caption(text=None, outcome="empty", detail="no JSON file beside the video")
        try:
            facts = json.loads(data)
        except ValueError:  # not JSON, or not UTF-8
            return Caption(text=None, outcome="error", detail="the file beside the video is not JSON")
        if not isinstance(facts, dict):
            return Caption(text=None, outcome="error", detail="the file beside the video is not a JSON object")
        text = _line(facts, self.key)
        if text is None:
            return Caption(text=None, outcome="empty", detail=f"no text {self.key!r} in the file beside the video")
        return Caption(text=text, short=_line(facts, self.short_key), outcome="ok")


def _line(facts: Mapping[str, Any], key: str) -> str | None:
    """The text on one line, without control characters; None where there is none."""
    value = facts.get(key)
    if not isinstance(value, str):
        return None
    return " ".join("".join(c if c.isprintable() else " " for c in value).split()) or None
