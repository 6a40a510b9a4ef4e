"""Which scripts a reading is in, by the names that Unicode gives its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

UNKNOWN = "unknown"
"""For lines that are text and could not be read."""
SCRIPTS = {
    "LATIN": "Latin",
    "GREEK": "Greek",
    "CYRILLIC": "Cyrillic",
    "CJK": "Han",
    "HIRAGANA": "Hiragana",
    "KATAKANA": "Katakana",
    "HANGUL": "Hangul",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari",
    "THAI": "Thai",
}
"""Unicode's names of scripts by the first word of the names of their letters, of those that recognisers read."""
LEAST_SHARE = 0.2
"""Of a line's letters; fewer are misread."""


def scripts_of(line: str) -> list[str]:
    """Scripts of one line, in alphabetical order; none for digits and signs."""
    letters = Counter(
        SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0])
        for letter in unicodedata.normalize("NFKC", line)
        if letter.isalpha()
    )
    named = [(script, count) for script, count in letters.items() if script is not None]
    return sorted(script for script, count in named if count >= LEAST_SHARE * letters.total())


def joined_scripts(lines: Iterable[str], unread: int) -> str | None:
    """As the column `text_scripts` holds them: those of most lines first, `unknown` last if there are `unread` ones."""
    found = Counter(script for line in lines for script in scripts_of(line))
    names = [script for script, _ in sorted(found.items(), key=lambda its: (-its[1], its[0]))]
    return ", ".join([*names, UNKNOWN] if unread else names) or None
