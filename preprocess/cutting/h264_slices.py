"""H.264: a key frame of an open group becomes one that decoding starts with (IDR), and pictures behind it fit to it.

Where a group is open, encoders write an I picture and say that all is right from there on (a recovery point), but go
on counting from before. Behind an encoded head that count is wrong, and parameter sets may change at an IDR picture
alone. What has to change is the headers of slices, not what they hold: the I picture gets number and order 0, and those
behind it are counted from there, in fields that keep their length. All that names other pictures does so by
differences.

Fields: ITU-T H.264, sections 7.3.3 (slice header), 7.3.3.3 (marking), 7.4.1.2.4 (IDR).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.cutting.bits import Bits, escaped, ue_text, unescaped
from preprocess.cutting.h264_sets import PictureSet, SequenceSet
from preprocess.cutting.refusal import CannotCopy

IDR, SLICE = 5, 1
_HEADER_BYTES = 64
"""More than any slice's header needs up to the fields that are looked for."""
_KEEP_NONE, _UNUSED = 0, 1
"""Operations of marking: the end of the list; a short-term picture is no longer needed."""
_I_SLICES = frozenset({2, 7})


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceHeader:
    """Places, in bits from the unit's begin, and values of a slice header's first fields."""

    kind: int
    """Type of the unit."""
    slice_type: int
    sets: tuple[SequenceSet, PictureSet]
    frame_num: int
    frame_num_at: int
    order: int
    order_at: int
    behind_at: int
    """Where what comes behind the order begins."""


Sets = Mapping[int, tuple[SequenceSet, PictureSet]]


def slice_header(raw: bytes, sets: Sets) -> SliceHeader:
    """Read the begin of a slice's unit that has no escapes any more.

    Raises:
        CannotCopy: it names parameter sets that there are none of, or consists of fields.
        ValueError: it ends too early.
    """
    bits = Bits(raw[:_HEADER_BYTES], 8)
    kind = raw[0] & 31
    bits.ue()
    slice_type, number = bits.ue(), bits.ue()
    if number not in sets:
        raise CannotCopy("a slice whose parameter set is missing")
    sequence, picture = sets[number]
    if not sequence.frames_only or picture.slice_groups > 1:
        raise CannotCopy("pictures of fields, or of slice groups")
    if sequence.separate_planes:
        bits.u(2)
    frame_num_at = bits.at
    frame_num = bits.u(sequence.frame_num_bits)
    if kind == IDR:
        bits.ue()
    order_at = bits.at
    order = bits.u(sequence.order_bits)
    return SliceHeader(
        kind=kind,
        slice_type=slice_type,
        sets=(sequence, picture),
        frame_num=frame_num,
        frame_num_at=frame_num_at,
        order=order,
        order_at=order_at,
        behind_at=bits.at,
    )


def is_intra(unit: bytes, sets: Sets) -> bool:
    """Whether a slice is of an I picture."""
    return slice_header(unescaped(unit[:_HEADER_BYTES]), sets).slice_type in _I_SLICES


def begun_at(unit: bytes, first: SliceHeader, sets: Sets) -> bytes:
    """A slice behind an I picture that has become an IDR picture, counted from that one; without escapes."""
    raw = unescaped(unit)
    header = slice_header(raw, sets)
    sequence = header.sets[0]
    if sequence != first.sets[0] or sequence.order_type == 1:
        raise CannotCopy("an order of pictures that cannot be moved")
    bits = Bits(raw[:_HEADER_BYTES])
    bits.put(header.frame_num_at, sequence.frame_num_bits, header.frame_num - first.frame_num)
    if sequence.order_bits:
        bits.put(header.order_at, sequence.order_bits, header.order - first.order)
    return bits.to_bytes() + raw[_HEADER_BYTES:]


def as_idr(unit: bytes, sets: Sets) -> bytes:
    """A slice of an I picture as one of an IDR picture; of one, with what was before still to be shown."""
    raw = unescaped(unit)
    header = slice_header(raw, sets)
    sequence, picture = header.sets
    if header.slice_type not in _I_SLICES or sequence.order_type == 1:
        raise CannotCopy("a key frame that is predicted from others")
    bits = Bits(raw, header.behind_at)
    if sequence.order_bits and picture.has_order_delta:
        bits.se()
    if picture.has_redundant:
        bits.ue()
    marking_at = bits.at
    if header.kind == IDR:
        bits.put(marking_at, 1, 0)  # no_output_of_prior_pics_flag
        return escaped(bits.to_bytes())
    _pass_marking(bits)
    behind_marking = bits.at
    bits.se()
    if picture.has_deblocking and bits.ue() != 1:
        bits.se(), bits.se()
    head = "".join(
        (
            f"{raw[0] & 0b1110_0000 | IDR:08b}",
            bits.slice(8, header.frame_num_at),
            "0" * sequence.frame_num_bits,
            ue_text(0),
            "0" * sequence.order_bits,
            bits.slice(header.behind_at, marking_at),
            "00",
            bits.slice(behind_marking, bits.at),
        )
    )
    return escaped(with_data(head, raw, bits.at, is_aligned=picture.has_cabac))


def with_data(head: str, raw: bytes, data_at: int, *, is_aligned: bool) -> bytes:
    """A slice's data, which stood at that bit, behind another header; arithmetic codes begin with a whole byte."""
    if is_aligned:
        head += "1" * (-len(head) % 8)
        return int(head, 2).to_bytes(len(head) // 8, "big") + raw[(data_at + 7) // 8 :]
    text = head + Bits(raw).slice(data_at, 8 * len(raw)).rstrip("0")  # to the bit that ends it
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _pass_marking(bits: Bits) -> None:
    """Behind what an I picture says of those before it, which an IDR picture forgets anyhow."""
    if not bits.u(1):
        return
    while (operation := bits.ue()) != _KEEP_NONE:
        if operation != _UNUSED:
            raise CannotCopy("a key frame that keeps other pictures for long")
        bits.ue()
