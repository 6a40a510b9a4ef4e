"""Groups around their best clip: each clip of a group is known to repeat that one, and not only another that does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def groups_of(low: Rows, high: Rows, order: Rows) -> Rows:
    """For each of N rows the best row of its group, (N,), or -1 where it is in none.

    Row `low[p]` repeats row `high[p]`, (P,); `order` (N,) has the rows from the best to the worst. The best row that is
    in no group yet takes all others that repeat it.
    """
    leader = np.full(len(order), -1, np.int64)
    ours, theirs = np.concatenate([low, high]), np.concatenate([high, low])
    by_row = np.argsort(ours, kind="stable")
    theirs = theirs[by_row]
    ends = np.searchsorted(ours[by_row], np.arange(len(order) + 1)) if len(ours) else np.zeros(len(order) + 1, int)
    for row in order[np.diff(ends)[order] > 0].tolist():
        if leader[row] < 0:
            near = theirs[ends[row] : ends[row + 1]]
            free = near[leader[near] < 0]
            if len(free):
                leader[free] = row
                leader[row] = row
    return leader


def best_of(ours: Rows, theirs: Rows, places: Rows, num_rows: int) -> Rows:
    """For each of N rows the best of `theirs` that repeats it, (N,), or -1. `places` says how good each of them is."""
    found = np.full(num_rows, -1, np.int64)
    worst_first = np.argsort(-places[theirs], kind="stable")
    found[ours[worst_first]] = theirs[worst_first]
    return found
