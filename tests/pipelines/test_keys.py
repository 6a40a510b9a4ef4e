"""A key that workers ask a server with stands in no command line, in no log, and in nothing that Ray or we keep.

One in a file, on a cluster of others: `test_job_submit.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest

from tests import videos
from tests.answering_server import AnsweringServer, completion

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
    pytest.importorskip("openai")
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
