"""Does a caption quote text that nobody else could read in the clip?"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

QUOTED = re.compile(r'"([^"\n]{1,200})"')
LEAST_LETTERS = 3
"""Letters and digits from which a quotation is compared: one misread letter of two is too much."""
SEEN_SHARE = 0.6
"""Share of a quotation's letters that must be found for it to count as seen: readings of blurred lines are garbled."""
READ_LIMIT = 480
"""Characters from which the text read was cut off (the scorer keeps 500): what is missing may be what is quoted."""

_READING = re.compile(
    r"\b(?:reads?|reading|says?|saying|text|words?|letters|lettering|signs?|signage|titles?|subtitles?|captions?"
    r"|captioned|label|labell?ed|logo|written|inscription|inscribed|banner|printed|spells?|watermark)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.;!?]\s")
_LOOKALIKES = str.maketrans("01i5", "olls")


def quotes_unseen(text: str, read: str | None) -> bool:
    """Whether `text` quotes something as readable that is not in `read`, what was read in the clip's frames.

    False where nothing can be said: nothing was read (None), its end is missing, or it is of another script, which the
    caption may have translated.
    """
    if read is None or len(read) >= READ_LIMIT or not read.isascii():
        return False
    quotations = (quoted for quoted in QUOTED.finditer(text) if quoted[1].isascii() and _is_reading(text, quoted))
    return any(not _is_in(quoted[1], read) for quoted in quotations)


def _is_reading(text: str, quoted: re.Match[str]) -> bool:
    """Whether the words around a quotation say that it is to be read; `a "selfie" angle` is not."""
    before = _SENTENCE_END.split(QUOTED.sub(" ", text[: quoted.start()]))[-1]
    after = _SENTENCE_END.split(text[quoted.end() :])[0].partition('"')[0]
    return bool(_READING.search(before[-60:]) or _READING.search(after[:30]))


def _is_in(quoted: str, read: str) -> bool:
    letters, read_letters = _letters(quoted), _letters(read)
    if len(letters) < LEAST_LETTERS:
        return True
    blocks = SequenceMatcher(None, letters, read_letters, autojunk=False).get_matching_blocks()
    in_order = sum(block.size for block in blocks if block.size >= 2)
    # lines are read in another order than they are quoted in
    by_word = sum(len(word) for word in map(_letters, quoted.split()) if word in read_letters)
    return max(in_order, by_word) >= SEEN_SHARE * len(letters)


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in plain if c.isalnum()).translate(_LOOKALIKES)
