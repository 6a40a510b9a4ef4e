"""Sheets of small stills: a picture of each clip of the page, in a tenth of the bytes that its strip takes."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 96, 54
COLUMNS, ROWS = 25, 20
"""Of a sheet: 2400 x 1080 px."""
QUALITY = 32
"""Of WebP: about 420 bytes a still."""
MOST_PIXELS = 1 << 20
"""What claims more is no strip of three frames of 160 px."""
_SIZES = frozenset({0xC0, 0xC1, 0xC2})

Picture = npt.NDArray[np.uint8]


def sheets(ids: Sequence[str], previews: Mapping[str, bytes]) -> dict[str, Any]:
    """The middle frame of each clip's strip, N of them row by row on sheets; those without one are left black.

    `drawn` are the numbers of the clips that have a still: still i is of clip `drawn[i]`.
    """
    stills = [(number, still) for number, key in enumerate(ids) if (still := _still(previews.get(key))) is not None]
    each = COLUMNS * ROWS
    groups = [stills[start : start + each] for start in range(0, len(stills), each)]
    return {
        "size": [WIDTH, HEIGHT, COLUMNS, ROWS],
        "drawn": [number for number, _ in stills],
        "sheets": [_sheet([still for _, still in group]) for group in groups],
    }


def _sheet(stills: Sequence[Picture]) -> str:
    import cv2

    rows = -(-len(stills) // COLUMNS)
    sheet = np.zeros((rows * HEIGHT, COLUMNS * WIDTH, 3), np.uint8)
    for place, still in enumerate(stills):
        y, x = place // COLUMNS * HEIGHT, place % COLUMNS * WIDTH
        sheet[y : y + HEIGHT, x : x + WIDTH] = still
    webp = cv2.imencode(".webp", sheet, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def _still(jpeg: bytes | None) -> Picture | None:
    """(HEIGHT, WIDTH, 3), filled by the middle third of the strip, or of what is no strip by the whole picture."""
    import cv2

    if not jpeg or _pixels(jpeg) not in range(1, MOST_PIXELS):
        return None
    try:
        strip = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    except cv2.error:
        return None
    if strip is None:
        return None
    third = strip.shape[1] // 3
    frame = strip[:, third : 2 * third] if strip.shape[1] >= 3 * WIDTH // 2 else strip
    height, width = frame.shape[:2]
    kept_height, kept_width = min(height, round(width * HEIGHT / WIDTH)), min(width, round(height * WIDTH / HEIGHT))
    y, x = (height - kept_height) // 2, (width - kept_width) // 2
    middle = frame[y : y + max(1, kept_height), x : x + max(1, kept_width)]
    return np.asarray(cv2.resize(middle, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _pixels(jpeg: bytes) -> int:
    """How many the file says that it has, before any is decoded; 0 where it does not say (ITU T.81, annex B)."""
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        if jpeg[at + 1] in _SIZES:
            height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
            return int(height) * int(width)
        at += 2 + int(struct.unpack(">H", jpeg[at + 2 : at + 4])[0])
    return 0
