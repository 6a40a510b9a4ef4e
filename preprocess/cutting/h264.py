"""H.264: a source's packets and an encoder's in one track, with all parameter sets in its header.

The encoder is given a number for its sets that the source does not use, so `avc1` holds both, and each slice names its
own: the form that every player knows, and that may be read from any key frame on. (Sets in the packets, `avc3`, would
do for FFmpeg, not for all others.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from preprocess.cutting import nal
from preprocess.cutting.bits import Bits, escaped, unescaped
from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.h264_marking import without_names_of_before
from preprocess.cutting.h264_sets import picture_set, sequence_set, with_gaps
from preprocess.cutting.h264_slices import IDR, SLICE, SliceHeader, as_idr, begun_at, is_intra, slice_header
from preprocess.cutting.refusal import CannotCopy

_SEI, _SEQUENCE, _PICTURE, _DELIMITER = 6, 7, 8, 9
_PARTITIONS = frozenset({2, 3, 4})
_RECOVERY_POINT = 6
_MAX_SETS = 32
"""Sequence parameter sets are numbered up to 31, picture parameter sets to 255; x264 numbers both alike."""
_PROFILES = {66: "baseline", 77: "main"}
"""Those that a better one would not be decoded by."""

PRESET, CRF, PARAMS = "ultrafast", 14, "mbtree=1:rc-lookahead=20"
"""Of x264, where no loss is to be seen and speed counts. Knowing which pictures are leant on makes the fastest preset
as small at a quality as `veryfast`, in half the time (docs/log.md)."""


class H264(Bitstream):
    """One span of an H.264 stream."""

    encoders: ClassVar[tuple[str, ...]] = ("libx264",)

    def __init__(self, header: bytes | None) -> None:
        """`header`: the source's, of either form.

        Raises:
            CannotCopy: it has none, or a broken one.
        """
        if header and nal.is_annex_b(header):
            self._length_bytes, units = 0, nal.split(header, 0)
        else:
            self._length_bytes, units = nal.avcc(header or b"")
        self._units = [unit for unit in units if unit[0] & 31 in (_SEQUENCE, _PICTURE)]
        self._others: list[bytes] = []
        try:
            self._sequences = {each.number: each for each in map(sequence_set, self._of(_SEQUENCE))}
            pictures = [picture_set(unit) for unit in self._of(_PICTURE)]
            self._sets = {each.number: (self._sequences[each.sequence], each) for each in pictures}
        except (ValueError, KeyError) as error:
            raise CannotCopy(f"a broken H.264 header: {error}") from error
        if not self._sets:
            raise CannotCopy("H.264 parameter sets are not in the header")

    @property
    def header(self) -> bytes:  # type: ignore[override]
        """The source's sets, by whose first one the file tells its profile, and the encoder's."""
        return nal.annex_b([*self._of(_SEQUENCE), *self._of(_PICTURE), *self._others])

    def starts(self, data: bytes) -> bool:
        """An IDR picture, or an I picture from which on all is exactly right, the encoder says."""
        units = nal.split(data, self._length_bytes)
        kinds = {unit[0] & 31 for unit in units}
        if IDR in kinds:
            return True
        slices = [unit for unit in units if unit[0] & 31 == SLICE]
        if not slices or kinds & _PARTITIONS or not all(each.frames_only for each in self._sequences.values()):
            return False
        try:
            return any(map(_recovers, units)) and all(is_intra(unit, self._sets) for unit in slices)
        except ValueError as error:
            raise CannotCopy(f"a broken slice: {error}") from error

    def copied(self, packets: Sequence[bytes], *, is_joined: bool) -> list[bytes]:
        """As they are from an IDR picture on; before it, counted from a first I picture, which becomes one."""
        parts = [nal.split(data, self._length_bytes) for data in packets]
        known = set(self._units)
        if any(unit[0] & 31 in (_SEQUENCE, _PICTURE) and unit not in known for units in parts for unit in units):
            raise CannotCopy("parameter sets change")
        parts = [[unit for unit in units if unit[0] & 31 not in (_SEQUENCE, _PICTURE)] for units in parts]
        try:
            if is_joined or all(unit[0] & 31 != IDR for unit in parts[0]):
                self._begin(parts)
        except ValueError as error:
            raise CannotCopy(f"a broken slice: {error}") from error
        return [nal.annex_b(units) for units in parts]

    def _begin(self, parts: list[list[bytes]]) -> None:
        """Make the first picture an IDR picture, and those before the next one fit to it."""
        first = self._first_slice(parts[0])
        parts[0] = [as_idr(each, self._sets) if each[0] & 31 in (IDR, SLICE) else each for each in parts[0]]
        if first.kind == IDR:
            return
        self.is_changed = True
        # leading pictures that others could refer to are counted, and are not there
        self._units = [with_gaps(unit) if unit[0] & 31 == _SEQUENCE else unit for unit in self._units]
        age = 0
        for number, units in enumerate(parts[1:], 1):
            if any(unit[0] & 31 == IDR for unit in units):
                return
            if any(unit[0] & 31 in _PARTITIONS for unit in units):
                raise CannotCopy("slices in partitions")
            frame_num = self._first_slice(units).frame_num - first.frame_num
            age += (frame_num - age) % (1 << first.sets[0].frame_num_bits)
            parts[number] = [self._moved(each, first, age) if each[0] & 31 == SLICE else each for each in units]

    def _moved(self, unit: bytes, first: SliceHeader, age: int) -> bytes:
        """A slice counted from the first one, `age` numbers behind it."""
        raw = begun_at(unit, first, self._sets)
        return escaped(without_names_of_before(raw, slice_header(raw, self._sets), age))

    def _first_slice(self, units: Sequence[bytes]) -> SliceHeader:
        slices = [unit for unit in units if unit[0] & 31 in (IDR, SLICE)]
        if not slices:
            raise CannotCopy("a key frame without slices")
        return slice_header(unescaped(slices[0]), self._sets)

    def options(self, bits: int) -> Mapping[str, str]:
        """Without B frames: the order of decoding is that of display, on both sides of a joint."""
        if not all(each.frames_only for each in self._sequences.values()):
            raise CannotCopy("interlaced pictures")
        used = self._sequences.keys() | self._sets.keys()
        number = next((each for each in range(_MAX_SETS) if each not in used), None)
        if number is None:
            raise CannotCopy("all numbers of parameter sets are taken")
        settings = f"sps-id={number}:bframes=0:keyint=infinite:scenecut=0:open-gop=0:repeat-headers=1:{PARAMS}"
        profile = _PROFILES.get(next(iter(self._sequences.values())).profile)
        return {"preset": PRESET, "crf": str(CRF), "x264-params": settings} | ({"profile": profile} if profile else {})

    def encoded(self, packets: Sequence[bytes]) -> list[bytes]:
        """Without the sets, which go into the header, and what the encoder says of itself."""
        done = []
        for data in packets:
            units = nal.split(data, 0)
            sets = [unit for unit in units if unit[0] & 31 in (_SEQUENCE, _PICTURE)]
            self._others += [unit for unit in sets if unit not in self._others]
            done.append(nal.annex_b(unit for unit in units if unit[0] & 31 in (IDR, SLICE)))
        return done

    def _of(self, kind: int) -> list[bytes]:
        return [unit for unit in self._units if unit[0] & 31 == kind]


def _recovers(unit: bytes) -> bool:
    """Whether a unit says that pictures are exactly right from this one on (section D.2.8)."""
    if unit[0] & 31 != _SEI:
        return False
    for kind, payload in nal.messages(unescaped(unit)[1:]):
        if kind == _RECOVERY_POINT and payload:
            bits = Bits(payload)
            return bits.ue() == 0 and bits.u(1) == 1
    return False
