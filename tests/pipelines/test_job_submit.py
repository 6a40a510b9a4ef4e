"""The production form of the command, on a real one-node cluster with token authentication, as docs/cluster.md says."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests import videos

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment of a client of a cluster that this test starts and stops."""
    home = tmp_path / "home"
    home.mkdir()
    bin_folder = Path(sys.executable).parent
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"HOME": os.fspath(home), "PATH": f"{bin_folder}:{env['PATH']}", "RAY_AUTH_MODE": "token"}
    subprocess.run(["ray", "get-auth-token", "--generate"], env=env, check=True, stdout=subprocess.DEVNULL)
    start = ["ray", "start", "--head", "--block", "--num-cpus=2", f"--port={free_port()}", f"--dashboard-port={port}"]
    # the job agent has a fixed port, which a local cluster in this very process may hold
    start += [f"--dashboard-agent-listen-port={free_port()}", f"--dashboard-agent-grpc-port={free_port()}"]
    with (tmp_path / "ray.log").open("w") as log:
        head = subprocess.Popen(
            [*start, "--disable-usage-stats"], env=env, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/version", head)
        yield env | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}"}
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        try:
            head.wait(120)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while True:
        assert process.poll() is None, "the cluster ended"
        try:
            urllib.request.urlopen(url, timeout=60)
        except urllib.error.HTTPError:  # it answers: 401, since this asks without the token
            return
        except OSError:
            time.sleep(0.5)
        else:
            return


def submit(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["ray", "job", "submit", "--working-dir", ".", "--", "python", "-m", "pipelines", *arguments]
    while True:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if "No available agent" not in done.stdout + done.stderr:  # the head answers before its job agent is up
            return done
        time.sleep(2)


@pytest.mark.slow
@pytest.mark.cluster
def test_submitted_job_writes_the_manifest(cluster: dict[str, str], tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    videos.shots_video(source / "film.mp4", seconds=(4, 5), openings=("cut", "cut"))
    place = (os.fspath(source), os.fspath(out))
    done = submit(cluster, "curate", *place, "--set", "rules.short_side.min=none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    assert "clips kept" in done.stdout
    assert (pd.read_parquet(out / "clips")["status"] == "kept").sum() == 2

    refused = submit(cluster, "curate", "in", os.fspath(out))
    assert refused.returncode != 0
    assert "absolute path or a URI" in refused.stdout

    without_token = {name: value for name, value in cluster.items() if name != "RAY_AUTH_MODE"} | {"HOME": "/nowhere"}
    assert submit(without_token, "plan", place[0]).returncode != 0
