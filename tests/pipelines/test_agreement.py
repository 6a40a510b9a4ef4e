"""What hangs on all clips of a source, through the pass: a night scene has the bars that the film's day shows."""

import os
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pandas as pd

from examples.demo_films.encode import write_video
from filters.letterbox import LetterboxScorer
from pipelines.clips import revisit
from pipelines.clips.spans import measure_span
from pipelines.clips.task import whole
from pipelines.curate import curate
from pipelines.filter import run_filter
from pipelines.recipe.recipes import default
from preprocess.clip import Source
from preprocess.units import SourceSpan
from tests.filters.views import moving, texture


def _film():
    """By night only the middle of the picture is lit."""
    lit = cv2.ellipse(np.zeros((134, 320), np.uint8), (160, 67), (110, 45), 0, 0, 360, 1, -1)
    for seed, night in ((1, False), (2, True), (3, False)):
        scene = texture(300, 600, seed=seed)
        for content in moving(scene, (134, 320), lambda t: (20 * t, 0, 1), fps=8, seconds=3.5):
            frame = np.zeros((180, 320), np.uint8)
            frame[23:157] = content * lit if night else content
            yield cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)


def test_clips_of_a_film_agree(tmp_path):
    path = tmp_path / "film.mp4"
    write_video(path, _film(), fps=Fraction(8))
    source = Source(uri=str(path), size_bytes=path.stat().st_size, modified_ns=0)
    config = replace(default(), scorers=(LetterboxScorer(),), rules=())
    measured = measure_span(whole(config, {}), SourceSpan(source=source))
    rows = [clip.row for clip in measured.clips]
    alone = [
        next(iter(measure_span(whole(config, {}), SourceSpan(source=source, clips=(row,))).clips)).row["crop_top"]
        for row in rows
    ]
    assert 0 in alone
    assert len({(row["crop_top"], row["crop_bottom"]) for row in rows}) == 1
    assert abs(rows[0]["crop_top"] - 23) <= 1
    assert all(not clip.looks.keys() & {"letterbox"} for clip in measured.clips)
    known = SourceSpan(source=source, clips=tuple(rows))
    again = [clip.row for clip in measure_span(whole(config, {}), known).clips]
    assert [row["crop_top"] for row in again] == [row["crop_top"] for row in rows]


def test_a_filter_alone_sees_the_clips_that_agreed(tmp_path, monkeypatch):
    write_video(tmp_path / "film.mp4", _film(), fps=Fraction(8))
    out = os.fspath(tmp_path / "out")
    config = replace(default(), scorers=(LetterboxScorer(),), rules=())
    curate(os.fspath(tmp_path / "film.mp4"), out, config, engine="in-process")
    before = pd.read_parquet(f"{out}/clips")
    monkeypatch.setattr(revisit, "CLIPS_IN_UNIT", 1)
    run_filter("letterbox", out, engine="in-process")
    pd.testing.assert_frame_equal(pd.read_parquet(f"{out}/clips"), before)
    assert set(before.crop_top) != {0}
