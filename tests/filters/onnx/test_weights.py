from __future__ import annotations

import numpy as np
import pytest

from filters.onnx.weights import without_vanishing


def test_weights_that_add_nothing_are_zero_and_all_else_stays() -> None:
    weights = np.array([0.5, -3e-39, 1e-45, -1e-21, 1e-19, 0.0, -2.0], "<f4")
    whole = np.array([1, 2, 3], "<i4")  # as floats these are all next to 0
    model = _field(7, _field(5, _number(2, 1) + _field(9, weights.tobytes())) + _field(5, _integers(whole)))
    changed = without_vanishing(_number(1, 8) + model + _field(14, b"metadata"))
    expected = np.array([0.5, 0.0, 0.0, 0.0, 1e-19, 0.0, -2.0], "<f4")
    assert changed == (_number(1, 8) + model + _field(14, b"metadata")).replace(weights.tobytes(), expected.tobytes())
    assert whole.tobytes() in changed


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no ONNX model"):
        without_vanishing(b"\x0f\x00\x00")


def _integers(values: np.ndarray) -> bytes:
    return _number(2, 6) + _field(9, values.tobytes())


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3, value])


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content
