"""What a container says of where its film comes from: tags that anybody may have written, and nobody checks."""

from __future__ import annotations

import re
from collections.abc import Mapping

MOST_CHARACTERS = 2000
"""Of a text; some containers hold whole licences."""

_TAGS = {
    "license": ("license", "copyright"),
    "url": ("url", "purl", "website", "webpage_url", "comment", "description"),
    "title": ("title",),
    "author": ("author", "artist", "album_artist", "creator"),
}
"""Tags for each of our columns, the surest first: MP4 and Matroska have no licence but a copyright notice, and what is
fetched from the web often has its address as a comment."""
_ADDRESS = re.compile(r"https?://\S+")


def provenance_of(tags: Mapping[str, str]) -> dict[str, str]:
    """License, url, title and author in a container's tags, where they are there; an url is one only as a whole."""
    said = {key.lower(): " ".join(text.replace("\0", " ").split()) for key, text in tags.items()}
    found: dict[str, str] = {}
    for column, keys in _TAGS.items():
        texts = (said.get(key, "") for key in keys)
        text = next((text for text in texts if text and (column != "url" or _ADDRESS.fullmatch(text))), None)
        if text is not None:
            found[column] = text.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
    return found
