"""A cluster is joined where one answers; one that is gone, or that hangs, is said to be, and not waited for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import ray

from cluster import connection, private, ray_insides

RAY = str(Path(sys.executable).with_name("ray"))


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, psutil.Process]]:
    """A cluster as `ray start` makes it, with a file in /tmp/ray that names it; its processes by name."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    command = [RAY, "start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false"]
    subprocess.run([*command, "--disable-usage-stats"], check=True, capture_output=True)
    ours = [each for each in psutil.process_iter(["exe", "cmdline"]) if _names(each, port)]
    yield {Path(each.info["exe"]).name: each for each in ours}
    ray.shutdown()
    for each in ours:
        with suppress(psutil.NoSuchProcess):
            for process in (*each.children(recursive=True), each):
                process.kill()


def _names(process: psutil.Process, port: int) -> bool:
    """Whether a command line has the head's port in it; other clusters' processes are not ours to end."""
    return any(word.startswith("--") and word.endswith(str(port)) for word in process.info["cmdline"] or ())


def place(address: str, folder: Path = Path()) -> connection.Place:
    return connection.Place(address=address, working_dir=os.fspath(folder), workers=1)


@pytest.mark.slow
@pytest.mark.cluster
def test_a_cluster_is_joined_while_it_answers(
    head: dict[str, psutil.Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "words.py").write_text("WORD = 'here'\n")
    (tmp_path / "runs [1]").mkdir()
    (tmp_path / "runs [1]" / "weights.bin").write_bytes(bytes(1000))
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 60.0)
    assert connection.cluster_is_running()
    assert connection.connect(place("auto", tmp_path))
    assert ray.get(ray.remote(num_cpus=0)(lambda: os.listdir()).remote()) == ["package"]
    ray.shutdown()

    head["gcs_server"].send_signal(signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr(connection, "ANSWER_SECONDS", 1.0)
        assert not connection.cluster_is_running()
    # Its node is stopped, or it would end with its head: Ray still finds the process, and the file.
    head["raylet"].send_signal(signal.SIGSTOP)
    head["gcs_server"].kill()
    head["gcs_server"].wait()
    assert not connection.cluster_is_running()
    with pytest.raises(ValueError, match=r":\d+: no Ray cluster answers there within 60 s \(UNAVAILABLE\)"):
        connection.connect(place("auto", tmp_path))


@pytest.mark.attack
@pytest.mark.cluster
def test_one_that_does_not_come_up_is_started_once_more() -> None:
    before = set(psutil.Process().children(recursive=True))
    with private.here() as folder:
        threading.Thread(target=stop_the_first, args=(folder,)).start()
        assert connection.connect(connection.Place(address=None, working_dir=str(Path.cwd()), workers=1, folder=folder))
        assert ray.get(ray.remote(num_cpus=1)(lambda: os.getpid()).remote()) != os.getpid()
        raylets = [node.process for node in ray_insides.nodes() if node.process in psutil.Process().children()]
        assert len(raylets) == 1
        ray.shutdown()
    assert not psutil.wait_procs(set(psutil.Process().children(recursive=True)) - before, timeout=60)[1]


def stop_the_first(folder: str) -> None:
    """Hold a raylet from its first breath."""
    while not (found := [node for node in ray_insides.nodes() if folder in str(node.current_cluster)]):
        time.sleep(0.01)
    found[0].process.suspend()


def test_an_address_where_no_cluster_is_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"{address}: no Ray cluster answers"):
            connection.connect(place(address))
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert connection.cluster_is_running()  # what was asked for is not silently replaced
        with pytest.raises(ValueError, match=f"{address}: no Ray cluster answers"):
            connection.connect(place("auto"))
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.5)
        taken.listen()  # takes calls and never answers
        with pytest.raises(ValueError, match=rf"{address}: .* within 0\.5 s"):
            connection.connect(place(address))
