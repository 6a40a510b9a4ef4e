"""What a stranger sees first: the demo's films are judged as their makers say, and its page opens without a request."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from examples.demo_films.videos import VideoTruth, make_demo_videos
from pipelines.demo import demo
from tests.browser import open_browser


@dataclass(frozen=True)
class Demo:
    folder: Path
    truths: list[VideoTruth]
    clips: pd.DataFrame
    sources: pd.DataFrame


@pytest.fixture(scope="module")
def made(demo_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(demo_films, folder / "videos")
    demo(os.fspath(folder), videos=None, engine="local", workers=None)
    return Demo(
        folder=folder,
        truths=make_demo_videos(folder / "videos"),
        clips=pd.read_parquet(folder / "out" / "clips"),
        sources=pd.read_parquet(folder / "out" / "sources"),
    )


def clips_of(made: Demo, name: str) -> pd.DataFrame:
    return made.clips[made.clips["source_uri"] == os.fspath(made.folder / "videos" / name)]


@pytest.mark.slow
def test_every_film_ends_as_expected(made: Demo) -> None:
    for truth in made.truths:
        clips = clips_of(made, truth.name)
        source = made.sources[made.sources["uri"] == os.fspath(made.folder / "videos" / truth.name)].iloc[0]
        said = [reason for reasons in clips["reasons"] for reason in reasons] + [str(source["reason"])]
        if truth.expected == "kept":
            assert (clips["status"] == "kept").all(), (truth.name, said)
            assert len(clips) >= 1
        elif truth.expected == "failed":
            assert source["status"] == "failed", truth.name
        else:
            assert not (clips["status"] == "kept").any(), (truth.name, truth.expected)
            assert any(reason.startswith(truth.expected) for reason in said), (truth.name, truth.expected, said)


@pytest.mark.slow
def test_no_clip_holds_frames_of_two_shots_or_of_a_transition(made: Demo) -> None:
    for truth in made.truths:
        for clip in clips_of(made, truth.name).to_dict("records"):
            if truth.fps is None or clip["status"] != "kept" or "variable" in truth.name:
                continue
            start, end = (round(clip[edge] * float(truth.fps)) for edge in ("start_seconds", "end_seconds"))
            assert not any(start < cut < end for cut in truth.cuts), truth.name
            assert not any(start < stop and begin < end for begin, stop in truth.transitions), truth.name


@pytest.mark.slow
def test_second_demo_does_no_work_twice(made: Demo, capfd: pytest.CaptureFixture[str]) -> None:
    demo(os.fspath(made.folder), videos=None, engine="local", workers=None)
    assert "nothing left to do" in capfd.readouterr().err
    pd.testing.assert_frame_equal(pd.read_parquet(made.folder / "out" / "clips"), made.clips)


@pytest.mark.slow
def test_page_opens_offline_without_an_error(made: Demo) -> None:
    with open_browser() as browser:
        page = made.folder / "out" / "report.html"
        browser.open(page)
        assert browser.console_errors() == []
        films = (made.folder / "videos").as_uri()
        asked = {url for url in browser.requests() if not url.startswith(("data:", films))}
        assert asked == {page.as_uri()}
        assert str((made.clips["status"] == "kept").sum()) in browser.one("h1").text
