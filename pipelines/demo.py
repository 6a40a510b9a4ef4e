"""The whole machine in one command: make a small bucket of videos with known truth, curate it, show the page."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from examples.demo_films.videos import make_demo_videos
from pipelines.curate import curate
from pipelines.outcomes import Finished
from pipelines.recipe import recipes

_log = logging.getLogger("clipmill")


def demo(folder: str, *, videos: str | None, engine: str, workers: int | None) -> Finished:
    """Curate `videos`, or synthetic ones made in `folder`/videos, into `folder`. A second call resumes.

    Raises:
        ValueError: as `curate`.
    """
    if videos is None:
        videos = os.fspath(Path(folder) / "videos")
        _log.info("making the demo's videos in %s (half a minute, once)", videos)
        make_demo_videos(Path(videos))
        out = os.fspath(Path(folder) / "out")
    else:
        out = os.fspath(Path(folder) / f"out-{Path(videos).resolve().name or 'root'}")
    return curate(videos, out, recipes.default(), engine=engine, workers=workers)
