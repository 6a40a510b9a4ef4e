"""Judge a caption without a model: is it one at all, and does it agree with what was measured?

All of it would rather say nothing than something wrong: a rule that hits good captions gets switched off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from captioners.judge.camera import contradicts
from captioners.judge.medium import says_image, says_video
from captioners.judge.quotes import QUOTED, quotes_unseen
from captioners.judge.unwrap import says_more, unwrapped
from preprocess.io.tables import finite

REPEATED_LENGTH = 4
"""Words of an n-gram; in a script without spaces, characters."""
REPEATED_SHARE = 0.25
"""Share of a text's n-grams that occurred in it before, from which it is repetitive. Prose of 100 words stays under
0.05; a text that fell into a loop halfway is at 0.4 and more."""
REPEATED_LEAST = 5
"""Repeated n-grams needed as well: a short caption may say `the man walks to the` twice."""

_THOUGHT = re.compile(r"^.*</think>|^\s*<think>.*$", re.DOTALL)
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
_UNABLE = r"(?:can't|cannot|can not|couldn't|won't|will not|(?:am|'m|was) (?:unable|not able) to)"
_TASK = (
    r"(?:help|assist|provide|describe|identify|comply|fulfill|generate|continue|create|see|view|watch|access"
    r"|analy[sz]e|determine|recogni[sz]e|process|do that|answer|share|discuss|engage)"
)
_GIVEN = r"(?:provided|attached|uploaded|included|shared|given)"
_REFUSALS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^\W*(?:(?:i'm|i am|we're|we are)(?: \w+ly| so| very)? (?:sorry|afraid)|(?:very )?sorry)\b",
        r"^\W*(?:i apologi[sz]e|my apologies|apologies)\b",
        r"^\W*please (?:provide|upload|share) (?:the|a|an|your) (?:image|video|frame|clip|file)",
        rf"\bI,? ?(?:\w+ly )?{_UNABLE}(?: \w+ly)? {_TASK}\b",
        r"\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b",
        rf"\bno (?:image|video|frame|picture|clip)s? (?:was|were|is|are|has been|have been) {_GIVEN}\b",
        rf"\byou (?:haven't|have not|didn't) {_GIVEN}\b",
        "^\\W*(?:很|非常)?(?:抱歉|对不起|對不起)|^\\W*我(?:无法|不能|無法)(?:提供|描述|回答|满足|协助|查看|看到)",
        r"^\W*(?:(?:es )?tut mir leid|(?:je suis )?désolée?|lo siento|desculpe|sinto muito|mi dispiace|извините)"
        r"\b.{0,40}\b(?:ich kann|je ne peux|no puedo|não posso|non posso|я не могу)\b",
        "^\\W*(?:申し訳(?:ありません|ございません)|すみませんが|죄송(?:합니다|하지만))",
    )
]


def outcome(text: str, finish_reason: str | None) -> str:
    """What a model's answer is: one of `captioners.base.OUTCOMES`, of which `error` is not for this to say.

    `finish_reason` is OpenAI's: `length` where the answer was cut off, `content_filter` where it was withheld.
    """
    if finish_reason == "content_filter":
        return "refused"
    if not clean(text):
        return "empty"
    plain = QUOTED.sub(" ", _straight(text))
    if any(pattern.search(plain) for pattern in _REFUSALS):
        return "refused"
    if repeated_share(text) >= REPEATED_SHARE:
        return "repetitive"
    return "truncated" if finish_reason == "length" else "ok"


def issues(text: str, row: Mapping[str, Any]) -> list[str]:
    """Where a caption contradicts its row of the manifest, or its kind: codes, none where all is well.

    `camera_contradicts_motion`: it names a camera movement opposite to `camera`, one where `motion` says that nothing
    moves, or a static camera in fast movement. `quotes_unseen_text`: it quotes what is not in `text`, where that was
    measured. `says_image`: it speaks of a picture or of frames. `says_video`: it speaks of the video. `says_more`: it
    holds JSON, a list, headings or words to the reader.
    """
    plain = _straight(text)
    checks = {
        "camera_contradicts_motion": contradicts(plain, _word(row.get("camera")), finite(row.get("motion"))),
        "quotes_unseen_text": quotes_unseen(plain, _text_read(row)),
        "says_image": says_image(plain),
        "says_video": says_video(plain),
        "says_more": says_more(plain),
    }
    return [code for code, there in checks.items() if there]


def clean(text: str) -> str:
    """The caption in a model's answer, on one line: without its thoughts, control characters, what is said before and
    after it, and what it is wrapped in (`captioners.judge.unwrap`)."""
    printable = "".join(c if c.isprintable() else " " for c in unwrapped(_THOUGHT.sub("", text)))
    line = " ".join(printable.replace("**", "").split())
    if len(line) > 1 and line[0] == line[-1] == '"' and '"' not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def repeated_share(text: str) -> float:
    """Share of the text's n-grams of `REPEATED_LENGTH` words that occurred in it before; 0.0 for fewer than
    `REPEATED_LEAST`."""
    words = _WORDS.findall(text.casefold())
    grams = [tuple(words[i : i + REPEATED_LENGTH]) for i in range(len(words) - REPEATED_LENGTH + 1)]
    repeated = len(grams) - len(set(grams))
    return repeated / len(grams) if repeated >= REPEATED_LEAST else 0.0


def _straight(text: str) -> str:
    """The text with plain quotation marks and apostrophes."""
    return text.translate(str.maketrans("\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb", '\'\'"""""'))


def _text_read(row: Mapping[str, Any]) -> str | None:
    """The on-screen text of the row: empty where none was found, None where it was not looked for or not all read."""
    if "unknown" in (_word(row.get("text_scripts")) or ""):
        return None
    return _word(row.get("text")) or ("" if finite(row.get("text_area")) == 0 else None)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None
