"""Columns as text that a page unpacks in no time, every value exactly as it was."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def packed_numbers(values: npt.NDArray[np.float64]) -> dict[str, str]:
    """The values (N,) in the smallest of three forms, each little-endian and in base64.

    `f8` or `f4` holds the numbers themselves; `of` (float64) holds the distinct ones, and `u1` or `u2` which of them
    each value is. Nothing is rounded: `f4` is chosen only where it holds the same numbers.
    """
    with np.errstate(over="ignore"):
        single = values.astype("<f4")
    plain = {"f4": single} if np.array_equal(single.astype(np.float64), values, equal_nan=True) else {"f8": values}
    distinct, codes = np.unique(values, return_inverse=True)
    forms: list[dict[str, npt.NDArray[Any]]] = [plain]
    if len(distinct) <= 1 << 16:
        forms.append({"of": distinct, **_codes(codes)})
    smallest = min(forms, key=lambda form: sum(part.nbytes for part in form.values()))
    return {name: _base64(part) for name, part in smallest.items()}


def packed_texts(texts: Sequence[str | None]) -> dict[str, Any]:
    """`texts`, the distinct ones in the order of their coming, and which of them each is, from 1; 0 for None."""
    places: dict[str, int] = {}
    codes = [0 if text is None else places.setdefault(text, len(places) + 1) for text in texts]
    return {"texts": list(places), **{name: _base64(part) for name, part in _codes(np.array(codes, np.int64)).items()}}


def _codes(codes: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    most = int(codes.max(initial=0))
    kind = "u1" if most < 1 << 8 else "u2" if most < 1 << 16 else "u4"
    return {kind: codes.astype(f"<{kind}").reshape(-1)}


def _base64(part: npt.NDArray[Any]) -> str:
    return base64.b64encode(part.astype(part.dtype.newbyteorder("<")).tobytes()).decode("ascii")
