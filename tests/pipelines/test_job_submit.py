"""The production form of the command, on a real one-node cluster with token authentication, as docs/cluster.md says."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from pipelines.__main__ import parser
from tests import videos
from tests.answering_server import AnsweringServer
from tests.pipelines.test_keys import KEY, asking, command_lines, files_with_key, films, watched

__all__ = ["films"]

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a client of a cluster that these tests start and stop."""
    folder = tmp_path_factory.mktemp("cluster")
    home = folder / "home"
    home.mkdir()
    bin_folder = Path(sys.executable).parent
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"HOME": os.fspath(home), "PATH": f"{bin_folder}:{env['PATH']}", "RAY_AUTH_MODE": "token"}
    subprocess.run(["ray", "get-auth-token", "--generate"], env=env, check=True, stdout=subprocess.DEVNULL)
    start = ["ray", "start", "--head", "--block", "--num-cpus=2", f"--port={free_port()}", f"--dashboard-port={port}"]
    # the job agent has a fixed port, which a local cluster in this very process may hold
    start += [f"--dashboard-agent-listen-port={free_port()}", f"--dashboard-agent-grpc-port={free_port()}"]
    metrics = free_port()
    start += [f"--metrics-export-port={metrics}"]
    with (folder / "ray.log").open("w") as log:
        head = subprocess.Popen(
            [*start, "--disable-usage-stats"], env=env, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/version", head)
        yield env | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}", "METRICS_PORT": str(metrics)}
    finally:
        family = psutil.Process(head.pid).children(recursive=True)
        head.kill()  # told to end, it takes half a minute
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        head.wait()
        psutil.wait_procs(family, timeout=60)


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


def written_lines() -> list[str]:
    """What docs/cluster.md says to type, one command a line."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8").replace("\\\n", "")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("ray job submit")]


def submit(env: dict[str, str], line: str) -> subprocess.CompletedProcess[str]:
    while True:
        done = subprocess.run(line, shell=True, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if "No available agent" not in done.stdout + done.stderr:  # the head answers before its job agent is up
            return done
        time.sleep(2)


def metrics(env: dict[str, str]) -> dict[str, float]:
    """Our series as Prometheus would get them, summed over the workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{env['METRICS_PORT']}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    sums: dict[str, float] = {}
    for line in lines:
        if match := re.fullmatch(r"ray_clipmill_(\w+)_total\{(.*)\} (\S+)", line):
            name, labels, value = match.groups()
            own = re.findall(r'(?:^|,)((?:stage|status|reason)="[^"]*")', labels)
            key = ", ".join([name, *own]).replace('"', "")
            sums[key] = sums.get(key, 0.0) + float(value)
    return sums


@pytest.mark.slow
@pytest.mark.cluster
def test_submitted_job_writes_the_manifest(cluster: dict[str, str], tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    videos.shots_video(source / "film.mp4", seconds=(4, 5), openings=("cut", "cut"))
    (source / "broken.mp4").write_bytes(b"no film")
    curate, status = [line for line in written_lines() if "/data/out" in line and "--runtime-env" not in line]
    curate, status = (
        line.replace("/data/films", shlex.quote(os.fspath(source))).replace("/data/out", shlex.quote(os.fspath(out)))
        for line in (curate, status)
    )
    done = submit(cluster, f"{curate} --set rules.short_side.min=none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    assert "clips kept" in done.stdout
    assert (pd.read_parquet(out / "clips")["status"] == "kept").sum() == 2

    while (said := metrics(cluster)).get("units") != 2:  # workers tell every few seconds
        time.sleep(1)
    assert said.pop("stage_seconds, stage=measure") > 0
    assert {name: value for name, value in said.items() if "stage" not in name} == {
        "units": 2,
        "video_seconds": 9,
        "clips, status=kept": 2,
        "failed_sources, reason=not_a_video": 1,
    }

    asked = submit(cluster, status)
    assert "curate: finished at" in asked.stdout, asked.stdout + asked.stderr

    refused = submit(cluster, curate.replace(os.fspath(out), "out"))
    assert refused.returncode == 1
    assert "absolute path or a URI" in refused.stdout
    assert "exit code 1" in refused.stdout

    without_token = {name: value for name, value in cluster.items() if name != "RAY_AUTH_MODE"} | {"HOME": "/nowhere"}
    assert submit(without_token, status).returncode != 0


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
    films: Path, tmp_path: Path, cluster: dict[str, str]
) -> None:
    pytest.importorskip("openai")
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


def test_every_line_that_is_written_is_a_command_of_ours() -> None:
    lines = written_lines()
    assert len(lines) >= 5
    for line in lines:
        submission, _, command = line.partition(" -- python -m pipelines ")
        parser().parse_args(shlex.split(command))
        files = [word for word in shlex.split(submission) if "/" in word]
        assert all((ROOT / file).exists() for file in files), line
