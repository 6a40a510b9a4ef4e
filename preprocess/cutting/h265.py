"""H.265: a source's packets and an encoder's in one track, with all parameter sets in its header.

That is `hvc1`, the form that Apple's players want, and all others know. The encoder's sets are given numbers that the
source does not use.

A key frame of an open group (CRA) becomes one at which something else was cut off (BLA_N_LP, ITU-T H.265, 3.15): its
leading pictures are not copied, its order starts anew, and nothing but the type in its header has to change for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from preprocess.cutting import nal
from preprocess.cutting.bits import escaped, unescaped
from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.h265_sets import KEYS, PICTURE, SEQUENCE, VIDEO, OtherNumbers, type_of
from preprocess.cutting.refusal import CannotCopy

_SETS = frozenset({VIDEO, SEQUENCE, PICTURE})
_DELIMITER, _PREFIX_SEI, _SUFFIX_SEI, _DOLBY_VISION = 35, 39, 40, 62
_LIGHT = frozenset({137, 144})
"""Messages (section D.2.1): mastering display colour volume, content light level."""
_BLA_N_LP, _CRA = 18, 21
_KEEPS_PRIOR = 0b1011_1111
"""Clears `no_output_of_prior_pics_flag`, the second bit behind a key frame's header of two bytes."""


class H265(Bitstream):
    """One span of an H.265 stream."""

    encoders: ClassVar[tuple[str, ...]] = ("libx265",)
    tag = "hvc1"

    def __init__(self, header: bytes | None) -> None:
        """`header`: the source's, of either form.

        Raises:
            CannotCopy: it has none, or a broken one.
        """
        if header and nal.is_annex_b(header):
            self._length_bytes, units = 0, nal.split(header, 0)
        else:
            self._length_bytes, units = nal.hvcc(header or b"")
        self._sets = [unit for unit in units if type_of(unit) in _SETS and _layer(unit) == 0]
        if {type_of(unit) for unit in self._sets} != _SETS:
            raise CannotCopy("H.265 parameter sets are not in the header")
        self._others: list[bytes] = []
        self._has_dolby_vision = False
        self._light: list[bytes] = []

    @property
    def header(self) -> bytes:  # type: ignore[override]
        """The source's sets, and the encoder's."""
        return nal.annex_b([*self._sets, *self._others])

    def starts(self, data: bytes) -> bool:
        """Any key frame does, where leading pictures are left out."""
        units = nal.split(data, self._length_bytes)
        self._has_dolby_vision |= any(type_of(unit) == _DOLBY_VISION for unit in units)
        is_key = any(type_of(unit) in KEYS for unit in units)
        if is_key and not self._light:
            self._light = [unit for unit in units if _is_of_light(unit)]
        return is_key

    def copied(self, packets: Sequence[bytes], *, is_joined: bool) -> list[bytes]:
        """Without the parameter sets, which are in the header."""
        done = []
        for number, data in enumerate(packets):
            units = [unit for unit in nal.split(data, self._length_bytes) if type_of(unit) != _DELIMITER]
            if any(type_of(unit) in _SETS and _layer(unit) == 0 and unit not in self._sets for unit in units):
                raise CannotCopy("parameter sets change")
            if number == 0:
                self.is_changed = any(type_of(unit) == _CRA for unit in units)
                units = [_cut_off(unit) if type_of(unit) in KEYS else unit for unit in units]
            done.append(nal.annex_b(unit for unit in units if type_of(unit) not in _SETS or _layer(unit)))
        return done

    def options(self, bits: int) -> Mapping[str, str]:
        """Without B frames: the order of decoding is that of display, on both sides of a joint."""
        if self._has_dolby_vision:
            raise CannotCopy("Dolby Vision's layer would be missing from what is encoded")
        settings = "log-level=none:info=0:repeat-headers=1:bframes=0:keyint=-1:scenecut=0:open-gop=0"
        return {"preset": "ultrafast", "crf": "12", "x265-params": f"{settings}:pools=none:frame-threads=1"}

    def encoded(self, packets: Sequence[bytes]) -> list[bytes]:
        """Without the sets, which go into the header, and what the encoder says of itself; with what the source says of
        its light before key frames."""
        numbers = OtherNumbers(self._sets)
        done = []
        for data in packets:
            units = [unit for unit in nal.split(data, 0) if type_of(unit) not in (_DELIMITER, _PREFIX_SEI, _SUFFIX_SEI)]
            units = [numbers.of(unit) for unit in units]
            sets = [unit for unit in units if type_of(unit) in _SETS]
            self._others += [unit for unit in sets if unit not in self._others]
            light = self._light if sets else []
            done.append(nal.annex_b([*light, *(unit for unit in units if type_of(unit) not in _SETS)]))
        if len(self._others) > len(_SETS):  # two of one number
            raise CannotCopy("an encoder whose parameter sets change")
        return done


def _cut_off(unit: bytes) -> bytes:
    """A slice of the key frame that the copied part begins with: what is shown before it is elsewhere."""
    kind = type_of(unit)
    raw = bytearray(unescaped(unit))
    if kind == _CRA:
        raw[0] = raw[0] & 0b1000_0001 | _BLA_N_LP << 1
    raw[2] &= _KEEPS_PRIOR
    return escaped(bytes(raw))


def _is_of_light(unit: bytes) -> bool:
    """Whether a unit tells of the display that a film was graded on, or of its brightest pictures (HDR10)."""
    kinds = {kind for kind, _ in nal.messages(unescaped(unit)[2:])} if type_of(unit) == _PREFIX_SEI else set()
    return bool(kinds) and kinds <= _LIGHT


def _layer(unit: bytes) -> int:
    return (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 1 else 0
