"""The main path, on real files and real processes: equal results whatever the engine, the kill or the order."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from filters.base import Score, Scorer
from pipelines.curate import curate
from pipelines.decide import decide
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from preprocess.frames import FrameView
from preprocess.io.settings import override
from preprocess.schema import CLIP_FIELDS, SOURCE_COLUMNS
from tests import videos

ROOT = Path(__file__).resolve().parents[2]
SMALL = "rules.short_side.min=none"
"""The test's videos are tiny, so that they encode in no time."""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    for number, lengths in enumerate([(4, 5), (12, 3.5), (1, 4, 2), (6,), (4, 4, 4)]):
        name = f"film {number} 'é\n.mp4" if number == 3 else f"-film{number}.mp4"
        videos.shots_video(folder / name, seconds=lengths, openings=("cut",) * len(lengths))
    return folder


@pytest.fixture(scope="module")
def undisturbed(bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    curate(os.fspath(bucket), os.fspath(out), small(), engine="local")
    return out


def small(config: CurateConfig | None = None) -> CurateConfig:
    return override(config or recipes.default(), [SMALL])


def assert_same_tables(one: Path, other: Path) -> None:
    for table in ("clips", "sources"):
        pd.testing.assert_frame_equal(pd.read_parquet(one / table), pd.read_parquet(other / table))


def command(source: Path, out: Path, engine: str) -> list[str]:
    arguments = ["curate", os.fspath(source), os.fspath(out), "--engine", engine, "--set", SMALL]
    return [sys.executable, "-m", "pipelines", *arguments]


def test_manifest_has_the_promised_columns(undisturbed: Path) -> None:
    clips, sources = pd.read_parquet(undisturbed / "clips"), pd.read_parquet(undisturbed / "sources")
    promised = {name for name, _ in CLIP_FIELDS} | set(recipes.default().columns)
    assert promised | {"caption", "captioner", "caption_outcome", "status", "reasons"} <= set(clips.columns)
    assert [column.name for column in SOURCE_COLUMNS] == list(sources.columns)
    modified = [os.stat(uri).st_mtime_ns for uri in sources["uri"]]
    assert sources["modified"].astype("int64").tolist() == modified
    assert clips["clip_id"].is_unique
    assert len(sources) == 5
    assert set(sources["status"]) == {"ok"}
    assert list(sources["num_clips"]) == list(clips.groupby("source_id", sort=False).size())


def test_every_kept_clip_is_long_enough_and_described(undisturbed: Path) -> None:
    clips = pd.read_parquet(undisturbed / "clips")
    kept = clips[clips["status"] == "kept"]
    assert len(kept) >= 6
    assert kept["duration_seconds"].between(3.0, 10.0).all()
    assert kept["caption"].str.len().gt(10).all()
    assert set(kept["captioner"]) == {"attributes"}
    assert (kept["reasons"].str.len() == 0).all()
    short = clips[clips["duration_seconds"] < 3]
    assert len(short) >= 2
    assert all("duration_seconds:below_3.0" in reasons for reasons in short["reasons"])
    assert short["text_area"].isna().all()


def test_second_run_resumes_with_nothing_to_do(bucket: Path, undisturbed: Path) -> None:
    before = pd.read_parquet(undisturbed / "clips")
    done = subprocess.run(command(bucket, undisturbed, "local"), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "nothing left to do" in done.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(undisturbed / "clips"), before)


def test_a_config_in_a_file_is_the_same_recipe(bucket: Path, undisturbed: Path, tmp_path: Path) -> None:
    shown = [sys.executable, "-m", "pipelines", "show-config", "--set", SMALL]
    told = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=True)
    (tmp_path / "small.toml").write_text(told.stdout, encoding="utf-8")
    arguments = ["curate", os.fspath(bucket), os.fspath(undisturbed), "--engine", "local"]
    again = [sys.executable, "-m", "pipelines", *arguments, "--config", os.fspath(tmp_path / "small.toml")]
    done = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "nothing left to do" in done.stderr


