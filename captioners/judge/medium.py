"""Does a caption speak of an image, or of the frames it was made from? A generator would learn to draw those. Of the
video itself it should not speak either, which costs words that say nothing."""

from __future__ import annotations

import re

_MEDIUM = r"(?:image|photo|photograph|picture|screenshot)"
_SHOWS = (
    r"(?:shows|showcases|depicts|captures|features|displays|presents|portrays|illustrates|contains|appears|seems"
    r"|(?:is|was) (?:of|taken|shot))"
)
_SAYS_IMAGE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:the|this) {_MEDIUM}(?: \w+ly)? {_SHOWS}\b",
        rf"\b(?:in|throughout|across|of) (?:the|this) {_MEDIUM}\s?[,.]",
        rf"^(?:this is )?an? (?:(?!an? |the |h[ie][sr] |their )[\w-]+,? ){{0,4}}?{_MEDIUM} of\b",
        r"\b(?:first|second|third|last|final|next|subsequent) (?:frame|image)s?\b",
        r"\b(?:across|throughout|between|in all|in these|these) (?:the )?(?:frames|images)\b",
        r"\b(?:series|sequence|set) of (?:frames|images|stills)\b",
    )
]
_SAYS_VIDEO = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:the|this) (?:short )?(?:video|clip|footage)(?: clip)?(?: \w+ly)? (?:{_SHOWS}|begins|opens|starts)\b",
        r"\b(?:in|throughout|of) (?:the|this) (?:video|clip|footage)\s?[,.]",
    )
]
_PICTURE_THERE = re.compile(
    r"\b(?:(?:an?|his|her|its|their|old|each|family) (?:[\w-]+ )?(?:image|photo|photograph|picture)s?"
    r"|photos|photographs|pictures|posters?|paintings?|albums?|screens?|monitors?|projectors?|phones?|tv|television"
    r"|walls?|hangs|hanging|pinned|framed|galler(?:y|ies)|easels?|doors?|windows?)\b",
    re.IGNORECASE,
)
"""Where one of these is seen, a picture or a frame may be part of the shot."""


def says_image(text: str) -> bool:
    """Whether the text speaks of an image or of frames; False where a picture may be part of the scene."""
    return _says(_SAYS_IMAGE, text)


def says_video(text: str) -> bool:
    """Whether the text speaks of the video that it describes; False where one may be part of the scene."""
    return _says(_SAYS_VIDEO, text)


def _says(patterns: list[re.Pattern[str]], text: str) -> bool:
    for pattern in patterns:
        match = pattern.search(text)
        if match is not None and not _PICTURE_THERE.search(text[: match.start()] + "|" + text[match.end() :]):
            return True
    return False
