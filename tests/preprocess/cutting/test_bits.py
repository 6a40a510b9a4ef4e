"""Bits and units of H.264 and H.265: what is read is what was written, whatever the bytes are."""

from __future__ import annotations

import random

import pytest

from preprocess.cutting.bits import Bits, escaped, ue_text, unescaped
from preprocess.cutting.nal import annex_b, avcc, hvcc, messages, split
from preprocess.cutting.refusal import CannotCopy


@pytest.mark.parametrize("seed", range(20))
def test_escapes_keep_start_codes_out_and_can_be_undone(seed: int) -> None:
    rng = random.Random(seed)
    raw = bytes(rng.choice((0, 0, 0, 1, 2, 3, 200)) for _ in range(500)) + b"\x80"
    unit = escaped(raw)
    assert unescaped(unit) == raw
    assert not any(code in unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@pytest.mark.parametrize("number", [0, 1, 2, 3, 254, 255, 256, 65_535])
def test_exp_golomb_numbers_are_read_as_they_are_written(number: int) -> None:
    text = ue_text(number)
    bits = Bits(int(text.ljust(48, "1"), 2).to_bytes(6, "big"))
    assert bits.ue() == number
    assert bits.at == len(text)


def test_signed_numbers_alternate() -> None:
    """ITU-T H.264, table 9-3."""
    bits = Bits(int("".join(map(ue_text, range(5))).ljust(24, "1"), 2).to_bytes(3, "big"))
    assert [bits.se() for _ in range(5)] == [0, 1, -1, 2, -2]


def test_what_is_put_changes_nothing_else() -> None:
    bits = Bits(b"\xff\xff\xff")
    bits.put(5, 9, -1 << 9)
    assert bits.to_bytes() == bytes([0b1111_1000, 0b0000_0011, 0xFF])
    assert bits.slice(3, 7) == "1100"


def test_bytes_that_end_are_an_error() -> None:
    with pytest.raises(ValueError, match="bits at"):
        Bits(b"\0\0").ue()
    with pytest.raises(ValueError, match="9 bits at 0 of 8"):
        Bits(b"\0").u(9)


@pytest.mark.parametrize("length_bytes", [1, 2, 4])
def test_units_are_the_same_in_both_forms(length_bytes: int) -> None:
    units = [b"\x67abc", b"\x68d", b"\x65" + b"e" * 100]
    data = b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)
    assert split(data, length_bytes) == units
    assert split(annex_b(units), 0) == units


def test_broken_lengths_and_headers_are_refused() -> None:
    with pytest.raises(CannotCopy, match="longer"):
        split(b"\0\0\0\x09abc", 4)
    for header in (b"", b"\1\x64\0\x1f\xff\xe1\0\x20ab", b"\2" * 20):
        with pytest.raises(CannotCopy, match="header"):
            avcc(header)
    for header in (b"", b"\1" * 22, b"\1" * 22 + b"\1\xa0\0\1\0\x20ab"):
        with pytest.raises(CannotCopy, match="header"):
            hvcc(header)


def test_messages_are_told_apart() -> None:
    payload = bytes([5, 2, 10, 11, 255, 1, 1, 77, 0x80])
    assert list(messages(payload)) == [(5, b"\x0a\x0b"), (256, b"\x4d")]
    assert list(messages(b"\xff\xff")) == []
