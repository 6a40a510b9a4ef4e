"""Flat places of what moves: nothing in them changes, and all around them moves as one.

A large subject of one colour changes the picture at its outline and where it has texture. What such changes enclose
belongs to it if it may have moved with them: moved back as they are, it does not look other than it did.
"""

from __future__ import annotations

import cv2
import numpy as np

from filters.flow.planes import Field

LEAST_PIXELS = 40
"""Of a place; smaller ones are filled where changes are looked for."""
GAP = 9
"""Pixels: an outline may have gaps of this width."""
RIM = 5
"""Pixels around a place that tell how it moves."""
ALONE = 0.5
"""Spread of the velocities on the rim, as a share of their mean, up to which they are one movement."""
MOST_DENIED = 0.1
"""Share of a place that may look other once it is moved back: more, and it stands still while all around it moves."""

_GAP, _RIM = np.ones((GAP, GAP), np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)


def filled(u: Field, v: Field, credit: Field, denied: Field) -> tuple[Field, Field, Field]:
    """Velocities and credit with the flat places that move; all (h, w).

    `denied` is by how much a pixel looks more other where it is moved back as the flow says than where it stands, in
    units of what counts as a change.
    """
    moving = (credit > 0.5).astype(np.uint8)
    if cv2.countNonZero(moving) < LEAST_PIXELS:
        return u, v, credit
    outline = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, _GAP)
    outside = cv2.copyMakeBorder(1 - outline, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(outside, None, (0, 0), 0)
    enclosed = np.ascontiguousarray(outside[1:-1, 1:-1])
    if cv2.countNonZero(enclosed) < LEAST_PIXELS:
        return u, v, credit
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(enclosed)
    for label in range(1, count):
        left, top, wide, high, area = boxes[label].tolist()
        if area < LEAST_PIXELS:
            continue
        around = np.s_[max(0, top - RIM) : top + high + RIM, max(0, left - RIM) : left + wide + RIM]
        place = labels[around] == label
        grown = cv2.dilate(place.astype(np.uint8), _RIM)
        rim = (grown > 0) & (moving[around] > 0) & ~place
        if not rim.any():
            continue
        along, down = u[around][rim], v[around][rim]
        mean_u, mean_v = float(along.mean()), float(down.mean())
        spread = float(np.hypot(along - mean_u, down - mean_v).mean())
        if spread > ALONE * np.hypot(mean_u, mean_v) or (denied[around][place] > 1).mean() > MOST_DENIED:
            continue
        u, v, credit = u.copy(), v.copy(), credit.copy()
        u[around][place], v[around][place], credit[around][place] = mean_u, mean_v, 1
    return u, v, credit
