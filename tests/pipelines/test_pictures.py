"""A folder of films and pictures, curated together: rules on what only a film has pass pictures over, others count."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from captioners.sidecar import SidecarCaptioner
from filters.rules import Range
from pipelines.clips.decisions import broken_rules
from pipelines.curate import curate
from pipelines.progress import print_summary
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recipes import default
from preprocess.io.settings import fingerprint
from preprocess.manifest import Manifest
from tests import videos

TIMED = [
    "fps",
    "duration_seconds",
    "motion",
    "camera",
    "freeze_fraction",
    "repeated_frames",
    "true_fps",
    "one_shot",
    "has_sound",
]
MEASURED = [
    "sharpness",
    "brightness",
    "visual_quality",
    "noise",
    "blockiness",
    "panels",
    "crop_right",
    "dominant_colors",
]


def recipe(*, pictures: bool) -> CurateConfig:
    """The default one, without OCR, for films that are small."""
    base = default()
    rules = [rule for rule in base.rules if rule.column not in ("text_area", "short_side")]
    return replace(
        base,
        scorers=tuple(scorer for scorer in base.scorers if scorer.name != "text_area"),
        rules=(*rules, Range(column="short_side", min=80)),
        captioner=SidecarCaptioner(),
        pictures=pictures,
    )


def picture(path: Path, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1] // 3, size[0] // 3, 3), np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    videos.shots_video(folder / "film.mp4", seconds=(4,), openings=("cut",))
    picture(folder / "good.png", (320, 240))
    picture(folder / "small.jpg", (96, 64))
    whole = (folder / "small.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "good.json").write_text(json.dumps({"caption": "Coloured noise.", "license": "CC0"}))
    return folder


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Curated without pictures, then with them."""
    out = tmp_path_factory.mktemp("out")
    for pictures in (False, True):
        curate(os.fspath(folder), os.fspath(out), recipe(pictures=pictures), engine="in-process")
        names = [Path(uri).name for uri in pd.read_parquet(out / "sources")["uri"]]
        assert names == (["film.mp4", "good.png", "half.jpg", "small.jpg"] if pictures else ["film.mp4"])
    return out


@pytest.fixture(scope="module")
def clips(out: Path) -> pd.DataFrame:
    table = pd.read_parquet(out / "clips")
    return table.set_index(table["source_uri"].map(lambda uri: Path(uri).name))


def test_a_picture_has_what_needs_no_time(clips: pd.DataFrame) -> None:
    assert dict(clips["kind"]) == {"film.mp4": "video", "good.png": "picture", "small.jpg": "picture"}
    good = clips.loc["good.png"]
    assert good[TIMED].isna().all()
    assert good[MEASURED].notna().all()
    assert (good["num_frames"], good["width"], good["height"], good["crop_right"]) == (1, 320, 240, 320)
    assert clips.loc["film.mp4", ["fps", "duration_seconds", "motion", "freeze_fraction"]].notna().all()


def test_the_summary_tells_pictures_from_videos(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Manifest(os.fspath(out)))
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert said[:2] == ["4 s of video in 1 source", "2 pictures"]


def test_rules_on_time_pass_a_picture_over_and_others_count(clips: pd.DataFrame) -> None:
    assert clips.loc["good.png", "status"] == "kept"
    assert list(clips.loc["small.jpg", "reasons"]) == ["short_side:below_80.0"]
    row = {"kind": "picture", "damaged": False, "short_side": 100, "visual_quality": None, "black_fraction": 0.0}
    assert broken_rules(recipe(pictures=True), row) == ["visual_quality:not_measured"]
    as_video = broken_rules(recipe(pictures=True), row | {"kind": "video"})
    assert as_video == ["duration_seconds:not_measured"]  # which is known first
    measured = row | {"kind": "video", "duration_seconds": 5.0}
    assert "motion:not_measured" in broken_rules(recipe(pictures=True), measured)


def test_it_has_the_caption_and_the_licence_beside_it_and_one_picture_for_a_preview(
    clips: pd.DataFrame, out: Path
) -> None:
    good = clips.loc["good.png"]
    assert (good["caption"], good["license"]) == ("Coloured noise.", "CC0")
    found = Manifest(os.fspath(out)).previews([good["clip_id"]])[good["clip_id"]]
    assert Image.open(io.BytesIO(found)).size == (320, 240)


def test_a_broken_one_has_a_row_with_a_reason(out: Path) -> None:
    sources = pd.read_parquet(out / "sources")
    sources.index = pd.Index([Path(uri).name for uri in sources["uri"]])
    assert sources.loc["half.jpg", "reason"].startswith("no_frames")
    assert sources.loc["good.png", ["status", "codec", "num_clips"]].tolist() == ["ok", "png", 1]
    assert sources.loc["good.png", ["fps", "duration_seconds", "reason"]].isna().all()


def test_who_takes_pictures_has_the_same_recipe() -> None:
    assert fingerprint(recipe(pictures=True)) == fingerprint(recipe(pictures=False))


def test_manifests_of_before_have_no_kind() -> None:
    row = {"damaged": False, "motion": None, "duration_seconds": 5.0, "short_side": 500}
    assert "motion:not_measured" in broken_rules(recipe(pictures=True), row)
