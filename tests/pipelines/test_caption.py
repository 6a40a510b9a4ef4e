"""Captions of a whole manifest over HTTP, from a real server with a tiny model, killed and started again meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.recipe.plugins import captioner_named, with_captioner
from preprocess.io.settings import override
from tests import videos
from tests.tiny_vlm import tiny_qwen2_vl
from tests.vlm_server import VlmServer, vlm_server

ROOT = Path(__file__).resolve().parents[2]
SMALL = "rules.short_side.min=none"
CONCURRENCY = 2
REQUESTS_A_CLIP = 2
"""The detailed and the short caption."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VlmServer]:
    folder = tmp_path_factory.mktemp("vlm") / "tiny"
    tiny_qwen2_vl(folder)
    with vlm_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    for name in ("a", "b", "c"):
        videos.shots_video(folder / f"{name}.mp4", seconds=(4, 4.5 + ord(name) % 3), openings=("cut",) * 2)
    return folder


@pytest.fixture
def manifest(bucket: Path, tmp_path: Path) -> Path:
    curate(os.fspath(bucket), os.fspath(tmp_path), override(recipes.default(), [SMALL]), engine="in-process")
    return tmp_path


def asking(server: VlmServer) -> list[str]:
    fields = {
        "base_url": server.base_url,
        "model": server.model,
        "num_frames": 2,
        "long_side": 56,
        "max_tokens": 12,
        "concurrency": CONCURRENCY,
        "patience_seconds": 600,
    }
    return [f"captioner.{name}={value}" for name, value in fields.items()]


def assert_all_described(out: Path) -> int:
    """Every kept clip has an answer of the model; returns how many there are."""
    clips = pd.read_parquet(out / "clips")
    kept = clips[clips["status"] == "kept"]
    assert len(kept) == 6
    assert set(kept["captioner"]) == {"openai_chat"}
    assert set(kept["caption_outcome"]) <= {"ok", "truncated", "repetitive", "refused", "empty"}
    assert kept["prompt_id"].str.startswith("detailed_v1@").all()
    return len(kept)


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=[pytest.mark.attack, pytest.mark.cluster])])
def test_curate_asks_the_server(bucket: Path, server: VlmServer, tmp_path: Path, engine: str) -> None:
    before = server.num_answers()
    config = override(with_captioner(recipes.default(), captioner_named("openai_chat")), [SMALL, *asking(server)])
    curate(os.fspath(bucket), os.fspath(tmp_path), config, engine=engine, workers=1)
    assert server.num_answers() - before == REQUESTS_A_CLIP * assert_all_described(tmp_path)


@pytest.mark.attack
def test_server_that_dies_and_comes_back_costs_no_caption(manifest: Path, server: VlmServer) -> None:
    before = server.num_answers()
    failures: list[BaseException] = []

    def caption() -> None:
        try:
            run_caption(os.fspath(manifest), captioner="openai_chat", assignments=asking(server), engine="local")
        except BaseException as error:  # pytest does not see a thread's error
            failures.append(error)

    run = threading.Thread(target=caption)
    run.start()
    while server.num_answers() - before < 3:
        assert run.is_alive(), failures
        time.sleep(0.01)
    server.kill()
    server.start()
    run.join()
    assert not failures
    asked = REQUESTS_A_CLIP * assert_all_described(manifest)
    # an answer on its way at the moment of the kill may be in the server's log and never have arrived
    assert asked <= server.num_answers() - before <= asked + CONCURRENCY


def test_run_that_is_killed_goes_on_with_the_captions_it_has(manifest: Path, server: VlmServer) -> None:
    settings = [part for each in asking(server) for part in ("--set", each)]
    command = [sys.executable, "-m", "pipelines", "caption", os.fspath(manifest), "--captioner", "openai_chat"]
    command += ["--engine", "local", *settings]
    before = server.num_answers()
    victim = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    while not list(manifest.glob("columns/*/*.parquet")):
        assert victim.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    stored = sum(len(pd.read_parquet(path)) for path in manifest.glob("columns/*/*.parquet"))
    between = server.num_answers()
    assert between - before >= REQUESTS_A_CLIP * stored
    subprocess.run(command, cwd=ROOT, check=True)
    asked = REQUESTS_A_CLIP * (assert_all_described(manifest) - stored)
    # the server may have been at requests of the killed run still
    assert asked <= server.num_answers() - between <= asked + CONCURRENCY
    assert not (manifest / "columns").exists() or not list((manifest / "columns").iterdir())


def test_captions_that_are_there_are_not_asked_for_again(manifest: Path, server: VlmServer) -> None:
    run_caption(os.fspath(manifest), captioner="openai_chat", assignments=asking(server), engine="in-process")
    before = server.num_answers()
    again = [*asking(server), "captioner.concurrency=1"]
    run_caption(os.fspath(manifest), captioner="openai_chat", assignments=again, engine="in-process")
    assert server.num_answers() == before
    again += ["captioner.num_frames=1"]
    run_caption(os.fspath(manifest), captioner="openai_chat", assignments=again, engine="in-process")
    assert server.num_answers() - before == REQUESTS_A_CLIP * assert_all_described(manifest)


def test_no_server_ends_the_run_at_once(manifest: Path) -> None:
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:9/v1.*captioner\.base_url"):
        run_caption(
            os.fspath(manifest),
            captioner="openai_chat",
            assignments=["captioner.base_url=http://127.0.0.1:9/v1"],
            engine="in-process",
        )
