"""What kills a worker is found among its neighbours in a few deaths, and left out; the rest is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.clips.attempts import ATTEMPTS, KILLER, Attempts, Verdict
from pipelines.clips.faults import Faults
from pipelines.clips.stages import Measured, WriteStage
from preprocess.units import WorkUnit


class Death(BaseException):
    """As sudden as a signal, but that a test survives it."""


def given_up(letters: str, verdict: Verdict) -> str:
    assert verdict.reason == KILLER
    return letters.upper()


def survived(attempts: Attempts, work: str, deadly: str, deaths: int = 0) -> tuple[list[str], int]:
    """What comes of the letters of `work`, in capitals where they were given up, and how many workers it took."""

    def do(letters: str) -> str:
        if set(letters) & set(deadly):
            raise Death
        return letters

    while deaths < 50:
        try:
            return attempts.run(work, name=str, pieces=list, do=do, give_up=given_up), deaths
        except Death:
            deaths += 1
    raise AssertionError("it never ends")


def test_deadly_one_is_found_among_its_neighbours(tmp_path: Path) -> None:
    attempts = Attempts(str(tmp_path))
    assert survived(attempts, "abcd", "c") == (["a", "b", "C", "d"], 1 + ATTEMPTS)
    assert survived(attempts, "efgh", "fh") == (["e", "F", "g", "H"], 1 + 2 * ATTEMPTS)
    assert survived(attempts, "x", "x") == (["X"], ATTEMPTS)


def test_what_harms_nobody_is_done_whole_and_leaves_no_mark(tmp_path: Path) -> None:
    assert survived(Attempts(str(tmp_path)), "abcd", "") == (["abcd"], 0)
    assert not list(tmp_path.iterdir())


def test_what_was_given_up_is_given_up_at_once_in_the_same_run(tmp_path: Path) -> None:
    survived(Attempts(str(tmp_path)), "abcd", "c")
    assert survived(Attempts(str(tmp_path)), "abcd", "c") == (["a", "b", "C", "d"], 0)
    assert survived(Attempts(str(tmp_path / "another run")), "abcd", "c")[1] == 1 + ATTEMPTS


def test_nothing_is_counted_where_nobody_replaces_workers() -> None:
    attempts = Attempts(None)
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(Death):
            attempts.run("a", name=str, pieces=list, do=_die, give_up=given_up)


def _die(work: str) -> str:
    raise Death


class FailingSink:
    """Storage that is out of reach the first few times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.written: list[str] = []

    def write(self, measured: Measured) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("503")
        self.written.append(measured.unit.unit_id)


def test_a_result_is_stored_once_storage_answers_again() -> None:
    sink, measured = FailingSink(ATTEMPTS - 1), Measured(unit=WorkUnit(spans=()), spans=[])
    [summary] = WriteStage(sink, Faults(out=None)).process([measured])
    assert sink.written == [measured.unit.unit_id] == [summary.unit_id]


def test_storage_that_stays_away_stops_the_run() -> None:
    sink = FailingSink(ATTEMPTS)
    with pytest.raises(OSError, match="503"):
        list(WriteStage(sink, Faults(out=None)).process([Measured(unit=WorkUnit(spans=()), spans=[])]))
    assert not sink.written
