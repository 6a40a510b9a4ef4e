"""H.265 with encoded ends is what Apple's players take: `hvc1`, with the sets of both encoders in the header alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import av
import pytest

from preprocess.cutting import nal
from preprocess.cutting.bits import Bits, unescaped
from preprocess.cutting.h265_sets import PICTURE, SEQUENCE, VIDEO, OtherNumbers, type_of
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.smart import copy_span
from tests.preprocess.cutting.cuts import clip_of
from tests.preprocess.cutting.films import KINDS, film


@pytest.mark.parametrize("kind", ["h265_open", "h265_mkv"])
def test_a_joined_file_has_all_sets_in_its_header(kind: str, tmp_path: Path) -> None:
    path = film(tmp_path, "film", KINDS[kind])
    clip = clip_of(path, 13, 47)
    assert copy_span(clip.source, clip, tmp_path / "clip.mp4").method == "smart"
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec_tag == "hvc1"
        length_bytes, sets = nal.hvcc(stream.codec_context.extradata or b"")
        units = [unit for packet in container.demux(stream) for unit in nal.split(bytes(packet), length_bytes)]
    assert Counter(map(type_of, sets)) == {VIDEO: 2, SEQUENCE: 2, PICTURE: 2}
    assert not {VIDEO, SEQUENCE, PICTURE} & set(map(type_of, units))
    pictures = [Bits(unescaped(unit), 16) for unit in sets if type_of(unit) == PICTURE]
    assert [(bits.ue(), bits.ue()) for bits in pictures] == [(0, 0), (15, 15)]
    slices = [Bits(unescaped(unit[:40]), 17 + (16 <= type_of(unit) < 24)) for unit in units if type_of(unit) < 32]
    assert Counter(bits.ue() for bits in slices).keys() == {0, 15}


def test_numbers_that_the_source_has_are_not_given_again() -> None:
    video, sequence = bytes([VIDEO << 1, 1, 0xF0]), bytes([SEQUENCE << 1, 1, 0xF0])
    picture = bytes([PICTURE << 1, 1]) + int("0000100001100000", 2).to_bytes(2, "big")  # 15, of sequence 0
    numbers = OtherNumbers([video, sequence, picture])
    assert numbers.of(bytes([VIDEO << 1, 1, 0x0F]))[2] == 0xEF
    given = Bits(numbers.of(bytes([PICTURE << 1, 1, 0b1100_0000])), 16)
    assert (given.ue(), given.ue(), given.u(6)) == (16, 15, 0)
    with pytest.raises(CannotCopy, match="numbers its sets otherwise"):
        numbers.of(bytes([PICTURE << 1, 1, 0b0100_0000]))
    other = bytes([PICTURE << 1, 1]) + int("1000010000000000", 2).to_bytes(2, "big")  # 0, of sequence 15
    with pytest.raises(CannotCopy, match="are taken"):
        OtherNumbers([video, sequence, other])
