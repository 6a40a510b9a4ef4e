"""What is to be known of a codec's packets to copy some of them, and to put encoded ones before and behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar


class Bitstream(ABC):
    """The packets of one span of one stream, in a form that a file's own packets and encoded ones share."""

    encoders: ClassVar[tuple[str, ...]]
    """FFmpeg's names of those that make it, the best one first."""
    tag: str | None = None
    """The name of the sample entry in an MP4 file, where it is not FFmpeg's own choice."""
    header: bytes | None
    """What the file's own header is to hold of the codec."""
    is_changed: bool = False
    """Whether headers of pictures were changed that were copied: a decoder has to see it."""

    @abstractmethod
    def starts(self, data: bytes) -> bool:
        """Whether decoding may start with this packet, and is right in all that is decoded and shown behind it."""

    @abstractmethod
    def copied(self, packets: Sequence[bytes], *, is_joined: bool) -> list[bytes]:
        """Packets of the source, the first of which `starts`, so that nothing of them leans on what was before.

        `is_joined`: encoded ones stand before or behind them.

        Raises:
            CannotCopy: they are of a kind that this cannot be proven for.
        """

    @abstractmethod
    def options(self, bits: int) -> Mapping[str, str]:
        """The encoder's, for frames without visible loss that nothing else refers to. `bits`: of a sample.

        Raises:
            CannotCopy: the source has what encoded frames would lack.
        """

    @abstractmethod
    def encoded(self, packets: Sequence[bytes]) -> list[bytes]:
        """Packets of an encoder that was given `options`."""
