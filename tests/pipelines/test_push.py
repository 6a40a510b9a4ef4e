"""A manifest on a hub: the dataset as it is now, all of it and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from huggingface_hub import close_session
from huggingface_hub import constants as hub_constants

from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.recipe import recipes
from preprocess.io import storage
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server
from tests.hub_server import HubServer

TOKEN = "hf_of_the_user"
REPO = "me/clips"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    videos.shots_video(folder / "film.mp4", seconds=(4,), openings=("cut",))
    config = replace(recipes.default(), scorers=(MotionScorer(),), rules=(Range(column="motion", min=0.1),))
    curate(os.fspath(folder / "film.mp4"), os.fspath(folder / "out"), config, engine="in-process")
    return folder / "out"


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    out = Path(shutil.copytree(made, tmp_path / "out"))
    for name in ("errors/trace.txt", "answers/a.parquet", "columns/c.parquet", "parts/p.parquet", "secret.txt"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("not for others")
    shutil.rmtree(out / "parts")
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(TOKEN) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_XET", True)  # another protocol for large files
        monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
        close_session()  # one of another test's may go by a proxy
        yield server


def dataset(out: Path) -> dict[str, bytes]:
    names = [
        f"{folder}/{path.name}" for folder in ("clips", "sources", "previews") for path in (out / folder).iterdir()
    ]
    return {name: (out / name).read_bytes() for name in (*names, "README.md", "run.json")}


def test_the_dataset_is_pushed_and_nothing_else(out: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", os.fspath(out), REPO]) == 0
    assert capsys.readouterr().out == f"{hub.url}/datasets/{REPO}\n"
    assert hub.private == {REPO: True}
    assert hub.repos[REPO] == dataset(out)
    assert TOKEN not in "".join(map(str, (hub.repos, hub.asked)))


def test_tables_that_have_changed_take_the_place_of_the_old_ones(out: Path, hub: HubServer) -> None:
    hub.repos[REPO] = {"notes.md": b"mine", ".gitattributes": b"", "clips/part-00000-0.parquet": b"old"}
    assert main(["push", os.fspath(out), REPO, "--public"]) == 0
    before = set(dataset(out))
    assert main(["decide", os.fspath(out), "--set", "rules.motion.min=1000"]) == 0
    assert main(["push", os.fspath(out), REPO]) == 0
    assert set(dataset(out)) != before
    assert hub.repos[REPO] == {"notes.md": b"mine", ".gitattributes": b""} | dataset(out)


def test_without_a_token_of_the_environment_nobody_is_asked(
    out: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)  # of somebody who has logged in
    monkeypatch.setattr(hub_constants, "HF_TOKEN_PATH", os.fspath(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN")
    assert main(["push", os.fspath(out), REPO]) == 1
    assert "HF_TOKEN" in capsys.readouterr().err
    assert not hub.asked


@pytest.mark.parametrize(("token", "repo"), [("hf_wrong", REPO), (TOKEN, "no/such/name")])
def test_what_the_hub_refuses_is_said_in_a_sentence(
    out: Path,
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: str,
    repo: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert main(["push", os.fspath(out), repo]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"push: {hub.url} does not take the dataset {repo!r}: ")
    assert said.count("\n") == 1
    assert token not in said


def test_a_link_of_a_strangers_manifest_is_not_followed(
    out: Path, hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "private.parquet").write_text("mine")
    (out / "previews" / "x.parquet").symlink_to(tmp_path / "private.parquet")
    assert main(["push", os.fspath(out), REPO]) == 1
    assert "is no ordinary file" in capsys.readouterr().err
    assert not hub.repos


def test_a_manifest_in_a_bucket_is_pushed_from_there(
    out: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with moto_server() as server:
        use_server(monkeypatch, server)
        bucket = f"{make_bucket('manifests')}/out"
        for name in (*dataset(out), "errors/trace.txt"):
            storage.write_atomic(f"{bucket}/{name}", (out / name).read_bytes())
        assert main(["push", bucket, REPO]) == 0
    assert set(hub.repos[REPO]) == set(dataset(out))
    tables = {name: data for name, data in dataset(out).items() if name.endswith(".parquet")}
    assert {name: hub.repos[REPO][name] for name in tables} == tables
