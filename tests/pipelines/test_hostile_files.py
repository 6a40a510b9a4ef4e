"""A video file opens no address and no other file, whatever it says."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pandas as pd
import pytest

from pipelines.curate import curate
from pipelines.plan import plan
from pipelines.recipe import recipes
from tests import hostile_files, videos
from tests.canary import Canary

CARELESS = {
    "protocol_whitelist": "file,http,tcp,udp,rtp,crypto,data",
    "safe": "0",
    "enable_drefs": "1",
    "use_absolute_path": "1",
}
SHOWN = 24
"""Frames of the film whose data are said to be elsewhere."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return videos.counter_video(tmp_path / "secret.mp4", num_frames=48)


def careless_frames(path: Path) -> int:
    """Frames that ffmpeg gives to who lets it open what it likes."""
    with av.open(os.fspath(path), options=CARELESS) as container:
        return sum(1 for _ in container.decode(video=0))


def test_no_file_leads_to_an_address_or_another_file(tmp_path: Path, target: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    film = videos.counter_video(tmp_path / "film.mp4", num_frames=SHOWN)
    with Canary() as canary:
        for where, place in (("net", f"{canary.url}/x.ts"), ("disk", os.fspath(target))):
            for name, write in hostile_files.WRITERS.items():
                for suffix in (".mp4", ".m3u8", ".mpd", ".sdp"):
                    write(folder / f"{name}_{where}{suffix}", place)
            hostile_files.outside_data(folder / f"outside_data_{where}.mp4", film, place)
        # what these files do to others: without it the test would be of harmless ones
        assert careless_frames(folder / "concat_disk.mp4") == 48
        assert careless_frames(folder / "outside_data_disk.mp4") == SHOWN
        with pytest.raises(av.error.FFmpegError):
            careless_frames(folder / "concat_net.mp4")
        assert len(canary.heard) == 1

        found = plan(os.fspath(folder))
        curate(os.fspath(folder), os.fspath(tmp_path / "out"), recipes.default(), engine="local")
        assert len(canary.heard) == 1
    sources = pd.read_parquet(tmp_path / "out" / "sources")
    assert len(sources) == 4 * 2 * len(hostile_files.WRITERS) + 2
    assert set(sources["status"]) == {"failed"}
    assert sources["num_clips"].sum() == 0
    assert set(found.unusable) | {uri for uri in sources["uri"] if "outside_data" in uri} == set(sources["uri"])
