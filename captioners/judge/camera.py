"""What a caption says of the camera, in the words of the `camera` column, and whether that can be."""

from __future__ import annotations

import re

FAST_MOTION = 2.0
"""`motion` (percent of the longer side a second) from which a camera that pans, tilts or zooms cannot pass for static:
it is well over the slowest movement that gets a word (1.2)."""
NO_MOTION = 0.3
"""`motion` under which no camera moves visibly: a pan at 0.3 moves the whole picture by that."""
OPPOSITES = {
    "pan_left": "pan_right",
    "pan_right": "pan_left",
    "tilt_up": "tilt_down",
    "tilt_down": "tilt_up",
    "zoom_in": "zoom_out",
    "zoom_out": "zoom_in",
}

_PANS = r"(?:pans|pan|panning|camera (?:is )?(?:mov|track|truck|slid|drift|glid|swing|sweep|swivel)\w*)"
_TILTS = r"(?:tilts|tilt|tilting|pans|pan|panning|camera (?:is )?(?:mov|cran)\w*)"
# `left on the stove` is of cookware, `right behind her` a distance, `left, then right` and the like both sides
_ONE_SIDE = (
    r"(?!.*(?:,|\band|\bor|\bback|\bbefore|\breturn\w*) (?:\w+ )?(?:left|right)\b)"
    r"(?! (?:left|right|on|of|in|at|into|behind|through|past|above|next|beside|before)\b)"
)
_SHOT_SIZES = (
    r"(?:wide|medium|long|full|close|close-up|extreme|high|low|eye-level|overhead|aerial|single|angle|frontal)"
)
_SAID = {
    "pan_left": rf"\b{_PANS} (?:left(?:ward)?s?\b{_ONE_SIDE}|RIGHT-LEFT)",
    "pan_right": rf"\b{_PANS} (?:right(?:ward)?s?\b{_ONE_SIDE}|LEFT-RIGHT)",
    "tilt_up": rf"\b{_TILTS} up(?:ward)?s?\b(?! (?:and |or )?down)",
    "tilt_down": rf"\b{_TILTS} down(?:ward)?s?\b(?! (?:and |or )?up)",
    "zoom_in": r"\b(?:zooms|zoom|zooming|camera (?:pushes|dollies)) in(?:ward)?s?\b(?! (?:and |or )?out)",
    "zoom_out": r"\b(?:zooms|zoom|zooming|camera pulls) (?:out|back)(?:ward)?s?\b(?! (?:and |or )?in\b)",
    "static": rf"\b(?:static|stationary|locked-off|fixed) (?:{_SHOT_SIZES} )*(?:camera|shot|view|framing|perspective)\b"
    r"|\bcamera (?:is|remains|stays|holds|stands) (?:static|stationary|still|fixed|motionless)\b(?! on\b)",
}
_PATTERNS = {word: re.compile(pattern) for word, pattern in _SAID.items()}
_FILLERS = re.compile(r"\b(?:\w+ly|then|further|very|to|towards?|the|its|far) ")
_SWEEPS = (
    (re.compile(r"\b(?:from )?(?:the )?left(?: side)? to (?:the )?right\b"), "LEFT-RIGHT"),
    (re.compile(r"\b(?:from )?(?:the )?right(?: side)? to (?:the )?left\b"), "RIGHT-LEFT"),
)
_OF_THE_CAMERA = re.compile(r"\b(?:camera|shot|view|lens|drone|panning|tilting|zooming)\b")
_MOVES = re.compile(
    r"\b(?:pans?|panning|tilts?|tilting|zooms?|zooming|dolly|tracking|handheld|hand-held|orbits|orbiting|aerial"
    r"|camera (?:\w+ly )?(?:is )?(?:follow|mov|track|glid|drift|push|pull|ris|circl|sw[ei]|shak|rotat|advanc)\w*)\b"
)
_DENIED = re.compile(r"\b(?:no|not|never|without|neither|nor|cannot|rather than|instead of|as if|as though)\b|n't\b")
_HEDGED = re.compile(
    r"\b(?:slow(?:ly)?|slight(?:ly)?|gent(?:le|ly)|subt(?:le|ly)|gradual(?:ly)?|brief(?:ly)?|minimal(?:ly)?|barely"
    r"|almost|nearly|mostly|largely|relatively|fairly|initially|at first|begins?|starts?|ends?|then|finally)\b"
)


def contradicts(text: str, camera: str | None, motion: float | None) -> bool:
    """Whether the columns `camera` and `motion` (None: not measured) rule out what the text says of the camera."""
    plain, hedged = said(text)
    words = plain | hedged
    if camera in OPPOSITES:
        if OPPOSITES[camera] in words and camera not in words:
            return True
        moves = _MOVES.search(text.lower()) is not None
        return "static" in plain and not moves and motion is not None and motion >= FAST_MOTION
    if camera != "static" or motion is None or motion >= NO_MOTION:
        return False
    return bool(plain - {"static"}) and "static" not in words


def said(text: str) -> tuple[set[str], set[str]]:
    """Words of the `camera` column that the text uses: plainly, and in a sentence that takes half of it back, such as
    with `slowly` or `at first`."""
    plain: set[str] = set()
    hedged: set[str] = set()
    for sentence in re.split(r"[.;!?](?:\s|$)", text.lower()):
        short = sentence
        for pattern, sweep in _SWEEPS:
            short = pattern.sub(sweep, short)
        short = _FILLERS.sub("", short)
        if _OF_THE_CAMERA.search(short):
            (hedged if _HEDGED.search(sentence) else plain).update(_words_of(short))
    return plain, hedged


def _words_of(sentence: str) -> set[str]:
    words = set()
    for word, pattern in _PATTERNS.items():
        for match in pattern.finditer(sentence):
            clause = re.split(r",|\bbut\b|\bwhile\b", sentence[: match.start()])[-1]
            if not _DENIED.search(clause):
                words.add(word)
    return words
