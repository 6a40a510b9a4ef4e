"""H.264: what pictures behind a cut say of those before it, which are not there to be forgotten.

Pictures tell which others need not be kept any more. Software passes over names of pictures that it does not have;
decoders in hardware, and those in browsers that drive them, stop. So such names are taken out of the slices' headers.

Fields: ITU-T H.264, sections 7.3.3 to 7.3.3.3.
"""

from __future__ import annotations

from preprocess.cutting.bits import Bits, ue_text
from preprocess.cutting.h264_slices import SliceHeader, with_data
from preprocess.cutting.refusal import CannotCopy

_P, _B, _I = 0, 1, 2
_END, _UNUSED, _LONG, _RESET = 0, 1, 3, 5
"""Operations of marking (table 7-9): the last one; a picture is not needed; it is kept for long; nothing is needed."""
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 6: 1}
_LAST_REORDERING = 3


def without_names_of_before(raw: bytes, header: SliceHeader, age: int) -> bytes:
    """A slice's unit without escapes, which forgets no picture that is more than `age` numbers before it.

    Raises:
        CannotCopy: it keeps or resets what cannot be followed.
        ValueError: it ends too early.
    """
    if raw[0] >> 5 & 3 == 0:  # nothing refers to it, and it says nothing
        return raw
    bits = Bits(raw, header.behind_at)
    _pass_references(bits, header)
    marking_at = bits.at
    if not bits.u(1):
        return raw
    kept: list[int] = []
    is_shorter = False
    while (operation := bits.ue()) != _END:
        operands = [bits.ue() for _ in range(_OPERANDS.get(operation, 0))]
        is_before = operation in (_UNUSED, _LONG) and operands[0] + 1 > age
        if operation == _RESET or (is_before and operation == _LONG):
            raise CannotCopy("pictures that are kept for long")
        is_shorter |= is_before
        kept += [] if is_before else [operation, *operands]
    if not is_shorter:
        return raw
    behind_at = bits.at
    _pass_rest(bits, header)
    marking = "1" + "".join(map(ue_text, (*kept, _END)))
    head = bits.slice(0, marking_at) + marking + bits.slice(behind_at, bits.at)
    return with_data(head, raw, bits.at, is_aligned=header.sets[1].has_cabac)


def _pass_references(bits: Bits, header: SliceHeader) -> None:
    """From behind the order to the marking."""
    sequence, picture = header.sets
    kind = header.slice_type % 5
    if kind not in (_P, _B, _I):
        raise CannotCopy("slices of a kind that nobody makes")
    if sequence.order_bits and picture.has_order_delta:
        bits.se()
    if picture.has_redundant:
        bits.ue()
    if kind == _I:
        return
    lists = 2 if kind == _B else 1
    if kind == _B:
        bits.u(1)
    counts = list(picture.num_references[:lists])
    if bits.u(1):
        counts = [bits.ue() + 1 for _ in range(lists)]
    for _ in range(lists):
        if bits.u(1):
            while bits.ue() != _LAST_REORDERING:
                bits.ue()
    if picture.has_weights[kind]:
        _pass_weights(bits, counts, has_chroma=sequence.has_chroma)


def _pass_weights(bits: Bits, counts: list[int], *, has_chroma: bool) -> None:
    for _ in range(2 if has_chroma else 1):
        bits.ue()
    for count in counts:
        for _ in range(count):
            for numbers in (2, 4) if has_chroma else (2,):
                if bits.u(1):
                    for _ in range(numbers):
                        bits.se()


def _pass_rest(bits: Bits, header: SliceHeader) -> None:
    """From behind the marking to the data."""
    picture = header.sets[1]
    if picture.has_cabac and header.slice_type % 5 != _I:
        bits.ue()
    bits.se()
    if picture.has_deblocking and bits.ue() != 1:
        bits.se(), bits.se()
