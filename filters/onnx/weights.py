"""ONNX models as bytes, for the CPU: a copy that also gives what lies inside, or that leaves out weights of no weight.

Only the few fields of the format that this takes are read (messages of protocol buffers, onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

GRAPH, INITIALIZER, DATA_TYPE, RAW_DATA, OUTPUT, NAME = 7, 5, 2, 9, 12, 1
"""Fields: of a model, its graph; of that, its weights and what it gives; of weights, their type and bytes; a name."""
FLOAT = 1
VANISHING = 1e-20
"""Weights under this add nothing to a 32-bit sum in which anything counts. Training has left many, most of them
under the least normal number, 1.2e-38, with which a CPU calculates up to a hundred times more slowly."""


def without_vanishing(model: bytes) -> bytes:
    """The model with 0 for weights nearer to it than `VANISHING`."""
    changed = bytearray(model)
    whole = memoryview(changed)
    for graph in _contents(whole, GRAPH):
        for weights in _contents(graph, INITIALIZER):
            if FLOAT in _numbers(weights, DATA_TYPE):
                for content in _contents(weights, RAW_DATA):
                    values = np.frombuffer(content, "<f4")
                    values[np.abs(values) < VANISHING] = 0
    return bytes(changed)


def with_output(model: bytes, tensor: str) -> bytes:
    """The model with a tensor from inside among what it gives.

    Two messages, one after the other, are one message with the fields of both: so a graph with nothing but an output
    that has a name adds one.
    """
    return model + _field(GRAPH, _field(OUTPUT, _field(NAME, tensor.encode())))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field, of fewer than 128 bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def _contents(message: memoryview, number: int) -> Iterator[memoryview]:
    """Of the length-delimited fields of that number, in place."""
    return (value for found, value in _fields(message) if found == number and isinstance(value, memoryview))


def _numbers(message: memoryview, number: int) -> list[int]:
    return [value for found, value in _fields(message) if found == number and isinstance(value, int)]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field; those of fixed length are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif kind == 2:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind} at byte {at}, must be 0, 1, 2 or 5: this is no ONNX model")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, lowest first, and where the next field begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
