"""A clip is heard as it is: the very samples of its span, silence where there are none, None where nobody can tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from preprocess.clip import Source
from preprocess.clocks import COUNTED
from preprocess.decode import Video
from preprocess.observe import ClipLengths, Window, observe
from preprocess.shots.detector import ShotConfig
from preprocess.sound import track
from preprocess.sound.beside import Beside
from tests.sound_films import FPS, blocks, film_with, tone, views

SPANS = ((0, 20), (20, 50), (70, 100))


def noise(seconds: float, rate: int = 48_000, channels: int = 2) -> np.ndarray:
    samples = np.random.default_rng(0).integers(-(2**14), 2**14, (channels, round(seconds * rate)))
    return (samples / 2**15).astype(np.float32)


def samples_of(path: Path, *spans: tuple[int, int]) -> list[np.ndarray]:
    heard = [view.sound.heard for view in views(path, *spans) if view.sound is not None]
    return [each.samples for each in heard if each is not None]


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "late"),
    [
        ("film.mkv", "flac", 48_000, "stereo", 0.0),
        ("film.mkv", "flac", 8_000, "mono", 0.5),
        ("film.mov", "pcm_s16le", 44_100, "stereo", 0.0),
        ("film.mov", "pcm_s16le", 48_000, "5.1", 0.48),
        ("film.avi", "pcm_s16le", 16_000, "mono", 0.0),
    ],
)
def test_samples_are_those_of_the_span(
    name: str, codec: str, rate: int, layout: str, late: float, tmp_path: Path
) -> None:
    truth = noise(4 - late, rate, av.AudioLayout(layout).nb_channels)
    film = film_with(tmp_path / name, truth, codec=codec, rate=rate, layout=layout, late=late)
    whole = np.pad(truth, ((0, 0), (round(late * rate), 0)))
    found = samples_of(film, *SPANS)
    assert len(found) == len(SPANS)
    for samples, (start, end) in zip(found, SPANS, strict=True):
        assert samples.dtype == np.float32
        assert np.array_equal(samples, whole[:, start * rate // FPS : end * rate // FPS])


@pytest.mark.parametrize(("name", "codec"), [("film.mp4", "aac"), ("film.ts", "mp2"), ("film.mkv", "libopus")])
def test_codecs_that_overlap_their_blocks_are_in_time(name: str, codec: str, tmp_path: Path) -> None:
    clicks = np.zeros((2, 4 * 48_000), np.float32)
    clicks[:, 48_000::48_000] = 0.9
    clicks[:, 48_001::48_000] = -0.9
    for samples in samples_of(film_with(tmp_path / name, clicks, codec=codec), (20, 30), (70, 80)):
        assert np.abs(samples).max() > 0.1
        assert abs(np.abs(samples).max(axis=0).argmax() - 0.2 * 48_000) <= 96  # 2 ms


def test_the_pass_that_finds_clips_hears_what_one_of_known_clips_does(tmp_path: Path) -> None:
    film = film_with(tmp_path / "film.mkv", noise(4), codec="flac")
    source = Source(uri=os.fspath(film), size_bytes=0, modified_ns=0)
    with Video(source, listens=True) as video:
        lengths = ClipLengths(min_seconds=0.5, max_seconds=1.5)
        found = [
            (round(seen.clip.start_seconds * FPS), round(seen.clip.end_seconds * FPS), seen.view.sound.heard.samples)
            for seen in observe(video, ShotConfig(), lengths, Window())
            if seen.view is not None and seen.view.sound is not None and seen.view.sound.heard is not None
        ]
    assert len(found) >= 3
    for start, end, samples in found:
        assert np.array_equal(samples, samples_of(film, (start, end))[0])


@pytest.mark.parametrize(("name", "codec"), [("film.mkv", "flac"), ("film.mov", "pcm_s16le")])
def test_a_window_of_a_long_film_is_heard_from_where_it_is_sought(name: str, codec: str, tmp_path: Path) -> None:
    truth = noise(12)
    film = film_with(tmp_path / name, truth, codec=codec, seconds=12)
    with Video(Source(uri=os.fspath(film), size_bytes=0, modified_ns=0), listens=True) as video:
        lengths = ClipLengths(min_seconds=0.5, max_seconds=2)
        found = [
            (seen.clip, seen.view.sound.heard.samples)
            for seen in observe(video, ShotConfig(), lengths, Window(start_seconds=8.0, end_seconds=11.0))
            if seen.view is not None and seen.view.sound is not None and seen.view.sound.heard is not None
        ]
    assert found[0][0].start_seconds == 8
    assert found[-1][0].end_seconds == 11
    for clip, samples in found:
        assert np.array_equal(samples, truth[:, round(clip.start_seconds * 48_000) : round(clip.end_seconds * 48_000)])


def test_before_and_behind_a_track_it_is_silent(tmp_path: Path) -> None:
    film = film_with(tmp_path / "film.mkv", tone(-20, 1), codec="flac", late=1.0)
    before, within, behind = samples_of(film, (0, 20), (20, 60), (60, 100))
    assert not before.any()
    assert not behind.any()
    assert within[:, round(0.2 * 48_000) : round(1.2 * 48_000)].std() == pytest.approx(0.1 / 2**0.5, rel=0.01)
    assert not within[:, round(1.21 * 48_000) :].any()


def test_without_a_track_there_is_nothing(tmp_path: Path) -> None:
    (view,) = views(film_with(tmp_path / "film.mp4", None), (0, 50))
    assert view.sound is not None
    assert not view.sound.has_track
    assert view.sound.heard is None
    assert view.sound.offset_seconds is None


def test_nobody_listens_who_has_not_said_so(tmp_path: Path) -> None:
    film = film_with(tmp_path / "film.mkv", tone(-20, 4), codec="flac")
    with Video(Source(uri=os.fspath(film), size_bytes=0, modified_ns=0)) as video:
        (seen,) = observe(video, ShotConfig(), ClipLengths(), Window())
    assert seen.view is not None
    assert seen.view.sound is None


def test_times_that_are_counted_are_not_those_of_the_sound(tmp_path: Path) -> None:
    (view,) = views(film_with(tmp_path / "film.mkv", tone(-20, 4), codec="flac"), (0, 50), clock=COUNTED)
    assert view.sound is not None
    assert view.sound.has_track
    assert view.sound.heard is None


def test_a_codec_that_nobody_knows_is_not_heard(tmp_path: Path) -> None:
    film = film_with(tmp_path / "film.mkv", tone(-20, 4), codec="flac")
    film.write_bytes(film.read_bytes().replace(b"A_FLAC", b"A_NONE"))
    (view,) = views(film, (10, 60))
    assert view.sound is not None
    assert view.sound.has_track
    assert view.sound.heard is None


def test_packets_that_are_broken_are_not_heard_and_those_that_are_whole_are(tmp_path: Path) -> None:
    film, spoilt = film_with(tmp_path / "whole.mkv", noise(4), codec="flac"), tmp_path / "spoilt.mkv"
    with av.open(os.fspath(film)) as whole, av.open(os.fspath(spoilt), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is None:
                continue
            given: Any = packet
            if packet.stream.type == "audio" and packet.pts * packet.time_base < 2:
                given = av.Packet(bytes(packet.size))
                given.pts, given.dts, given.time_base = packet.pts, packet.dts, packet.time_base
                given.duration = packet.duration
            given.stream = streams[packet.stream.index]
            out.mux(given)
    broken, sound = (view.sound for view in views(spoilt, (0, 40), (60, 100)))
    assert broken is not None
    assert broken.heard is None
    assert sound is not None
    assert sound.heard is not None
    assert np.array_equal(sound.heard.samples, noise(4)[:, 60 * 1920 : 100 * 1920])


def test_a_rate_that_changes_becomes_the_first_one(tmp_path: Path) -> None:
    path = film_with(tmp_path / "film.ts", tone(-20, 2, rate=32_000), codec="mp2", rate=32_000)
    changed = tmp_path / "changed.ts"
    coder: Any = av.CodecContext.create("mp2", "w")
    coder.rate, coder.layout, coder.format = 48_000, "stereo", "s16"
    later = tone(-20, 2)
    with av.open(os.fspath(path)) as film, av.open(os.fspath(changed), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in film.streams}
        begin = 2 * 90_000 + (film.streams.video[0].start_time or 0)
        for packet in film.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=48_000, frame_size=1152)
        frames = [each for frame in blocks(later, 48_000, "stereo") for each in resampler.resample(frame)]
        for number, packet in enumerate(packet for frame in frames for packet in coder.encode(frame)):
            packet.time_base = Fraction(1, 90_000)
            packet.pts = packet.dts = begin + round(number * 1152 * 90_000 / 48_000)
            packet.stream = streams[film.streams.audio[0].index]
            out.mux(packet)
    (view,) = views(changed, (25, 75))
    assert view.sound is not None
    assert view.sound.heard is not None
    assert view.sound.heard.rate == 32_000
    seconds = np.array_split(view.sound.heard.samples, 20, axis=1)
    assert [part.std() for part in seconds] == pytest.approx([0.1 / 2**0.5] * 20, rel=0.2)


class Lagging:
    """A container whose sound lies so many seconds behind the pictures of the same time."""

    def __init__(self, container: Any, seconds: float) -> None:
        self.streams, self._container, self._seconds = container.streams, container, seconds

    def demux(self, *streams: Any) -> Iterator[Any]:
        packets = [packet for packet in self._container.demux(*streams) if packet.dts is not None]
        lag = {"audio": self._seconds, "video": 0.0}
        yield from sorted(packets, key=lambda each: each.dts * each.time_base + lag[each.stream.type])


@pytest.mark.parametrize("seconds", [-1.5, 1.5])
def test_sound_that_lies_elsewhere_in_the_file_is_read_ahead_and_no_picture_is_lost(
    seconds: float, tmp_path: Path
) -> None:
    film = film_with(tmp_path / "film.mkv", noise(4), codec="flac")
    with av.open(os.fspath(film)) as container:
        lagging: Any = Lagging(container, seconds)
        beside = Beside(lagging, container.streams.video[0], listens=True)
        beside.begin()
        times = [beside.next_picture().pts for _ in range(25)]
        heard = beside.heard(Fraction(0), Fraction(1))
        while True:
            try:
                times.append(beside.next_picture().pts)
            except StopIteration:
                break
    assert heard is not None
    assert np.array_equal(heard.samples, noise(4)[:, :48_000])
    assert len(times) == len(set(times)) == 4 * FPS


def test_of_too_many_packets_the_oldest_are_let_go_and_what_is_lost_is_not_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "MOST_BYTES", 200_000)
    first, second = (view.sound for view in views(film_with(tmp_path / "film.mkv", noise(4)), (0, 75), (85, 95)))
    assert first is not None
    assert first.heard is None
    assert second is not None
    assert second.heard is not None
    assert np.array_equal(second.heard.samples, noise(4)[:, 85 * 1920 : 95 * 1920])
