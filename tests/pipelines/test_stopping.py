"""Ctrl-C and SIGTERM end a command in every state, with a sentence, and leave nobody behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from preprocess.io.hold import exclusive
from tests import videos

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--set", "rules.short_side.min=none")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    for number in range(3):
        videos.shots_video(folder / f"{number}.mp4", seconds=(4, 5), openings=("cut", "cut"))
    return folder


@pytest.fixture
def mute() -> Iterator[str]:
    """A port that takes calls and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def run(*arguments: object, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines", *map(str, arguments)]
    environment = os.environ | {"RAY_ADDRESS": "local"} | variables
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def stop(process: subprocess.Popen[str], number: int, *, once: Callable[[], bool]) -> str:
    """What a command says that is stopped in a certain state; it must end in time, all its processes with it."""
    while not once():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    told = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate()
    assert time.monotonic() - told < 10  # the promise itself; its own clock ends the process after 6
    assert process.returncode == 128 + number, said
    assert "run the same command again to resume" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(family, timeout=30)[1]
    return said


def has(process: subprocess.Popen[str], name: str) -> bool:
    return any(child.name().startswith(name) for child in psutil.Process(process.pid).children(recursive=True))


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize(
    ("number", "state"),
    [(signal.SIGINT, "raylet"), pytest.param(signal.SIGTERM, "ray::MapWorker", marks=pytest.mark.attack)],
)
def test_while_a_cluster_starts_and_while_it_works(bucket: Path, tmp_path: Path, number: int, state: str) -> None:
    process = run("curate", bucket, tmp_path / "out", "--engine", "ray", *SMALL, TMPDIR=str(tmp_path))
    stop(process, number, once=lambda: has(process, state))
    assert not list(tmp_path.glob("clipmill-*"))  # sockets and logs of its cluster
    with exclusive(str(tmp_path / "out")):
        pass


@pytest.mark.slow
@pytest.mark.cluster
def test_who_is_killed_leaves_neither_processes_nor_files(bucket: Path, tmp_path: Path) -> None:
    process = run("curate", bucket, tmp_path / "out", "--engine", "ray", *SMALL, TMPDIR=str(tmp_path))
    while not has(process, "raylet"):
        assert process.poll() is None
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert not psutil.wait_procs(family, timeout=60)[1]
    assert not list(tmp_path.glob("clipmill-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_a_cluster_or_a_server_does_not_answer(bucket: Path, tmp_path: Path, mute: str, number: int) -> None:
    process = run("curate", bucket, tmp_path / "out", "--engine", "ray", *SMALL, RAY_ADDRESS=mute)
    stop(process, number, once=lambda: (tmp_path / "out" / "run.json").exists())
    server = ("--captioner", "openai_chat", "--set", f"captioner.base_url=http://{mute}/v1")
    process = run("curate", bucket, tmp_path / "other", "--engine", "local", *server)
    stop(process, number, once=lambda: bool(psutil.Process(process.pid).net_connections()))


STUCK = """
import ctypes, sys, time
import pipelines.stopping
from pipelines.log_lines import start_log
start_log(as_json=False)
pipelines.stopping.SECONDS = {patience}
def swallow_once():
    try: print(flush=True); time.sleep(60)
    except KeyboardInterrupt: pass
    time.sleep(60)
def native():
    lock = ctypes.create_string_buffer(64)
    take = ctypes.CDLL(None).pthread_mutex_lock  # twice never comes back, and no signal interrupts it
    take(lock); print(flush=True); take(lock)
with pipelines.stopping.Stopping("curate") as stopping:
    try: {state}()
    except KeyboardInterrupt: sys.exit(stopping.told())
"""


@pytest.mark.parametrize("state", ["swallow_once", "native"])
def test_whoever_swallows_an_interruption_or_hears_none(state: str) -> None:
    stop(stuck(state), signal.SIGINT, once=lambda: True)


def test_the_second_signal_ends_at_once() -> None:
    process = stuck("native", patience="600")
    process.send_signal(signal.SIGTERM)
    time.sleep(1.5)  # sooner would be the same wish
    stop(process, signal.SIGTERM, once=lambda: True)


def stuck(state: str, *, patience: str = "pipelines.stopping.SECONDS") -> subprocess.Popen[str]:
    code = STUCK.format(state=state, patience=patience)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **pipes)
    assert process.stdout is not None
    process.stdout.readline()
    return process
