"""What of H.264's parameter sets is needed to read a slice's header (ITU-T H.264, sections 7.3.2.1 and 7.3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from preprocess.cutting.bits import Bits, escaped, unescaped

_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Values of `profile_idc` whose sets tell of chroma and scaling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSet:
    """Of one sequence parameter set."""

    number: int
    profile: int
    separate_planes: bool
    has_chroma: bool
    """Coded together with luma."""
    frame_num_bits: int
    order_type: int
    order_bits: int
    """Of `pic_order_cnt_lsb`; 0 where pictures have none."""
    order_is_zero: bool
    """`delta_pic_order_always_zero_flag`"""
    gaps_at: int
    """The bit of `gaps_in_frame_num_value_allowed_flag`, in the set without escapes."""
    frames_only: bool
    """No picture consists of fields, nor does any macroblock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSet:
    """Of one picture parameter set."""

    number: int
    sequence: int
    has_cabac: bool
    has_order_delta: bool
    slice_groups: int
    num_references: tuple[int, int]
    """Of both lists, where a slice tells no other numbers."""
    has_weights: tuple[bool, bool]
    """Whether P slices, and B slices, tell how references are weighted."""
    has_deblocking: bool
    has_redundant: bool


def sequence_set(unit: bytes) -> SequenceSet:
    """Read one.

    Raises:
        ValueError: it ends too early.
    """
    bits = Bits(unescaped(unit), 8)
    profile = bits.u(8)
    bits.u(16)
    number = bits.ue()
    chroma = _chroma(bits) if profile in _HIGH else (1, False)
    frame_num_bits, order_type = bits.ue() + 4, bits.ue()
    order_bits, is_zero = 0, False
    if order_type == 0:
        order_bits = bits.ue() + 4
    elif order_type == 1:
        is_zero = bool(bits.u(1))
        for _ in range(2):
            bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()
    gaps_at = bits.at
    bits.u(1)
    bits.ue(), bits.ue()
    return SequenceSet(
        number=number,
        profile=profile,
        separate_planes=chroma[1],
        has_chroma=chroma[0] > 0 and not chroma[1],
        frame_num_bits=frame_num_bits,
        order_type=order_type,
        order_bits=order_bits,
        order_is_zero=is_zero,
        gaps_at=gaps_at,
        frames_only=bool(bits.u(1)),
    )


def _chroma(bits: Bits) -> tuple[int, bool]:
    """Chroma's format, and whether planes are coded apart; to behind the scaling lists."""
    chroma = bits.ue()
    separate = chroma == 3 and bool(bits.u(1))
    bits.ue(), bits.ue()
    bits.u(1)
    if bits.u(1):
        for number in range(12 if chroma == 3 else 8):
            if bits.u(1):
                _pass_scaling_list(bits, 16 if number < 6 else 64)
    return chroma, separate


def _pass_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def with_gaps(unit: bytes) -> bytes:
    """The same sequence parameter set, which allows that numbers of frames are left out."""
    raw = unescaped(unit)
    bits = Bits(raw)
    bits.put(sequence_set(unit).gaps_at, 1, 1)
    return escaped(bits.to_bytes())


def picture_set(unit: bytes) -> PictureSet:
    """Read one.

    Raises:
        ValueError: it ends too early.
    """
    bits = Bits(unescaped(unit), 8)
    number, sequence = bits.ue(), bits.ue()
    has_cabac, has_order_delta, groups = bool(bits.u(1)), bool(bits.u(1)), bits.ue() + 1
    if groups > 1:  # a form of the baseline profile that hardly anybody writes; what follows is told otherwise
        return PictureSet(
            number=number,
            sequence=sequence,
            has_cabac=has_cabac,
            has_order_delta=has_order_delta,
            slice_groups=groups,
            num_references=(1, 1),
            has_weights=(False, False),
            has_deblocking=False,
            has_redundant=False,
        )
    num_references = (bits.ue() + 1, bits.ue() + 1)
    has_weights = (bool(bits.u(1)), bits.u(2) == 1)
    for _ in range(3):
        bits.se()
    has_deblocking, _, has_redundant = bool(bits.u(1)), bits.u(1), bool(bits.u(1))
    return PictureSet(
        number=number,
        sequence=sequence,
        has_cabac=has_cabac,
        has_order_delta=has_order_delta,
        slice_groups=1,
        num_references=num_references,
        has_weights=has_weights,
        has_deblocking=has_deblocking,
        has_redundant=has_redundant,
    )
