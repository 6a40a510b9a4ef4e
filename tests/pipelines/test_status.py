"""A run is seen from a second process, whatever becomes of it, and nothing about being seen disturbs it."""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.curate import curate
from pipelines.filter import run_filter
from pipelines.heartbeat import heartbeat
from pipelines.recipe import recipes
from pipelines.run_status import STALE_SECONDS, RunStatus, now, read_status
from pipelines.status import print_status, status
from preprocess.io.settings import override
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server

ROOT = Path(__file__).resolve().parents[2]
SMALL = "rules.short_side.min=none"
QUICK_BEATS = "import sys, pipelines.heartbeat as h; h.BEAT_SECONDS = 0.1; from pipelines.__main__ import main; "


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in range(6):
        lengths = (4, 4 + number / 4)
        videos.shots_video(folder / f"{number}.mp4", seconds=lengths, openings=("cut", "cut"))
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder


@pytest.mark.slow
def test_a_run_is_seen_while_it_goes_on_after_a_kill_and_at_its_end(films: Path, tmp_path: Path) -> None:
    out = os.fspath(tmp_path / "out")
    command = ["curate", os.fspath(films), out, "--engine", "local", "--set", SMALL]
    run = subprocess.Popen([sys.executable, "-c", f"{QUICK_BEATS}sys.exit(main(sys.argv[1:]))", *command], cwd=ROOT)
    while (seen := read_status(out)) is None or not seen.units_done:
        assert run.poll() is None, "it ended unseen"
        time.sleep(0.05)
    found = status(out).run
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert found is not None
    assert (found.state, found.process, found.files_all, found.units_all) == ("running", run.pid, 7, 7)
    assert found.share_done is not None
    assert 0 < found.share_done < 1
    assert found.seconds_left

    left = read_status(out)
    assert left is not None
    assert not left.seems_dead(now())
    later = now() + datetime.timedelta(seconds=STALE_SECONDS + 1)
    assert left.seems_dead(later), "it still says that it runs, and says nothing more"

    again = subprocess.run([sys.executable, "-m", "pipelines", *command], cwd=ROOT, check=True, capture_output=True)
    assert b"clips kept" in again.stdout
    ended = status(out)
    assert ended.run is not None
    assert (ended.run.state, ended.run.files_all, ended.parts) == ("finished", 7, 0)
    assert ended.run.files_waiting is not None
    assert ended.run.files_waiting < 7, "the new run replaced the old one's words"
    assert ended.tables is not None
    assert ended.tables.sources == {"ok": 6, "failed": 1}
    assert ended.tables.failures == {"not_a_video": 1}
    assert not list(Path(out).glob(".*.tmp"))


def test_a_run_into_a_bucket_is_seen_there(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as address:
        use_server(monkeypatch, address)
        out = f"{make_bucket('curated')}/out"
        command = ["curate", os.fspath(films), out, "--engine", "local", "--set", SMALL]
        run = subprocess.Popen([sys.executable, "-c", f"{QUICK_BEATS}sys.exit(main(sys.argv[1:]))", *command], cwd=ROOT)
        while (seen := read_status(out)) is None or not seen.units_done:
            assert run.poll() is None, "it ended unseen"
            time.sleep(0.05)
        assert seen.state == "running"
        assert run.wait() == 0
        ended = status(out)
        assert ended.run is not None
        assert (ended.run.state, ended.run.units_done) == ("finished", 7)
        assert ended.tables is not None
        assert ended.tables.sources == {"ok": 6, "failed": 1}

        nowhere = [sys.executable, "-m", "pipelines", "status", "s3://nowhere/out"]
        refused = subprocess.run(nowhere, cwd=ROOT, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert re.fullmatch("status: s3://nowhere.*bucket.*\n", refused.stderr), "a sentence and no traceback"


def test_filter_tells_of_itself_and_people_can_read_it(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = os.fspath(tmp_path / "out")
    curate(os.fspath(films / "1.mp4"), out, override(recipes.default(), [SMALL]), engine="in-process")
    run_filter("motion", out, engine="in-process")
    print_status(out, as_json=False)
    said = capsys.readouterr().out
    assert "filter motion: finished at" in said
    assert "100%: 1 of 1 units" in said
    assert "tables: 1 ok sources; 2 clips, 2 kept" in said
    print_status(out, as_json=True)
    assert json.loads(capsys.readouterr().out)["run"]["units_done"] == 1

    (tmp_path / "out" / "status.json").unlink()
    print_status(out, as_json=False)
    assert "tables: 1 ok sources" in capsys.readouterr().out, "a manifest from before"


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (KeyboardInterrupt(), "stopped", None),
        (ValueError("no\nsuch bucket"), "failed", "ValueError: no such bucket"),
    ],
)
def test_how_a_run_ended_is_said(error: BaseException, state: str, reason: str | None, tmp_path: Path) -> None:
    with pytest.raises(type(error)), heartbeat(os.fspath(tmp_path), command="curate"):
        raise error
    said = read_status(os.fspath(tmp_path))
    assert said is not None
    assert (said.state, said.reason) == (state, reason)


def test_a_status_that_cannot_be_written_ends_no_run(
    films: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    (out / "status.json").mkdir(parents=True)
    curate(os.fspath(films / "1.mp4"), os.fspath(out), override(recipes.default(), [SMALL]), engine="in-process")
    assert [line for line in caplog.messages if "status.json cannot be written" in line]
    found = status(os.fspath(out))
    assert found.run is None
    assert found.tables is not None


@pytest.mark.parametrize(
    "said",
    [b"", b"[]", b"{}", b"[" * 100_000, b'{"command": 1}', b"\xff"],
)
def test_a_strangers_status_says_nothing(said: bytes, tmp_path: Path) -> None:
    (tmp_path / "status.json").write_bytes(said)
    assert read_status(os.fspath(tmp_path)) is None
    with pytest.raises(ValueError, match="no run has begun"):
        status(os.fspath(tmp_path))


@pytest.mark.parametrize("change", [{"bytes_all": "many"}, {"units_all": -1}, {"state": "odd"}, {"beat": "2026-01-01"}])
def test_only_what_can_be_computed_with_is_read(change: dict[str, object]) -> None:
    status = RunStatus(command="curate", host="h", process=1, began=now().isoformat(), beat=now().isoformat())
    assert RunStatus.of(status.packed()) == status
    assert RunStatus.of(json.dumps(json.loads(status.packed()) | change).encode()) is None


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run has begun there"):
        status(os.fspath(tmp_path / "nothing"))
