"""What `plan` says of a folder is true of it, also where it looks into some files only."""

from __future__ import annotations

import os
import random
from fractions import Fraction
from pathlib import Path

import pytest

from pipelines import plan as planning
from pipelines.costs import codec_name
from pipelines.plan import plan, print_plan
from preprocess.clip import Source
from tests import videos


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of four seconds of small H.264, eight of larger VP9, one that no decoder knows, and a text."""
    folder = tmp_path_factory.mktemp("mixed")
    for number in range(2):
        videos.counter_video(folder / f"{number}.mp4", num_frames=96)
    videos.counter_video(folder / "large.webm", num_frames=192, size=(1280, 720), codec="libvpx-vp9")
    film = videos.counter_video(folder / "unknown.mp4", num_frames=24)
    film.write_bytes(film.read_bytes().replace(b"avc1", b"zzzz"))
    videos.text_file(folder / "text.mp4")
    return folder


def test_all_of_a_small_folder(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = plan(os.fspath(mixed))
    assert (found.num_files, found.looked_at) == (5, 5)
    assert found.total_bytes == sum(file.stat().st_size for file in mixed.iterdir())
    assert found.hours.value == found.hours.low == found.hours.high == pytest.approx(16 / 3600, rel=0.01)
    assert list(found.kinds) == ["vp9 up to 720p", "h264 up to 240p"], "the dearest first"
    assert sum(share for _, share in found.kinds.values()) == pytest.approx(1)
    assert {Path(uri).name: reason.partition(":")[0] for uri, reason in found.unusable.items()} == {
        "unknown.mp4": "no_decoder",
        "text.mp4": "not_a_video",
    }
    print_plan(os.fspath(mixed), workers=64)
    said = capsys.readouterr().out
    assert "5 files" in said
    assert "unusable: 1 no_decoder\n" in said
    assert "on 64 workers" in said


def test_a_sample_tells_of_all_with_a_range_and_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        videos.counter_video(tmp_path / f"{number}.mp4", num_frames=2 * (2 + number % 5), fps=Fraction(2))
    whole = plan(os.fspath(tmp_path))
    monkeypatch.setattr(planning, "SAMPLE_FILES", 6)
    some = plan(os.fspath(tmp_path))
    assert (some.looked_at, some.num_files, some.total_bytes) == (6, 12, whole.total_bytes)
    assert some.hours.low < some.hours.value < some.hours.high
    assert some.hours.value == pytest.approx(whole.hours.value, rel=0.5)
    assert plan(os.fspath(tmp_path)) == some


def test_the_range_holds_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(1)
    sizes = [round(chance.lognormvariate(16, 1)) for _ in range(4000)]
    seconds = [size / 250_000 * chance.uniform(0.5, 1.5) for size in sizes]
    held = 0
    for _ in range(500):
        drawn = chance.sample(range(4000), 200)
        some = planning._estimate([sizes[i] for i in drawn], [seconds[i] for i in drawn], 4000, sum(sizes))
        held += some.low <= sum(seconds) <= some.high
    assert 0.9 < held / 500 < 0.99


def test_a_header_that_lies_does_not_spoil_the_sum(tmp_path: Path) -> None:
    film = videos.counter_video(tmp_path / "film.mp4", num_frames=24)
    data = film.read_bytes()
    place = data.index(b"mdhd") + 4 + 16  # behind version, two times and the scale
    film.write_bytes(data[:place] + (0x7FFFFFFF).to_bytes(4, "big") + data[place + 4 :])
    assert plan(os.fspath(tmp_path)).hours.value < 1


def test_every_file_has_the_same_chance_to_be_looked_into() -> None:
    sources = (Source(uri=str(number), size_bytes=1, modified_ns=0) for number in range(100_000))
    count, total_bytes, sample = planning._sampled(sources)
    assert (count, total_bytes, len(sample)) == (100_000, 100_000, planning.SAMPLE_FILES)
    places = [int(source.uri) for source in sample]
    assert len(set(places)) == planning.SAMPLE_FILES
    assert sum(places) / len(places) == pytest.approx(50_000, rel=0.1)


def test_decoders_of_one_codec_are_one_codec() -> None:
    assert codec_name("libdav1d") == "av1"
    assert codec_name("h264") == "h264"
