"""Small things that flow lost: they are looked for again, as a whole.

Flow looks at patches that are as large as a small subject, and where the background has texture, that wins. But all
that changes between two pictures is then the place that the subject has left and the place that it has come to, and one
shift explains both: at each changed pixel either the subject was there, and is found behind the shift, or it has come
there, and is found before it.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from filters.flow.planes import Field

REACH = 8
"""Pixels each way: 75 % a second over a twelfth of a second."""
LEAST_PIXELS, MOST_SHARE = 10, 0.1
"""What changes is at least so many pixels, and at most such a share of the picture: what is larger flow finds."""
MOST_PLACES = 3
LOST = 0.25
"""Share of the change that the flow leaves over from which on it has lost the subject."""
FOUND = 0.25
"""Share of the change that a shift may leave over: true ones, between whole pixels, leave 0.1 to 0.15; what only looks
other than before is matched as well by chance, but then at the edge of what is tried, which does not count."""
LOOKED_AT = 150
"""Pixels of a change that a first look compares; a second one, at the shifts around the best, twice as many."""
JOIN = 5
"""Pixels over which parts of one change are joined."""

Changed = npt.NDArray[np.bool_]


def found_again(before: Field, after: Field, flow: Field, changed: Changed, left: Field) -> Field:
    """The flow of `before` to `after`, with one shift in each small place that it does not explain; arrays of (h, w).

    The camera is taken out of `after` and of `flow`, in pixels. `left` is the squared difference that the flow leaves.
    """
    if not LEAST_PIXELS <= np.count_nonzero(changed) <= MOST_SHARE * changed.size:
        return flow
    change = (before - after) ** 2
    grown = cv2.dilate(changed.astype(np.uint8), np.ones((JOIN, JOIN), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(grown, connectivity=4)
    for label in sorted(range(1, count), key=lambda each: -boxes[each, cv2.CC_STAT_AREA])[:MOST_PLACES]:
        place = labels == label
        rows, columns = np.nonzero(place & changed)
        whole, lost = float(change[rows, columns].sum()), float(left[rows, columns].sum())
        if len(rows) < LEAST_PIXELS or lost <= LOST * whole:
            continue
        shift, rest = _shift(before, after, rows, columns)
        if rest < min(FOUND * whole, lost) and np.abs(shift).max() < REACH:
            flow = np.where(place[..., None], shift, flow)
    return flow


def _shift(
    before: Field, after: Field, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> tuple[Field, float]:
    """The shift (x, y) that explains most of what changed at these pixels, to parts of a pixel, and what it leaves."""
    edge = REACH + 1  # what is looked at around the best shift is one further
    first, second = (cv2.copyMakeBorder(each, *(edge,) * 4, cv2.BORDER_REPLICATE) for each in (before, after))
    wide = first.shape[1]
    first, second = first.ravel(), second.ravel()
    places = (rows + edge) * wide + columns + edge

    def rest(shifts: npt.NDArray[np.int64], step: int = 1) -> npt.NDArray[np.float32]:
        """Summed squared difference over one pixel in `step`, for each of N shifts (x, y), (N, 2)."""
        at, by = places[::step], (shifts[:, 1] * wide + shifts[:, 0])[:, None]
        gone, come = second[at + by] - first[at], first[at - by] - second[at]
        nearer: npt.NDArray[np.float32] = np.minimum(gone * gone, come * come).sum(axis=1)
        return nearer

    best = _COARSE[int(rest(_COARSE, 1 + len(rows) // LOOKED_AT).argmin())]
    best = np.clip(best + _AROUND[int(rest(best + _AROUND, 1 + len(rows) // (2 * LOOKED_AT)).argmin())], -REACH, REACH)
    least, left, right, above, below = (float(each) for each in rest(best + _CROSS))
    part = np.array([_vertex(left, least, right), _vertex(above, least, below)])
    return (best + part).astype(np.float32), least


def _vertex(before: float, at: float, after: float) -> float:
    """Where the parabola through three neighbours is lowest, within half a pixel of the middle one."""
    bend = before + after - 2 * at
    return 0.0 if bend <= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _grid(step: int, reach: int) -> npt.NDArray[np.int64]:
    ticks = np.arange(-reach, reach + 1, step)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


_COARSE, _AROUND = _grid(2, REACH), _grid(1, 1)
_CROSS = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])