OWN_RECIPE = """
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from filters.base import Score, Scorer
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames(Scorer):
    name: ClassVar[str] = "frames"
    columns: ClassVar[Mapping[str, type[int]]] = {"frames": int}
    at_most: int = 100

    def score(self, view: FrameView) -> Mapping[str, Score]:
        return {"frames": min(view.clip.num_frames, self.at_most)}


def counted() -> CurateConfig:
    return replace(recipes.default(), name="counted", scorers=(Frames(),), rules=())
"""


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.cluster)])
def test_a_recipe_from_ones_own_file(bucket: Path, tmp_path: Path, engine: str) -> None:
    """Workers have no such file; and who is given the manifest runs none of it unasked."""
    file, out = tmp_path / "counting.py", tmp_path / "out"
    file.write_text(OWN_RECIPE)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipelines", *map(os.fspath, map(str, arguments))]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    recipe = ("--recipe", f"{file}:counted", "--set", "scorers.frames.at_most=50")
    done = run("curate", bucket / "-film1.mp4", out, "--engine", engine, *recipe)
    assert done.returncode == 0, done.stderr
    assert pd.read_parquet(out / "clips")["frames"].max() == 50
    bound = ("decide", out, "--set", "rules.frames.max=49")
    refused = run(*bound)
    assert refused.returncode == 1
    assert "counting:Frames is not part of this program" in refused.stderr
    allowed = run(*bound, "--plug-in", file)
    assert allowed.returncode == 0, allowed.stderr
    assert set(pd.read_parquet(out / "clips")["status"]) == {"rejected"}


def test_new_videos_join_the_manifest(bucket: Path, undisturbed: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    everything = sorted(bucket.iterdir())
    for path in everything[::2]:
        os.link(path, folder / path.name)
    curate(os.fspath(folder), os.fspath(out), small(), engine="in-process")
    for path in everything[1::2]:
        os.link(path, folder / path.name)
    curate(os.fspath(folder), os.fspath(out), small(), engine="in-process")
    one, other = pd.read_parquet(out / "clips"), pd.read_parquet(undisturbed / "clips")
    pd.testing.assert_frame_equal(one.drop(columns="source_uri"), other.drop(columns="source_uri"))


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_matches_local(bucket: Path, undisturbed: Path, tmp_path: Path) -> None:
    subprocess.run(command(bucket, tmp_path, "ray"), cwd=ROOT, check=True)
    assert_same_tables(tmp_path, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=[pytest.mark.cluster, pytest.mark.attack])])
