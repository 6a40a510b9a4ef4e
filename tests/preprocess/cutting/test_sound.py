"""Sound is cut to the same span as the pictures and stays in time with them: flashes and clicks come together."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.clip import Source
from preprocess.clocks import COUNTED
from preprocess.cutting.format import CutFormat
from preprocess.cutting.sound import span_sound
from tests.preprocess.cutting.cuts import clip_of, cut, heard
from tests.videos import counter_video

FPS, SECONDS = 25, 6


def flashes(path: Path, *, codec: str, rate: int = 44_100, layout: str = "stereo", late: float = 0.0) -> Path:
    """A white frame and a click of 5 ms at each full second, in black and silence; the sound begins `late`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "100", "bf": "2"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(codec, rate=rate, layout=layout)
        for index in range(FPS * SECONDS):
            light = 235 if index and index % FPS == 0 else 16
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), light, np.uint8), format="gray")
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode())
        for frame in clicks(rate, layout, late):
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def clicks(rate: int, layout: str, late: float) -> Iterator[av.AudioFrame]:
    sound = np.zeros(SECONDS * rate, np.float32)
    for second in range(1, SECONDS):
        sound[second * rate : second * rate + rate // 200] = 0.5
    channels = av.AudioLayout(layout).nb_channels
    for start in range(round(late * rate), len(sound), 960):
        samples = np.tile(sound[start : start + 960], (channels, 1))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def onsets(path: Path) -> list[float]:
    """When clicks begin."""
    sound, rate = heard(path)
    loud = np.flatnonzero(np.abs(sound) > 0.2)
    return [loud[index] / rate for index in range(len(loud)) if index == 0 or loud[index] - loud[index - 1] > rate / 10]


def lights(path: Path) -> list[float]:
    """When white frames begin."""
    with av.open(os.fspath(path)) as container:
        shown = [(float(each.time or 0), each.to_ndarray(format="gray").mean()) for each in container.decode(video=0)]
    return [seconds for (_, before), (seconds, light) in itertools.pairwise(shown) if before < 128 < light]


CASES = [
    ("film.mp4", "aac", 44_100, "stereo"),
    ("film.mp4", "aac", 48_000, "5.1"),
    ("film.mkv", "flac", 96_000, "mono"),
    ("film.mkv", "libopus", 48_000, "stereo"),
    ("film.ts", "mp2", 32_000, "stereo"),
    ("film.avi", "pcm_s16le", 11_025, "mono"),
    ("film.mkv", "pcm_s16le", 37_800, "stereo"),
]


@pytest.mark.parametrize(("name", "codec", "rate", "layout"), CASES)
@pytest.mark.parametrize("form", [CutFormat(), CutFormat(fps=50)])
def test_clicks_stay_with_their_flashes(
    name: str, codec: str, rate: int, layout: str, form: CutFormat, tmp_path: Path
) -> None:
    clip = clip_of(flashes(tmp_path / name, codec=codec, rate=rate, layout=layout), 33, 138)
    file, path = cut(clip, form, tmp_path)
    assert file.has_audio
    seen, clicked = lights(path), onsets(path)
    assert len(seen) == len(clicked) == 4
    assert np.abs(np.array(seen) - np.array(clicked)).max() < 0.01
    assert seen == pytest.approx([25 * second / 25 - 33 / 25 for second in (2, 3, 4, 5)], abs=0.001)
    sound, found = heard(path)
    assert found == (rate if rate != 37_800 else 48_000)
    assert len(sound) / found == pytest.approx(105 / 25, abs=1025 / found)  # the last block of AAC is whole


def test_lossless_sound_is_the_very_same_samples(tmp_path: Path) -> None:
    film = flashes(tmp_path / "film.mkv", codec="flac", rate=48_000, layout="mono")
    clip = clip_of(film, 13, 140)
    _, path = cut(clip, CutFormat(codec="ffv1"), tmp_path)
    before, after = heard(film)[0], heard(path)[0]
    assert np.array_equal(after, before[13 * 1920 : 140 * 1920])


def test_sound_that_begins_late_is_silence_before(tmp_path: Path) -> None:
    film = flashes(tmp_path / "film.mkv", codec="flac", rate=48_000, layout="mono", late=2.5)
    _, path = cut(clip_of(film, 10, 150), CutFormat(), tmp_path)
    assert onsets(path) == pytest.approx([second - 0.4 for second in (3, 4, 5)], abs=0.01)
    file, _ = cut(clip_of(film, 10, 50), CutFormat(), tmp_path)
    assert not file.has_audio


def test_loudness_stays_and_fewer_frames_have_less_sound(tmp_path: Path) -> None:
    film = counter_video(tmp_path / "film.mp4", num_frames=72, tone_hertz=440.0)
    _, path = cut(clip_of(film, 12, 72), CutFormat(max_frames=24), tmp_path)
    sound, rate = heard(path)
    assert len(sound) / rate == pytest.approx(1.0, abs=0.025)
    assert np.abs(sound[rate // 10 : -rate // 10]).max() == pytest.approx(0.1, rel=0.05)


def test_no_sound_where_none_is_wanted_or_can_be_told(tmp_path: Path) -> None:
    clip = clip_of(counter_video(tmp_path / "film.mp4", tone_hertz=440.0))
    assert not cut(clip, CutFormat(sound=False), tmp_path)[0].has_audio
    assert not cut(replace(clip, clock=COUNTED), CutFormat(), tmp_path)[0].has_audio
    assert cut(clip, CutFormat(), tmp_path)[0].has_audio


def test_damaged_sound_leaves_a_silence_and_shifts_nothing(tmp_path: Path) -> None:
    film = flashes(tmp_path / "film.mkv", codec="flac", rate=48_000, layout="mono")
    content = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        places = [p.pos for p in container.demux(audio=0) if p.pts is not None and 2.4 < p.pts * p.time_base < 2.6]
    for place in places:
        content[place + 12 : place + 16] = b"\xff\xff\xff\xff"
    film.write_bytes(content)
    source = Source(uri=os.fspath(film), size_bytes=0, modified_ns=0)
    sound = span_sound(source, Fraction(1, 2), Fraction(11, 2))
    assert sound is not None
    frame = sound.until(Fraction(5))
    sound.close()
    assert frame is not None
    samples = frame.to_ndarray()[0]
    assert len(samples) == 5 * 48_000
    assert np.abs(samples[[24_010, 72_010, 120_010, 168_010, 216_010]] - 0.5).max() < 0.01
