"""Spans cut by copying: every frame is there, at its time, and what was copied is the source's to the bit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest

from preprocess.clip import Clip
from preprocess.clocks import DECODING
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.smart import copy_span
from tests.preprocess.cutting.cuts import clip_of
from tests.preprocess.cutting.films import (
    FPS,
    KEY_STEP,
    KINDS,
    NUM_FRAMES,
    SIZE,
    TEN_BIT,
    Kind,
    Shown,
    film,
    psnr,
    shown,
)
from tests.videos import read_counter

SPANS = {
    "on_a_key_frame": (20, 45),
    "all": (0, 60),
    "just_before_one": (19, 46),
    "just_after_one": (21, 47),
    "inside": (30, 48),
    "to_a_key_frame": (7, 40),
    "over_two": (13, 51),
    "one_key_frame": (18, 21),
    "to_the_end": (33, 60),
}
"""With ends on every place between two key frames that B frames have."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Shown]]]:
    folder = tmp_path_factory.mktemp("films")
    paths = {name: film(folder, name, kind) for name, kind in {**KINDS, "ten_bit": TEN_BIT}.items()}
    made = {name: (path, shown(path)) for name, path in paths.items()}
    assert all([each.number for each in source] == list(range(NUM_FRAMES)) for _, source in made.values())
    return made


def check_span(source: list[Shown], kind: Kind, clip: Clip, start: int, end: int, dest: Path) -> None:
    """Frames [start, end) of the source are those of `dest`, the first one at 0."""
    got = shown(dest)
    assert [each.number for each in got] == list(range(start, end))
    begin = clip.start_pts * clip.time_base
    assert [each.seconds for each in got] == [each.seconds - begin for each in source[start:end]]
    first_key = -(-start // KEY_STEP) * KEY_STEP
    for number, each in enumerate(got, start):
        if first_key <= number < end - kind.reordered:
            assert (each.pixels == source[number].pixels).all(), number
        else:
            assert psnr(each.pixels, source[number].pixels) > 40, number


def numbers_in_opencv(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path))
    numbers = []
    while True:
        is_read, picture = capture.read()
        if not is_read:
            return numbers
        numbers.append(read_counter(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[: SIZE[1]]))


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
@pytest.mark.parametrize("name", [*KINDS, "ten_bit"])
def test_each_frame_is_there_at_its_time(
    name: str, span: tuple[int, int], films: dict[str, tuple[Path, list[Shown]]], tmp_path: Path
) -> None:
    path, source = films[name]
    kind = KINDS.get(name, TEN_BIT)
    clip = clip_of(path, *span)
    done = copy_span(clip.source, clip, tmp_path / "clip.mp4")
    check_span(source, kind, clip, *span, tmp_path / "clip.mp4")
    assert (done.num_frames, done.width, done.height) == (span[1] - span[0], clip.width, clip.height)
    assert done.duration_seconds == pytest.approx(clip.duration_seconds)
    if span[0] % KEY_STEP and span[0] < span[1] - KEY_STEP:
        assert done.method == "smart"
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == (clip.end_pts - clip.start_pts) * clip.time_base
    if numbers_in_opencv(path):  # builds without a decoder of AV1 read nothing
        assert numbers_in_opencv(tmp_path / "clip.mp4") == list(range(*span))


def test_a_span_between_two_key_frames_is_a_copy_of_packets(
    films: dict[str, tuple[Path, list[Shown]]], tmp_path: Path
) -> None:
    for name in ("h264", "h265_mkv", "vp9", "av1"):
        clip = clip_of(films[name][0], 20, 40)
        assert copy_span(clip.source, clip, tmp_path / "clip.mp4").method == "copy"


def test_a_film_without_idr_pictures_is_begun_by_one(
    films: dict[str, tuple[Path, list[Shown]]], tmp_path: Path
) -> None:
    """The film is what it should be, an open group at 20, and each file begins with a picture of type 5."""

    path = films["h264_open_ts"][0]
    with av.open(str(path)) as container:
        packets = [bytes(each) for each in container.demux(video=0) if each.size]
    assert [b"\0\0\1\x65" in packet for packet in packets] == [True, *[False] * (len(packets) - 1)]
    clip = clip_of(path, 20, 45)
    copy_span(clip.source, clip, tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        first = bytes(next(container.demux(video=0)))
    at, types = 0, []
    while at < len(first):
        types.append(first[at + 4] & 31)
        at += 4 + int.from_bytes(first[at : at + 4], "big")
    assert 5 in types
    assert 1 not in types


def test_any_key_frame_of_a_joined_file_may_be_sought(
    films: dict[str, tuple[Path, list[Shown]]], tmp_path: Path
) -> None:
    for name in ("h264", "h264_open", "h265_open", "vp9", "av1"):
        clip = clip_of(films[name][0], 13, 51)
        copy_span(clip.source, clip, tmp_path / "clip.mp4")
        for number in (20, 40):
            with av.open(str(tmp_path / "clip.mp4")) as container:
                stream = container.streams.video[0]
                container.seek(round((number - 13) / FPS / stream.time_base), stream=stream)
                frame = next(container.decode(stream))
                assert read_counter(frame.to_ndarray(format="gray")[: SIZE[1]]) == number, name


@pytest.mark.parametrize("name", ["h264_open", "h264_open_pyramids", "h265_open"])
def test_decoders_have_nothing_to_say_of_open_groups(
    name: str, films: dict[str, tuple[Path, list[Shown]]], tmp_path: Path
) -> None:
    """Of pictures that are to be forgotten, or to be referred to, and are not there."""
    level = av.logging.get_level()
    for span in ((20, 50), (13, 51)):
        clip = clip_of(films[name][0], *span)
        copy_span(clip.source, clip, tmp_path / "clip.mp4")
        av.logging.set_level(av.logging.WARNING)
        try:
            with av.logging.Capture(local=False) as said:
                shown(tmp_path / "clip.mp4")
        finally:
            av.logging.set_level(level)
        assert said == []


def test_what_is_not_proven_is_refused(films: dict[str, tuple[Path, list[Shown]]], tmp_path: Path) -> None:
    path = films["h264"][0]
    clip = clip_of(path, 13, 51)
    dest = tmp_path / "clip.mp4"
    with pytest.raises(CannotCopy, match="no key frame"):
        copy_span(clip.source, clip_of(path, 21, 39), dest)
    with pytest.raises(CannotCopy, match="decoding"):
        copy_span(clip.source, replace(clip, clock=DECODING), dest)
    with pytest.raises(CannotCopy, match="damaged"):
        copy_span(clip.source, clip, dest, damaged=True)
    with pytest.raises(CannotCopy, match="38 packets for 37 frames"):
        copy_span(clip.source, replace(clip, num_frames=37), dest)
    with pytest.raises(CannotCopy, match="clock has changed"):
        copy_span(clip.source, replace(clip, time_base=Fraction(1, 77)), dest)
    assert not dest.exists()
