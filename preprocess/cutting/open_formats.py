"""VP9 and AV1: a packet shows one frame, in the order of display, so that a track may end at any; key frames start.

What a decoder has to know stands in each key frame, so encoded and copied parts follow one another as they are.
Fields: VP9 Bitstream & Decoding Process Specification 0.6, section 6.2; AV1 Bitstream & Decoding Process Specification,
sections 5.3 and 5.9.2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from preprocess.cutting.bits import Bits
from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.refusal import CannotCopy

_HEADER_BYTES = 32
_RGB = 7
_PLAIN_BITS = 8
_VPX_SPEED = {"cpu-used": "8", "deadline": "realtime"}
_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
"""Types of AV1's units."""


class _AsTheyAre(Bitstream):
    """Packets that are only looked at."""

    def __init__(self, header: bytes | None) -> None:
        self.header = header

    def copied(self, packets: Sequence[bytes], *, is_joined: bool) -> list[bytes]:
        """Nothing has to be changed; what the first key frame says of the pictures, all others must."""
        said = {each for data in packets if (each := self._pictures(data)) is not None}
        if len(said) > 1:
            raise CannotCopy("pictures change")
        return list(packets)

    def encoded(self, packets: Sequence[bytes]) -> list[bytes]:
        """As they come."""
        return list(packets)

    @abstractmethod
    def _pictures(self, data: bytes) -> object:
        """What a packet says of the size and kind of pictures; None where it says nothing."""


class Vp9(_AsTheyAre):
    """One span of a VP9 stream."""

    encoders: ClassVar[tuple[str, ...]] = ("libvpx-vp9",)

    def starts(self, data: bytes) -> bool:
        """Whether its first frame, hidden ones included, is a key frame."""
        return self._pictures(data) is not None

    def options(self, bits: int) -> Mapping[str, str]:
        """Without frames that are never shown."""
        return {**_VPX_SPEED, "crf": "12", "b": "0", "lag-in-frames": "0", "auto-alt-ref": "0"}

    def _pictures(self, data: bytes) -> object:
        try:
            return _vp9_key_frame(Bits(data[:_HEADER_BYTES]))
        except ValueError as error:
            raise CannotCopy(f"a broken VP9 packet: {error}") from error


def _vp9_key_frame(bits: Bits) -> tuple[int, ...] | None:
    """Profile, colour and size of a key frame; None for any other frame."""
    if bits.u(2) != 2:
        raise CannotCopy("no VP9 packet")
    profile = bits.u(1) | bits.u(1) << 1
    if profile == 3:
        bits.u(1)
    if bits.u(1) or bits.u(1):  # shows a frame that there is, or is predicted
        return None
    bits.u(2 + 24)
    depth = bits.u(1) if profile >= 2 else 0
    colour = bits.u(3)
    detail = bits.u(1) if colour != _RGB else 1
    if profile in (1, 3):
        detail = detail << 3 | bits.u(3 if colour != _RGB else 1)
    return profile, depth, colour, detail, bits.u(16), bits.u(16)


class Av1(_AsTheyAre):
    """One span of an AV1 stream."""

    encoders: ClassVar[tuple[str, ...]] = ("libsvtav1", "libaom-av1")

    def starts(self, data: bytes) -> bool:
        """Whether it has a sequence header, and its first frame is a key frame that is shown at once."""
        units = list(_units(data))
        frame = next((unit for kind, unit in units if kind in (_FRAME, _FRAME_HEADER)), b"")
        # show_existing_frame 0, frame_type 0 (key), show_frame 1
        return any(kind == _SEQUENCE for kind, _ in units) and frame[:1] > b"" and frame[0] >> 4 == 0b0001

    def options(self, bits: int) -> Mapping[str, str]:
        """Without reordering. At presets from 8 on SVT-AV1 spoils pictures of 10 bits: a film with grain came back with
        28 dB at crf 10, with 51 dB at preset 6."""
        speed = {"preset": "8", "crf": "8"} if bits == _PLAIN_BITS else {"preset": "6", "crf": "10"}
        return {**speed, "svtav1-params": "pred-struct=1:lp=1"}

    def _pictures(self, data: bytes) -> object:
        return next((unit for kind, unit in _units(data) if kind == _SEQUENCE), None)


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each unit."""
    at = 0
    while at < len(data):
        kind, extended, sized = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + extended
        size, shift = 0, 0
        while sized:
            if at >= len(data) or shift > 56:
                raise CannotCopy("a broken AV1 packet")
            size, shift, sized = size | (data[at] & 127) << shift, shift + 7, data[at] >> 7
            at += 1
        end = at + size if shift else len(data)
        if end > len(data):
            raise CannotCopy("a broken AV1 packet")
        yield kind, data[at:end]
        at = end
