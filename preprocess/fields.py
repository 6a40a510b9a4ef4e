"""Whether a frame is woven of two fields that show two moments, told by its combs, since flags lie both ways.

Where something moved between the fields, rows alternate: all energy lies at the highest vertical frequency. Pictures
have less there than below it, noise as much. So blocks in which that frequency stands out are counted against those in
which the next lower ones do, which no interlacing causes.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

ROWS = 8
"""Of a block, a strip wide: its frequencies are 0 to 4 cycles in 8 rows."""
GROUP = 4
"""Columns are averaged by so many: combs are longer than that, grain is not."""
STRIP = 16
"""Columns of a strip. The energies of its groups are added up: those of grain are alike then."""
STRIPS, FLAGGED_STRIPS = 6, 24
"""Strips of columns looked at, evenly spread; more of them where the file says that it is interlaced."""
LEAST_AMPLITUDE = 3.0
"""Levels of 255 by which rows go up and down."""
STANDS_OUT = 4.0
"""Times the energy of each of the two lower frequencies."""
LEAST_SHARE, FLAGGED_SHARE = 0.01, 0.005
"""Of the blocks. Whole frames of real films stay below 0.001, woven ones with movement are mostly above 0.02; a film
that does not say that it is interlaced has to show more."""
OUTNUMBERS = 4.0
"""Times the blocks in which the frequency below stands out."""


def is_combed(luma: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], *, bits: int, flagged: bool) -> bool:
    """Of a full frame's luma (H, W), as coded. `flagged`: the file calls the frame interlaced."""
    height, width = luma.shape
    blocks_high = height // ROWS
    if width < GROUP or blocks_high < 1:
        return False
    strip = min(STRIP, width // GROUP * GROUP)
    count = min(FLAGGED_STRIPS if flagged else STRIPS, width // strip)
    starts = (np.arange(count) * 2 + 1) * width // (2 * count) - strip // 2
    part = cv2.hconcat([luma[: blocks_high * ROWS, start : start + strip] for start in starts])
    groups = cv2.resize(part, (part.shape[1] // GROUP, part.shape[0]), interpolation=cv2.INTER_AREA)
    blocks = groups.astype(np.float32).reshape(blocks_high, ROWS, -1).transpose(1, 0, 2).reshape(ROWS, -1)
    energy = (_ANALYSIS @ blocks) ** 2
    of_strip = strip // GROUP
    found = sum(energy[:, group::of_strip] for group in range(of_strip))  # `sum` is slow over a short axis
    highest, third, second = found[0], found[1] + found[2], found[3] + found[4]
    least = (LEAST_AMPLITUDE * ROWS * (1 << (bits - 8))) ** 2
    combed = np.count_nonzero((highest > least) & (highest > STANDS_OUT * np.maximum(third, second)))
    other = np.count_nonzero((third > least) & (third > STANDS_OUT * np.maximum(highest, second)))
    share = FLAGGED_SHARE if flagged else LEAST_SHARE
    return bool(combed > share * highest.size and combed > OUTNUMBERS * other)


_TURNS = 2 * np.pi * np.arange(ROWS) / ROWS
_ANALYSIS = np.stack([np.cos(4 * _TURNS), *(f(n * _TURNS) for n in (3, 2) for f in (np.cos, np.sin))]).astype(
    np.float32
)
"""(5, 8): the sums of a block's rows at 4 cycles, and at 3 and 2 as cosine and sine."""
