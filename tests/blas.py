"""How many threads numpy's matrix library would use in this process."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np


def blas_threads() -> int | None:
    """None where numpy came with another library than OpenBLAS."""
    np.ones((2, 2)) @ np.ones((2, 2))
    loaded = re.search(r"(/\S*numpy\S*openblas\S*\.so\S*)", Path("/proc/self/maps").read_text())
    if loaded is None:
        return None
    library = ctypes.CDLL(loaded[1])
    for name in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_", "openblas_get_num_threads"):
        if hasattr(library, name):
            return int(getattr(library, name)())
    return None
