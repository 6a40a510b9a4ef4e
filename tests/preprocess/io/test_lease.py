"""In a bucket, too, one run at a time changes a manifest; a dead one holds nobody up, one that slept writes not on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from preprocess.io import lease, storage
from preprocess.io.hold import exclusive
from preprocess.io.lease import Lease
from tests.buckets import make_bucket, moto_server, use_server
from tests.preprocess.io.test_hold import HOLDER

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(params=["s3", "memory"])
def out(request: pytest.FixtureRequest, server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A storage with conditional writes, and one without."""
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.3)
    name = f"bucket-{uuid.uuid4().hex}"
    if request.param == "memory":
        return f"memory://{name}/out"
    use_server(monkeypatch, server)
    return f"{make_bucket(name)}/out"


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases die within a second."""
    for name, seconds in (("BEAT_SECONDS", 0.2), ("EXPIRY_SECONDS", 1.0), ("FRESH_SECONDS", 0.4)):
        monkeypatch.setattr(lease, name, seconds)


def from_elsewhere(out: str) -> None:
    """Let the lease that is there be another machine's."""
    found = storage.read_tagged(f"{out}/.lease")
    assert found is not None
    said = json.loads(found[0])
    said["process"]["machine"] = "another"
    storage.write_atomic(f"{out}/.lease", json.dumps(said).encode())


def test_who_comes_second_is_refused_and_after_the_first_it_is_free(out: str) -> None:
    with exclusive(out) as first:
        with pytest.raises(ValueError, match=rf"in use by another run \(process {os.getpid()} on .* since 20"):
            Lease(out)
        first.confirm()
    with exclusive(out):
        pass


def test_of_many_at_once_one_gets_it(out: str) -> None:
    held: list[Lease] = []
    refusals = 0
    with ThreadPoolExecutor(6) as pool:
        for claim in [pool.submit(Lease, out) for _ in range(6)]:
            try:
                held.append(claim.result())
            except ValueError:
                refusals += 1
    assert (len(held), refusals) == (1, 5)
    held[0].release()


def test_a_killed_run_of_this_machine_holds_nobody_up(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(monkeypatch, server)
    out = f"{make_bucket(f'bucket-{uuid.uuid4().hex}')}/out"
    with subprocess.Popen([sys.executable, "-c", HOLDER, out], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"in use by another run .process {first.pid} "):
            Lease(out)
        first.send_signal(signal.SIGKILL)
        while (Path("/proc") / str(first.pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        Lease(out).release()


def test_a_living_run_of_another_machine_is_seen_by_its_signs_of_life(
    out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    monkeypatch.setattr(lease, "EXPIRY_SECONDS", 60.0)
    with exclusive(out):
        monkeypatch.setattr(lease, "_is_here", lambda _said: False)
        with pytest.raises(ValueError, match="in use by another run"):
            Lease(out)


def test_a_dead_run_of_another_machine_is_taken_over_once_it_was_watched(
    out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 600.0)
    dead = Lease(out)
    from_elsewhere(out)
    heir = Lease(out)
    monkeypatch.setattr(lease, "FRESH_SECONDS", 0.0)
    heir.confirm()
    with pytest.raises(ValueError, match=r"was taken over by another run \(process .*run the same command again"):
        dead.confirm()
    with pytest.raises(ValueError, match="was taken over"):
        dead.check()
    dead.release()
    heir.confirm()
    heir.release()


@pytest.mark.parametrize("content", [b"no JSON", b"[1]", b'{"process": 7}'])
def test_a_strangers_object_in_its_place_is_watched_and_taken_over(
    out: str, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    quick(monkeypatch)
    storage.write_atomic(f"{out}/.lease", content)
    with exclusive(out) as hold:
        hold.confirm()


def test_a_bucket_that_is_not_there_is_said(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(monkeypatch, server)
    with pytest.raises(ValueError, match="nowhere"):  # noqa: SIM117
        with exclusive("s3://nowhere/out"):
            pass
