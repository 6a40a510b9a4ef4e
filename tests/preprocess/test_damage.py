"""Whatever FFmpeg says of a spoilt file is about the file; what the storage says of it is not."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import av
import pytest

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.probe import header_seconds, open_container
from tests import videos
from tests.videos import read_counter


def source(path: Path) -> Source:
    return Source(uri=os.fspath(path), size_bytes=path.stat().st_size, modified_ns=0)


def read(path: Path) -> tuple[int, int]:
    """Frames that were given out, and errors on the way."""
    with Video(source(path)) as video:
        return sum(1 for _ in video.frames()), video.damage.decode_errors


def packets(path: Path) -> list[tuple[int, int]]:
    """Place and size of each packet in the file."""
    with av.open(os.fspath(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def test_a_packet_that_is_not_permitted_is_one_error(tmp_path: Path) -> None:
    """Old decoders answer -1, which reads as the operating system's "operation not permitted"."""
    path = videos.counter_video(tmp_path / "v.avi", codec="msmpeg4")
    at, size = packets(path)[20]
    content = bytearray(path.read_bytes())
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    assert read(path) == (35, 1)


def test_a_length_of_four_gigabytes_is_no_want_of_memory(tmp_path: Path) -> None:
    path = videos.counter_video(tmp_path / "v.ivf", codec="libvpx")
    at, size = packets(path)[20]
    content = bytearray(path.read_bytes())
    assert content[at : at + 4] == struct.pack("<I", size)
    content[at : at + 4] = struct.pack("<I", 2**32 - 1)
    path.write_bytes(content)
    assert read(path) == (20, 1)


def test_a_pointer_to_before_the_begin_is_no_failure_of_the_storage(tmp_path: Path) -> None:
    """NUT finds its index by a number at its end: cut anywhere, that leads anywhere."""
    content = videos.counter_video(tmp_path / "v.nut", codec="ffv1", size=(32, 32)).read_bytes()
    for tenth in range(1, 10):
        path = tmp_path / f"cut{tenth}.nut"
        path.write_bytes(content[: len(content) * tenth // 10])
        try:
            frames, _ = read(path)
        except MediaError:
            continue
        assert frames <= 36


def shown(path: Path, start_seconds: float | None) -> list[int]:
    with Video(source(path)) as video:
        return [read_counter(frame.shrink().analysis_luma()) for frame in video.frames(start_seconds)]


def test_a_clock_that_goes_round_begins_below_zero(tmp_path: Path) -> None:
    """The 33 bits of a broadcast's clock are over once in 26 hours."""
    whole = videos.counter_video(tmp_path / "v.mp4", num_frames=96, options={"bf": "0", "g": "12"})
    path = tmp_path / "v.ts"
    with (
        av.open(os.fspath(whole)) as film,
        av.open(os.fspath(path), "w", options={"avoid_negative_ts": "disabled"}) as out,
    ):
        stream = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                packet.pts -= round(2 / packet.time_base)
                packet.dts -= round(2 / packet.time_base)
                packet.stream = stream
                out.mux(packet)
    assert shown(path, None) == list(range(96))
    for start_seconds in (-3.0, -1.0, 0.0, 1.0):
        assert shown(path, start_seconds) == list(range(max(0, round((start_seconds + 2) * 24)), 96))


def test_where_an_index_is_broken_frames_are_counted_from_the_begin(tmp_path: Path) -> None:
    path = videos.counter_video(tmp_path / "v.swf", codec="flv")
    assert shown(path, 0.5) == list(range(12, 36))


@pytest.mark.parametrize("said", [1e15, -1e15, float("nan"), float("inf"), 1e300])
def test_a_header_that_says_thirty_thousand_years_says_nothing(tmp_path: Path, said: float) -> None:
    path = videos.counter_video(tmp_path / "v.mkv")
    content = bytearray(path.read_bytes().replace(b"DURATION", b"DURATIOM"))  # and none of its tracks says better
    at = content.index(b"\x44\x89\x88") + 3  # Matroska's Duration, in milliseconds
    content[at : at + 8] = struct.pack(">d", said)
    path.write_bytes(content)
    assert header_seconds(source(path)) is None
    assert read(path) == (36, 0)


class Unplugged(io.BytesIO):
    """A file on a disk that is taken away."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 2000:
            raise OSError(5, "the disk is gone")
        return super().read(size)


def test_what_the_storage_raises_comes_through(tmp_path: Path) -> None:
    content = videos.moving_texture(tmp_path / "v.ts").read_bytes()
    with pytest.raises(OSError, match="the disk is gone") as caught, open_container(Unplugged(content)) as container:
        for _ in container.demux():
            pass
    assert not isinstance(caught.value, av.error.FFmpegError)
