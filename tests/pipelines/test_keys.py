"""A key that workers ask a server with stands in no command line, in no log, and in nothing that Ray or we keep."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("openai")

from tests import videos
from tests.answering_server import AnsweringServer, completion
from tests.pipelines.test_job_submit import cluster, submit

__all__ = ["cluster"]

ROOT = Path(__file__).resolve().parents[2]
KEY = f"sk-{uuid.uuid4().hex}"  # in no file, this one included: the cluster is sent it


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    videos.shots_video(tmp_path / "in" / "film.mp4", seconds=(4, 5), openings=("cut",) * 2)
    return tmp_path / "in"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Ray's sockets want a short path."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


def command_lines() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield process.read_bytes().replace(b"\0", b" ").decode(errors="replace")


@contextmanager
def watched(folder: Path | None = None) -> Iterator[list[str]]:
    """Command lines of all processes, and files in a folder that the run may sweep when it ends, with the key in them:
    looked for again and again."""
    seen: list[str] = []
    ended = threading.Event()
    logs = 0

    def watch() -> None:
        nonlocal logs
        while not ended.wait(0.2):
            seen.extend(line for line in command_lines() if KEY in line)
            for path in [] if folder is None else list(folder.rglob("*")):
                with suppress(OSError):
                    if path.is_file() and not path.is_symlink():
                        logs += path.suffix in (".log", ".out", ".err")
                        seen.extend([os.fspath(path)] * (KEY.encode() in path.read_bytes()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
    assert logs or folder is None, f"no log was ever in {folder}"


def files_with_key(*folders: Path) -> list[Path]:
    found = []
    for folder in folders:
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert files, f"nothing in {folder}"
        found += [path for path in files if KEY.encode() in path.read_bytes()]
    return found


def asking(films: Path, out: Path, server: AnsweringServer) -> list[str]:
    settings = ["rules.short_side.min=none", f"captioner.base_url={server.url}", "captioner.num_frames=1"]
    options = [part for each in settings for part in ("--set", each)]
    return ["curate", os.fspath(films), os.fspath(out), "--captioner", "openai_chat", *options]


@pytest.mark.slow
@pytest.mark.cluster
def test_a_key_in_the_environment_is_seen_by_the_server_alone(films: Path, tmp_path: Path, temporary: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"OPENAI_API_KEY": KEY, "RAY_TMPDIR": os.fspath(temporary)}
    echo = completion(f"A sign reads {KEY}.")
    with AnsweringServer(answer=lambda _: echo) as server, watched(temporary) as seen:
        command = [sys.executable, "-m", "pipelines", *asking(films, tmp_path / "out", server)]
        command += ["--engine", "ray", "--workers", "1"]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert server.keys == {f"Bearer {KEY}"}
    captions = pd.read_parquet(tmp_path / "out" / "clips")["caption"]
    assert captions.str.startswith("A sign reads").all()
    assert KEY not in done.stdout + done.stderr
    assert not seen
    assert files_with_key(tmp_path / "out") == []


def session_folder(port: str) -> Path:
    """Of the cluster whose dashboard has that port."""
    for line in command_lines():
        arguments = line.split()
        if f"--port={port}" in arguments:
            [folder] = [each.partition("=")[2] for each in arguments if each.startswith("--session-dir=")]
            return Path(folder)
    raise AssertionError("no such cluster")


@pytest.mark.slow
@pytest.mark.cluster
def test_a_key_in_a_file_is_shown_to_nobody_who_may_use_the_cluster(
    films: Path,
    tmp_path: Path,
    cluster: dict[str, str],
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "key").chmod(0o600)
    address = cluster["RAY_API_SERVER_ADDRESS"]
    with AnsweringServer() as server, watched() as seen:
        command = [*asking(films, tmp_path / "out", server), "--set", f"captioner.key_file={tmp_path / 'key'}"]
        done = submit(cluster, f"ray job submit --working-dir . -- python -m pipelines {shlex.join(command)}")
        assert done.returncode == 0, done.stdout + done.stderr
    assert server.keys == {f"Bearer {KEY}"}
    assert pd.read_parquet(tmp_path / "out" / "clips")["caption"].notna().all()
    token = (Path(cluster["HOME"]) / ".ray" / "auth_token").read_text().strip()
    request = urllib.request.Request(f"{address}/api/jobs/", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        jobs = answer.read().decode()
    assert "openai_chat" in jobs
    assert KEY not in jobs + done.stdout + done.stderr
    assert not seen
    assert files_with_key(session_folder(address.rpartition(":")[2]), tmp_path / "out") == []
