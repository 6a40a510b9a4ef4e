"""How loud a clip is from moment to moment, in blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from preprocess.sound.heard import Heard

BLOCK_SECONDS = 0.1


def levels_dbfs(heard: Heard) -> npt.NDArray[np.float32]:
    """RMS of the loudest channel in each block, the last one perhaps shorter; 0 is a square wave at full scale, and
    -inf nothing at all."""
    starts = np.arange(0, heard.samples.shape[1], max(1, round(BLOCK_SECONDS * heard.rate)))
    lengths = np.diff(starts, append=heard.samples.shape[1])
    powers = np.add.reduceat(np.square(heard.samples), starts, axis=1) / lengths
    with np.errstate(divide="ignore"):
        found: npt.NDArray[np.float32] = 10 * np.log10(powers.max(axis=0))
    return found
