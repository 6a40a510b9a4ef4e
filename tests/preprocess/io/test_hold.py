"""One run at a time writes below a location, and taking hold of it harms nothing that a stranger put there."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from preprocess.io.hold import exclusive

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys, time
from preprocess.io.hold import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(location: str) -> subprocess.Popen[str]:
    """Another process that holds it."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, location], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_who_comes_second_is_told_who_was_first_and_a_kill_lets_go(tmp_path: Path) -> None:
    location = os.fspath(tmp_path / "out")
    with holder(location) as first:
        try:
            with pytest.raises(ValueError, match=rf"in use by another run \(process {first.pid} on .* since 20"):  # noqa: SIM117
                with exclusive(location):
                    pass
        finally:
            first.send_signal(signal.SIGKILL)
    with exclusive(location):
        pass
    assert (tmp_path / "out" / ".lock").read_text() == ""


def test_who_comes_before_the_first_has_said_its_name_waits_for_it(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.2, lambda: (lock.write("process 7"), lock.flush())).start()
        with pytest.raises(ValueError, match=r"in use by another run \(process 7\)"), exclusive(os.fspath(tmp_path)):
            pass


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "folder", "device"])
def test_a_lock_that_is_no_ordinary_file_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    lock, precious = tmp_path / ".lock", tmp_path / "precious"
    if kind != "dangling link":
        precious.write_text("precious")
    if kind == "fifo":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to("/dev/null" if kind == "device" else precious)
    with pytest.raises(ValueError, match="no ordinary file: remove it"):  # noqa: SIM117
        with exclusive(os.fspath(tmp_path)):
            pass
    assert precious.exists() == (kind != "dangling link")
    assert kind == "dangling link" or precious.read_text() == "precious"


def test_a_second_name_of_the_lock_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".lock").hardlink_to(tmp_path / "precious")
    with exclusive(os.fspath(tmp_path)):
        assert (tmp_path / "precious").read_text() == "precious"


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(_file: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with caplog.at_level(logging.WARNING, "clipmill"), exclusive(os.fspath(tmp_path)):
        assert "see that no other run uses it" in caplog.text


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ValueError, match="file' cannot be written to: File exists"):  # noqa: SIM117
        with exclusive(os.fspath(tmp_path / "file")):
            pass
