"""H.265: a source's packets and an encoder's in one track, each with its parameter sets before it.

Both encoders number their parameter sets from 0, and a slice names them in bits that have no room for more. So a joined
track is `hev1`, in which sets stand before each key frame and replace the ones before: FFmpeg, and what is built on it
(OpenCV, PyAV, decord, torchcodec, mpv, VLC), and browsers follow them, from wherever they start. `hvc1`, which has its
sets in the header alone, is what Apple's players want: spans that are copied without an encoded part have it.

A key frame of an open group (CRA) becomes one at which something else was cut off (BLA_N_LP, ITU-T H.265, 3.15): its
leading pictures are not copied, its order starts anew, and nothing but the type in its header has to change for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from preprocess.cutting import nal
from preprocess.cutting.bits import escaped, unescaped
from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.refusal import CannotCopy

_SETS = frozenset({32, 33, 34})
"""Types of units (table 7-1): video, sequence and picture parameter sets."""
_DELIMITER, _PREFIX_SEI, _SUFFIX_SEI, _DOLBY_VISION = 35, 39, 40, 62
_LIGHT = frozenset({137, 144})
"""Messages (section D.2.1): mastering display colour volume, content light level."""
_KEYS = range(16, 24)
_BLA_N_LP, _CRA = 18, 21
_KEEPS_PRIOR = 0b1011_1111
"""Clears `no_output_of_prior_pics_flag`, the second bit behind a key frame's header of two bytes."""


class H265(Bitstream):
    """One span of an H.265 stream."""

    encoders: ClassVar[tuple[str, ...]] = ("libx265",)

    def __init__(self, header: bytes | None) -> None:
        """`header`: the source's, of either form.

        Raises:
            CannotCopy: it has none, or a broken one.
        """
        if header and nal.is_annex_b(header):
            self._length_bytes, units = 0, nal.split(header, 0)
        else:
            self._length_bytes, units = nal.hvcc(header or b"")
        self._sets = [unit for unit in units if _type(unit) in _SETS and _layer(unit) == 0]
        if {_type(unit) for unit in self._sets} != _SETS:
            raise CannotCopy("H.265 parameter sets are not in the header")
        self.header = nal.annex_b(self._sets)
        self.tag = "hvc1"
        self._has_dolby_vision = False
        self._light: list[bytes] = []

    def starts(self, data: bytes) -> bool:
        """Any key frame does, where leading pictures are left out."""
        units = nal.split(data, self._length_bytes)
        self._has_dolby_vision |= any(_type(unit) == _DOLBY_VISION for unit in units)
        is_key = any(_type(unit) in _KEYS for unit in units)
        if is_key and not self._light:
            self._light = [unit for unit in units if _is_of_light(unit)]
        return is_key

    def copied(self, packets: Sequence[bytes], *, is_joined: bool) -> list[bytes]:
        """With the parameter sets before each key frame, where the track is joined."""
        self.tag = "hev1" if is_joined else "hvc1"
        done = []
        for number, data in enumerate(packets):
            units = [unit for unit in nal.split(data, self._length_bytes) if _type(unit) != _DELIMITER]
            if any(_type(unit) in _SETS and _layer(unit) == 0 and unit not in self._sets for unit in units):
                raise CannotCopy("parameter sets change")
            if number == 0:
                self.is_changed = any(_type(unit) == _CRA for unit in units)
                units = [_cut_off(unit) if _type(unit) in _KEYS else unit for unit in units]
            if is_joined and any(_type(unit) in _KEYS for unit in units):
                units = [*self._sets, *(unit for unit in units if _type(unit) not in _SETS)]
            done.append(nal.annex_b(units))
        return done

    def options(self, bits: int) -> Mapping[str, str]:
        """Without B frames: the order of decoding is that of display, on both sides of a joint."""
        if self._has_dolby_vision:
            raise CannotCopy("Dolby Vision's layer would be missing from what is encoded")
        settings = "log-level=none:info=0:repeat-headers=1:bframes=0:keyint=-1:scenecut=0:open-gop=0"
        return {"preset": "ultrafast", "crf": "12", "x265-params": f"{settings}:pools=none:frame-threads=1"}

    def encoded(self, packets: Sequence[bytes]) -> list[bytes]:
        """With the sets that the encoder put before its key frames and what the source says there of its light, without
        what the encoder says of itself."""
        idle = (_DELIMITER, _PREFIX_SEI, _SUFFIX_SEI)
        done = []
        for data in packets:
            units = [unit for unit in nal.split(data, 0) if _type(unit) not in idle]
            sets = [unit for unit in units if _type(unit) in _SETS]
            light = self._light if sets else []
            done.append(nal.annex_b([*sets, *light, *(unit for unit in units if _type(unit) not in _SETS)]))
        return done


def _cut_off(unit: bytes) -> bytes:
    """A slice of the key frame that the copied part begins with: what is shown before it is elsewhere."""
    kind = _type(unit)
    raw = bytearray(unescaped(unit))
    if kind == _CRA:
        raw[0] = raw[0] & 0b1000_0001 | _BLA_N_LP << 1
    raw[2] &= _KEEPS_PRIOR
    return escaped(bytes(raw))


def _is_of_light(unit: bytes) -> bool:
    """Whether a unit tells of the display that a film was graded on, or of its brightest pictures (HDR10)."""
    kinds = {kind for kind, _ in nal.messages(unescaped(unit)[2:])} if _type(unit) == _PREFIX_SEI else set()
    return bool(kinds) and kinds <= _LIGHT


def _type(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def _layer(unit: bytes) -> int:
    return (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 1 else 0