def test_killed_and_resumed_equals_undisturbed(bucket: Path, undisturbed: Path, tmp_path: Path, engine: str) -> None:
    victim = subprocess.Popen(command(bucket, tmp_path, engine), cwd=ROOT, start_new_session=True)
    while not list(tmp_path.glob("parts/*.parquet")):
        assert victim.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    assert not (tmp_path / "clips").exists()
    subprocess.run(command(bucket, tmp_path, engine), cwd=ROOT, check=True)
    assert_same_tables(tmp_path, undisturbed)
    assert not list(tmp_path.glob("parts/*.parquet"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_says_how_to_resume(bucket: Path, tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(command(bucket, tmp_path, "local"), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "units of work" not in process.stderr.readline():
        assert process.poll() is None, "ended before it could be stopped"
    said = ""
    while process.returncode is None:  # on a busy machine one was lost twice: people press again, too
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, said = process.communicate(timeout=2)
    assert process.returncode == 128 + number
    assert "run the same command again to resume" in said
    assert "Traceback" not in said


def test_broken_files_get_a_row_with_a_reason(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    expected = {
        videos.empty_file(folder / "1 empty.mp4"): "empty_file",
        videos.without_index(folder / "2 no index.mp4"): "not_a_video",
        videos.text_file(folder / "3 prose.mp4"): "not_a_video",
        videos.picture_file(folder / "4 picture.mp4"): "not_a_video",
        videos.single_frame(folder / "5 one.mp4"): "single_frame",
        videos.sound_only(tmp_path / "6 sound.mp4").rename(folder / "6 sound.mp4"): "no_video_stream",
        videos.cut_short(tmp_path / "7 cut.mp4").rename(folder / "7 cut.mp4"): "truncated",
        videos.flipped_bytes(folder / "8 flipped.mp4"): "decode_errors",
    }
    curate(os.fspath(folder), os.fspath(out), small(), engine="local")
    sources = pd.read_parquet(out / "sources").set_index("uri")
    assert list(sources.index) == [os.fspath(path) for path in expected]
    for path, reason in expected.items():
        assert sources.loc[os.fspath(path), "reason"].startswith(reason), sources["reason"]
    assert (out / "report.html").exists()


def test_copies_are_recognised(bucket: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    first = next(path for path in sorted(bucket.iterdir()))
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(first.read_bytes())
    curate(os.fspath(folder), os.fspath(tmp_path / "out"), small(), engine="in-process")
    assert list(pd.read_parquet(tmp_path / "out" / "sources")["status"]) == ["ok", "duplicate"]
    assert pd.read_parquet(tmp_path / "out" / "clips")["clip_id"].is_unique


def test_provenance_comes_from_the_sidecar_before_the_containers_tags(bucket: Path, tmp_path: Path) -> None:
    first = next(path for path in sorted(bucket.iterdir()))
    (tmp_path / "in").mkdir()
    videos.tagged(first, tmp_path / "in" / "a.mp4", {"artist": "by its tags", "copyright": "not this"})
    (tmp_path / "in" / "a.json").write_text(json.dumps({"license": "CC0", "url": "<b>", "cuts": [1], "title": None}))
    curate(os.fspath(tmp_path / "in"), os.fspath(tmp_path / "out"), small(), engine="in-process")
    (row,) = pd.read_parquet(tmp_path / "out" / "sources").to_dict("records")
    assert (row["license"], row["url"], pd.isna(row["title"])) == ("CC0", "<b>", True)
    clips = pd.read_parquet(tmp_path / "out" / "clips")
    assert len(clips) > 0
    assert set(clips["license"]) == {"CC0"}
    assert set(clips["url"]) == {"<b>"}
    assert set(clips["author"]) == {"by its tags"}


def test_another_recipe_is_refused_with_the_difference(bucket: Path, undisturbed: Path) -> None:
    other = override(small(), ["rules.motion.min=7.5"])
    with pytest.raises(ValueError, match=r"rules\.motion\.min: .* -> 7\.5"):
        curate(os.fspath(bucket), os.fspath(undisturbed), other, engine="in-process")


def test_two_runs_at_once_cannot_mix(bucket: Path, tmp_path: Path) -> None:
    first = subprocess.Popen(command(bucket, tmp_path, "local"), cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (tmp_path / "run.json").exists():
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)  # it holds the manifest for as long as the second takes to start
    second = subprocess.run(command(bucket, tmp_path, "local"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "in use by another run" in second.stderr
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert pd.read_parquet(tmp_path / "clips")["clip_id"].is_unique


def test_filter_alone_gives_the_column_of_a_whole_run(bucket: Path, undisturbed: Path, tmp_path: Path) -> None:
    config = small()
    without = replace(
        config,
        scorers=tuple(s for s in config.scorers if s.name not in ("motion", "text_area")),
        rules=tuple(rule for rule in config.rules if rule.column not in ("motion", "text_area")),
    )
    curate(os.fspath(bucket), os.fspath(tmp_path), without, engine="in-process")
    pruned = json.loads((tmp_path / "run.json").read_text())
    assert "motion" not in pd.read_parquet(tmp_path / "clips").columns
    # the recipe on disk is the named one, so say that it is the whole default recipe that is filled up
    whole = json.loads((undisturbed / "run.json").read_text())
    (tmp_path / "run.json").write_text(
        json.dumps(pruned | {k: whole[k] for k in ("recipe", "settings", "fingerprint", "config")})
    )
    for name in ("motion", "text_area"):
        run_filter(name, os.fspath(tmp_path), engine="in-process")
    expected, got = pd.read_parquet(undisturbed / "clips"), pd.read_parquet(tmp_path / "clips")
    pd.testing.assert_frame_equal(got[expected.columns], expected)


def test_unknown_filter_lists_the_known(undisturbed: Path) -> None:
    with pytest.raises(ValueError, match="sharpness"):
        run_filter("sharpnes", os.fspath(undisturbed), engine="in-process")


def test_decide_moves_a_bound_and_back(bucket: Path, tmp_path: Path) -> None:
    curate(os.fspath(bucket), os.fspath(tmp_path), small(), engine="in-process")
    before = pd.read_parquet(tmp_path / "clips")
    decide(os.fspath(tmp_path), recipe=None, assignments=["rules.motion.min=1000", "rules.motion.max=none"])
    strict = pd.read_parquet(tmp_path / "clips")
    assert not (strict["status"] == "kept").any()
    assert any("motion:below_1000.0" in reasons for reasons in strict["reasons"])
    own = recipes.default().rules
    motion = next(rule for rule in own if rule.column == "motion")
    back = [f"rules.motion.min={motion.min}", f"rules.motion.max={motion.max}"]
    decide(os.fspath(tmp_path), recipe=None, assignments=back)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "clips"), before)
    curate(os.fspath(bucket), os.fspath(tmp_path), small(), engine="in-process")


def test_parts_of_any_length_hold_the_same_rows(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    monkeypatch.setattr("preprocess.io.tables.GROUP_ROWS", 2)
    monkeypatch.setattr("preprocess.io.tables.PART_ROWS", 4)
    motion = next(rule for rule in recipes.default().rules if rule.column == "motion")
    decide(os.fspath(out), recipe=None, assignments=["rules.motion.min=7", "rules.motion.max=none"])
    assert len(list((out / "clips").iterdir())) >= 3
    strict = pd.read_parquet(out / "clips")
    assert strict["caption"].notna().tolist() == [len(reasons) == 0 for reasons in strict["reasons"]]
    run_filter("sharpness", os.fspath(out), engine="in-process")
    back = [f"rules.motion.min={motion.min}", f"rules.motion.max={motion.max}"]
    decide(os.fspath(out), recipe=None, assignments=back)
    assert_same_tables(out, undisturbed)


def test_decide_refuses_what_needs_new_measurements(undisturbed: Path) -> None:
    with pytest.raises(ValueError, match=r"shots\.margin_frames"):
        decide(os.fspath(undisturbed), recipe=None, assignments=["shots.margin_frames=9"])


@dataclass(frozen=True, slots=True)
class KillerScorer(Scorer):
    """Stands for a decoder or model that takes its process down, on one video only."""

    name: ClassVar[str] = "killer"
    columns: ClassVar[dict[str, type[float]]] = {"killer": float}
    victim: str = ""

    def score(self, view: FrameView) -> dict[str, Score]:
        if view.clip.source_uri.endswith(self.victim):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"killer": 0.0}


@dataclass(frozen=True, slots=True)
class OutOfReachScorer(Scorer):
    """Stands for storage that does not answer about one video."""

    name: ClassVar[str] = "out_of_reach"
    columns: ClassVar[dict[str, type[float]]] = {"out_of_reach": float}

    def score(self, view: FrameView) -> dict[str, Score]:
        if view.clip.source_uri.endswith("-film2.mp4"):
            raise OSError("the bucket does not answer")
        return {"out_of_reach": 0.0}


@dataclass(frozen=True, slots=True)
class BuggyScorer(Scorer):
    name: ClassVar[str] = "buggy"
    columns: ClassVar[dict[str, type[float]]] = {"buggy": float}

    def score(self, view: FrameView) -> dict[str, Score]:
        raise ZeroDivisionError("a bug")


@pytest.mark.slow
@pytest.mark.cluster
def test_video_that_kills_its_worker_has_a_row_and_the_rest_survives(bucket: Path, tmp_path: Path) -> None:
    config = replace(small(), scorers=(*small().scorers, KillerScorer(victim="-film2.mp4")))
    curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="ray", workers=2)
    sources = pd.read_parquet(tmp_path / "sources").set_index("uri")
    assert sources["reason"].dropna().tolist() == ["machine_failure: killed its worker 3 times"]
    assert sources.loc[os.fspath(bucket / "-film2.mp4"), "status"] == "failed"
    assert not (tmp_path / "attempts").exists()


def test_video_that_storage_never_gives_has_a_row_and_the_rest_survives(
    bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.clips.attempts.PAUSE_SECONDS", 0.0)
    config = replace(small(), scorers=(*small().scorers, OutOfReachScorer()))
    curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="in-process")
    sources = pd.read_parquet(tmp_path / "sources").set_index("uri")
    assert sources["reason"].dropna().tolist() == ["machine_failure: OSError: the bucket does not answer"]
    assert sources.loc[os.fspath(bucket / "-film2.mp4"), "status"] == "failed"


def test_bug_stops_a_strict_run_and_names_the_unit(bucket: Path, tmp_path: Path) -> None:
    config = replace(small(), scorers=(*small().scorers, BuggyScorer()))
    with pytest.raises(RuntimeError, match=r"unit [0-9a-f]{24}: .*-film0\.mp4.*ZeroDivisionError: a bug"):
        curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="local", strict=True)


def test_long_video_in_spans_equals_itself_at_any_worker_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.curate.SPLIT_BYTES", 0)
    (tmp_path / "in").mkdir()
    film = tmp_path / "in" / "long.mp4"
    videos.shots_video(film, seconds=(8,) * 16, openings=("cut",) * 16, fps=Fraction(8))
    rules = tuple(rule for rule in small().rules if rule.column != "text_area")
    scorers = tuple(scorer for scorer in small().scorers if scorer.name != "text_area")  # it takes half a second a clip
    config = replace(small(), rules=rules, scorers=scorers, span_seconds=60.0)
    for workers in (1, 7):
        curate(os.fspath(tmp_path / "in"), os.fspath(tmp_path / str(workers)), config, engine="local", workers=workers)
    assert_same_tables(tmp_path / "1", tmp_path / "7")
    clips = pd.read_parquet(tmp_path / "1" / "clips")
    assert (clips["start_pts"].shift(-1).dropna() >= clips["end_pts"][:-1]).all()
    assert len(pd.read_parquet(tmp_path / "1" / "sources")) == 1
