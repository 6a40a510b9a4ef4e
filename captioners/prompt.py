"""Prompts are versioned text files; what a caption was made with is named by file and content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt and its name."""

    id: str
    """File name and the first 8 hex digits of the text's SHA-256, such as `detailed_v1@5f2c91aa`."""
    text: str
    """Without white space around it, lines ending in a line feed."""


def load_prompt(name_or_path: str) -> Prompt:
    """A prompt of this package by its name, such as `detailed_v1`, or a text file of the user's by its path.

    Raises:
        ValueError: there is none, or it is no text.
    """
    own = FOLDER / f"{name_or_path}.txt"
    path = own if name_or_path in prompt_names() else Path(name_or_path).expanduser()
    if not path.is_file():
        raise ValueError(f"no prompt {name_or_path!r}: give the path of a text file or one of {prompt_names()}")
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (UnicodeDecodeError, OSError) as error:
        raise ValueError(f"prompt {name_or_path!r} cannot be read: {error}") from error
    if not text:
        raise ValueError(f"prompt {name_or_path!r} is empty")
    return Prompt(id=f"{path.stem}@{hashlib.sha256(text.encode()).hexdigest()[:8]}", text=text)


def prompt_names() -> list[str]:
    """Names of the prompts that come with this package."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))
