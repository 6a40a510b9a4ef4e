"""A clip's caption as trainers take it: one line, with the trigger word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["detailed", "short"]
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters that are no space, and halves of characters: YAML, XML and UTF-8 have no place for them."""


def one_line(text: str) -> str:
    """The text with each run of spaces, tabs and line ends as one space.

    SimpleTuner takes each line of a `.txt` for another caption (documentation/DATALOADER.md, `textfile`).
    """
    return " ".join(_NO_TEXT.sub(" ", text).split())


def caption_of(row: Mapping[str, Any], kind: Kind, trigger: str | None, *, heard: bool = False) -> str | None:
    """The caption that is exported, or None where the clip has none of that kind.

    The trigger word stands before it, with a space, unless the caption begins with it already. `heard`: for a model
    that learns sound; then what is said of it stands behind.
    """
    text = one_line(row.get("caption" if kind == "detailed" else "caption_short") or "")
    if not text:
        return None
    text = one_line(f"{text} {row.get('caption_sound') or ''}") if heard else text
    word = one_line(trigger or "")
    return text if text.startswith(word) else f"{word} {text}"
