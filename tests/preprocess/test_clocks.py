"""Films whose clock went wrong: every reader finds the frames that the pass has measured, by the numbers they carry."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.clip import Clip, Source
from preprocess.clocks import COUNTED, DECODING, FILE
from preprocess.decode import Video
from tests.videos import counter_video, read_counter
from training.data.read.frames import BackendName, clip_frames

NUM_FRAMES = 96
REORDERED = {"bf": "3", "g": "24"}


def opened(path: Path, clock: str = FILE) -> Video:
    return Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0), source_id="0" * 32, clock=clock)


def shown(path: Path, start_seconds: float | None = None, clock: str = FILE) -> list[tuple[int, int]]:
    """pts and number of each frame."""
    with opened(path, clock) as video:
        return [(frame.pts, read_counter(frame.shrink().analysis_luma())) for frame in video.frames(start_seconds)]


def remuxed(path: Path, film: Path, *, kind: str | None = None, later: float = 0.0, skip: int = 0) -> Path:
    """The packets of a film, from number `skip` on, in another container."""
    with (
        av.open(os.fspath(film)) as whole,
        av.open(os.fspath(path), "w", format=kind, options={} if later >= 0 else {"avoid_negative_ts": "0"}) as out,
    ):
        stream = out.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(video=0)):
            if packet.dts is not None and packet.pts is not None and number >= skip:
                packet.pts += round(later / packet.time_base)
                packet.dts += round(later / packet.time_base)
                packet.stream = stream
                out.mux(packet)
    return path


def film(folder: Path, codec: str = "libx264", **options: str) -> Path:
    return counter_video(folder / "film.mp4", num_frames=NUM_FRAMES, codec=codec, options=REORDERED | options)


def twice(path: Path) -> Path:
    one = remuxed(path.with_name("one.ts"), film(path.parent)).read_bytes()
    path.write_bytes(one + one)
    return path


def avi(path: Path) -> Path:
    return counter_video(path, num_frames=NUM_FRAMES, options=REORDERED)


def plain(path: Path) -> Path:
    return remuxed(path, film(path.parent))


def divx(path: Path) -> Path:
    return remuxed(path, film(path.parent, codec="mpeg4", bf="2"))


def h264(path: Path) -> Path:
    return remuxed(path, film(path.parent, x264opts="open_gop=1"))


def open_gop(path: Path) -> Path:
    return remuxed(path, film(path.parent, x264opts="open_gop=1"))


def wrapped(path: Path) -> Path:
    return remuxed(path, film(path.parent), later=2**33 / 90000 - 1)


KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "twice.ts": (twice, COUNTED),
    "film.h264": (h264, COUNTED),
    "b_frames.avi": (avi, DECODING),
    "divx.avi": (divx, DECODING),
    "film.asf": (plain, DECODING),
    "open.ts": (open_gop, FILE),
    "open.mkv": (open_gop, FILE),
    "film.flv": (plain, FILE),
    "wrapped.ts": (wrapped, FILE),
}
kinds = pytest.mark.parametrize("name", KINDS)


@kinds
def test_a_reader_from_any_place_sees_the_frames_of_the_pass(tmp_path: Path, name: str) -> None:
    build, clock = KINDS[name]
    path = build(tmp_path / name)
    with opened(path) as video:
        passed = [
            (frame.pts, read_counter(frame.shrink().analysis_luma()), frame.is_damaged) for frame in video.frames()
        ]
        assert video.clock == clock
        assert video.info.fps == 24
        step = Fraction(1, 24) / video.info.time_base
        time_base = video.info.time_base
    numbers = [number for _, number, _ in passed]
    assert numbers == [*range(NUM_FRAMES)] * (2 if name == "twice.ts" else 1)
    assert not any(damaged for _, _, damaged in passed)
    assert np.abs(np.diff([pts for pts, _, _ in passed]) - float(step)).max() <= 1
    expected = [(pts, number) for pts, number, _ in passed]
    for index in (1, 25, 50, 77, len(passed) - 3):
        start = float((passed[index][0] - Fraction(1, 2)) * time_base)
        assert shown(path, start, clock) == expected[index:]


@kinds
@pytest.mark.parametrize("backend", ["pyav", "decord"])
def test_training_sees_the_frames_of_the_pass(tmp_path: Path, name: str, backend: BackendName) -> None:
    build, clock = KINDS[name]
    path = build(tmp_path / name)
    passed = shown(path)
    with opened(path) as video:
        info = video.info
    for begin in (30, len(passed) - 30):
        clip = Clip(
            source_id="0" * 32,
            source_uri=os.fspath(path),
            start_pts=passed[begin][0],
            end_pts=passed[begin + 20][0],
            time_base=info.time_base,
            num_frames=20,
            fps=info.fps,
            width=info.width,
            height=info.height,
            clock=clock,
        )
        frames = clip_frames(clip, num_frames=19, fps=Fraction(24), start_seconds=Fraction(0), backend=backend)
        numbers = [read_counter(np.ascontiguousarray(frame[..., 1])) for frame in frames]
        assert numbers == [number for _, number in passed[begin : begin + 19]]


@pytest.mark.parametrize("backend", ["pyav", "decord"])
def test_frames_that_an_edit_list_leaves_out_are_not_counted(tmp_path: Path, backend: BackendName) -> None:
    whole = film(tmp_path)
    path = remuxed(tmp_path / "v.mp4", whole, later=-0.5)
    passed = shown(path)
    assert [number for _, number in passed] == list(range(12, NUM_FRAMES))
    with opened(path) as video:
        info = video.info
    span = Clip(
        source_id="0" * 32,
        source_uri=os.fspath(path),
        start_pts=passed[0][0],
        end_pts=passed[10][0],
        time_base=info.time_base,
        num_frames=10,
        fps=info.fps,
        width=info.width,
        height=info.height,
    )
    frames = clip_frames(span, num_frames=10, fps=info.fps, start_seconds=Fraction(0), backend=backend)
    assert [read_counter(np.ascontiguousarray(frame[..., 1])) for frame in frames] == list(range(12, 22))


def test_a_film_that_begins_between_key_frames_has_no_frame_without_one(tmp_path: Path) -> None:
    whole = film(tmp_path, codec="mpeg2video", bf="2")
    path = remuxed(tmp_path / "v.ts", whole, skip=10)
    with opened(path) as video:
        frames = [(read_counter(frame.shrink().analysis_luma()), frame.is_damaged) for frame in video.frames()]
    assert [number for number, damaged in frames if not damaged] == list(range(24, NUM_FRAMES))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4", "libvpx-vp9"])
def test_damage_lasts_to_the_next_key_frame_and_no_longer(tmp_path: Path, codec: str) -> None:
    """One packet is made of zeros: all that differs is said to be damaged, and nothing behind the next key frame."""
    options = {"bf": "3"} if codec in ("libx264", "libx265") else {"bf": "2"} if codec == "mpeg4" else {}
    suffix = ".mkv" if codec == "libvpx-vp9" else ".mp4"
    path = tmp_path / f"v{suffix}"
    counter_video(
        path, num_frames=NUM_FRAMES, codec=codec, options={"g": "24", "x265-params": "log-level=none"} | options
    )
    clean, keys = {}, []
    with opened(path) as video:
        for frame in video.frames():
            clean[frame.pts] = frame.raw.to_ndarray(format="gray")
            keys += [frame.pts] * frame.raw.key_frame
    with av.open(os.fspath(path)) as container:
        packets = [(bytes(packet), packet.pts) for packet in container.demux(video=0) if packet.size]
    content = path.read_bytes()
    data, struck = packets[30]
    path.write_bytes(content.replace(data, bytes(len(data))))
    seen = {}
    with opened(path) as video:
        for frame in video.frames():
            same = np.array_equal(frame.raw.to_ndarray(format="gray"), clean[frame.pts])
            seen[frame.pts] = same
        damage = video.damage
    following = min(key for key in keys if key > struck)
    wrong = {pts for pts in clean if not seen.get(pts, False)}
    assert wrong
    assert all(damage.touches(pts, pts + 1) for pts in wrong)
    assert not damage.touches(following, max(clean) + 1)


def test_clips_of_a_manifest_of_before_are_on_their_files_clock(tmp_path: Path) -> None:
    with opened(film(tmp_path)) as video:
        frame = next(video.frames())
        clip = Clip(
            source_id="0" * 32,
            source_uri="v",
            start_pts=frame.pts,
            end_pts=frame.end_pts,
            time_base=video.info.time_base,
            num_frames=1,
            fps=video.info.fps,
            width=1,
            height=1,
            clock=COUNTED,
        )
    row = clip.row(codec="", has_audio=False, damaged=False)
    assert Clip.of(row) == clip
    del row["clock"]
    assert Clip.of(row) == replace(clip, clock=FILE)
