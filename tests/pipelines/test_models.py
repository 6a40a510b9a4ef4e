"""Whole runs with real models on tiny random weights: one forward pass, one filter alone, captions that resume."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from filters.aesthetic import AestheticScorer
from filters.alignment import AlignmentScorer
from filters.consistency import ConsistencyScorer
from filters.embedding import EmbeddingColumnScorer
from filters.rules import Range
from filters.towers.tower import LoadedTower, Tower
from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.decide import decide
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from preprocess.io.settings import override
from tests import tiny_models, videos

ROOT = Path(__file__).resolve().parents[2]
IMAGE_SIZE = 32
SMALL = "rules.short_side.min=none"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    videos.shots_video(folder / "a.mp4", seconds=(4, 5, 2), openings=("cut",) * 3)
    videos.shots_video(folder / "b.mp4", seconds=(12, 3.5), openings=("cut",) * 2)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_models.tiny_open_clip(folder / "clip")
    tiny_models.laion_mlp_head(folder / "head.pth")
    return folder


def weights(models: Path) -> list[str]:
    return [
        f"towers.clip.weights={models / 'clip'}",
        f"towers.clip.image_size={IMAGE_SIZE}",
        f"scorers.aesthetic.head={models / 'head.pth'}",
    ]


def with_models(models: Path) -> CurateConfig:
    base = recipes.default()
    clip = Tower(name="clip", weights=str(models / "clip"), image_size=IMAGE_SIZE)
    scorers = (
        AestheticScorer(head=str(models / "head.pth")),
        ConsistencyScorer(),
        AlignmentScorer(),
        EmbeddingColumnScorer(),
    )
    return override(replace(base, scorers=(*base.scorers, *scorers), towers=(clip,)), [SMALL])


@pytest.fixture(scope="module")
def whole(bucket: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    curate(os.fspath(bucket), os.fspath(out), with_models(models), engine="in-process")
    return out


def watch_towers(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """How many images each pass has, of every tower that is loaded from now on; the loading itself is the real one."""
    watched: list[list[int]] = []
    load = Tower.load

    def remembered(tower: Tower) -> LoadedTower:
        loaded = load(tower)
        watched.append(tiny_models.passes_of(loaded))
        return loaded

    monkeypatch.setattr(Tower, "load", remembered)
    return watched


def test_survivors_have_every_column_of_the_models(whole: Path) -> None:
    clips = pd.read_parquet(whole / "clips")
    kept = clips[clips["status"] == "kept"]
    assert len(kept) >= 4
    for column in ("aesthetic", "aesthetic_min", "consistency", "alignment"):
        assert kept[column].notna().all(), column
        assert clips.loc[clips["duration_seconds"] < 3, column].isna().all(), column
    assert kept["consistency"].between(-1, 1).all()
    assert (kept["aesthetic_min"] <= kept["aesthetic"]).all()
    assert np.linalg.norm(np.stack(kept["embedding"]).astype(np.float64), axis=1) == pytest.approx(1, abs=1e-2)


def test_four_scorers_share_one_forward_pass(
    bucket: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = with_models(models)
    single = replace(
        every, scorers=tuple(s for s in every.scorers if s.name not in ("aesthetic", "alignment", "embedding"))
    )
    counts = []
    for config in (single, every):
        watched = watch_towers(monkeypatch)
        out = tmp_path / str(len(config.scorers))
        curate(os.fspath(bucket), os.fspath(out), config, engine="in-process")
        counts.append([images for passes in watched for images in passes])
        monkeypatch.undo()
    assert counts[0] == counts[1]
    passes = counts[1]
    kept = int((pd.read_parquet(out / "clips")["status"] == "kept").sum())
    assert 4 * kept < sum(passes) <= 6 * kept  # four uniform frames and both ends, where these are others
    assert len(passes) == 2  # one for each unit of work


def test_rejected_clips_are_not_embedded(
    bucket: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch_towers(monkeypatch)
    config = override(with_models(models), ["rules.brightness.min=255"])
    curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="in-process")
    assert not any(watched)


def test_rules_on_models_columns_decide(bucket: Path, models: Path, whole: Path, tmp_path: Path) -> None:
    before = pd.read_parquet(whole / "clips")
    bound = float(before["alignment"].median())
    config = replace(with_models(models), rules=(*with_models(models).rules, Range(column="alignment", min=bound)))
    curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="local")
    after = pd.read_parquet(tmp_path / "clips")
    low = before["alignment"] < bound
    assert low.any()
    assert (after.loc[low, "status"] == "rejected").all()
    assert after.loc[low, "caption"].notna().all(), "what was measured and said stays, also on clips rejected since"
    assert all(list(reasons) == [f"alignment:below_{bound}"] for reasons in after.loc[low, "reasons"])


@pytest.mark.slow
def test_filters_alone_give_the_columns_of_a_whole_run(bucket: Path, models: Path, whole: Path, tmp_path: Path) -> None:
    curate(os.fspath(bucket), os.fspath(tmp_path), override(recipes.default(), [SMALL]), engine="in-process")
    clip = weights(models)[:2]
    run_filter("aesthetic", os.fspath(tmp_path), assignments=weights(models), engine="in-process")
    for name in ("consistency", "alignment", "embedding"):
        run_filter(name, os.fspath(tmp_path), assignments=clip, engine="in-process")
    got, expected = pd.read_parquet(tmp_path / "clips"), pd.read_parquet(whole / "clips")
    pd.testing.assert_frame_equal(got[expected.columns], expected)

    with pytest.raises(
        ValueError, match="aesthetic, alignment, embedding in this manifest came from another tower clip"
    ):
        run_filter("consistency", os.fspath(tmp_path), assignments=["towers.clip.num_frames=2"], engine="in-process")

    decide(os.fspath(tmp_path), recipe=None, assignments=["rules.aesthetic.min=1000"])
    assert not (pd.read_parquet(tmp_path / "clips")["status"] == "kept").any()
    decide(os.fspath(tmp_path), recipe=None, assignments=["rules.aesthetic.min=none"])
    # the added filters belong to the manifest now: new videos get their columns too
    videos.shots_video(bucket / "new.mp4", seconds=(4,), openings=("cut",))
    again = functools.partial(curate, os.fspath(bucket), os.fspath(tmp_path), override(recipes.default(), [SMALL]))
    try:
        with pytest.raises(ValueError, match=r"run\.json alone.*scorers\.aesthetic\.head=.*towers\.clip\.weights="):
            again(engine="in-process")
        again(engine="in-process", assignments=weights(models))
    finally:
        (bucket / "new.mp4").unlink()
    clips = pd.read_parquet(tmp_path / "clips")
    new = clips[clips["source_uri"] == os.fspath(bucket / "new.mp4")]
    assert new["aesthetic"].notna().all()


@pytest.mark.attack
@pytest.mark.cluster
def test_ray_matches_local(bucket: Path, models: Path, whole: Path, tmp_path: Path) -> None:
    curate(os.fspath(bucket), os.fspath(tmp_path), with_models(models), engine="ray", workers=1)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "clips"), pd.read_parquet(whole / "clips"))


def test_missing_weights_end_the_run_before_any_video_is_opened(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "opening me would hang.mp4")
    command = ["curate", str(tmp_path / "in"), str(tmp_path / "out"), "--recipe", "easyanimate_pretrain"]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "CLIPMILL_MODELS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *command],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (sentence,) = done.stderr.strip().splitlines()
    for part in ("*.safetensors", "timm/vit_large_patch14_clip_224.openai", "--set towers.clip.weights=",
                 "CLIPMILL_MODELS", "--recipe default"):  # fmt: skip
        assert part in sentence
    assert not (tmp_path / "out").exists()


def test_captions_can_be_made_anew_with_another_captioner(bucket: Path, whole: Path, tmp_path: Path) -> None:
    curate(os.fspath(bucket), os.fspath(tmp_path), override(recipes.default(), [SMALL]), engine="in-process")
    before = pd.read_parquet(tmp_path / "clips")
    run_caption(os.fspath(tmp_path), captioner="attributes", engine="in-process")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "clips"), before)
    with pytest.raises(ValueError, match="no captioner 'atributes'; there are attributes, "):
        run_caption(os.fspath(tmp_path), captioner="atributes", engine="in-process")
    assert json.loads((tmp_path / "run.json").read_text())["recipe"]["captioner"] == "attributes"
