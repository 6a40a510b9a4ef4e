"""The local engine's child is replaced when it dies, says what it has to say, and never outlives its parent."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from cluster.local_engine import LocalEngine
from cluster.stage import Stage

ROOT = Path(__file__).resolve().parents[2]


class Doomed(Stage):
    """Dies of an item as native code does, so many times; a folder remembers."""

    name = "doomed"

    def __init__(self, marks: Path, deaths: int, how: str) -> None:
        self.marks, self.deaths, self.how = marks, deaths, how

    def process(self, items: Sequence[int]) -> Iterator[int]:
        for item in items:
            if item == 3 and len(list(self.marks.iterdir())) < self.deaths:
                (self.marks / str(time.monotonic_ns())).touch()
                if self.how == "segfault":
                    ctypes.string_at(0)
                os.kill(os.getpid(), signal.SIGKILL)
            yield item * 10


class Talker(Stage):
    name = "talker"

    def process(self, items: Sequence[int]) -> Sequence[int]:
        logging.getLogger("clipmill").warning("item %d", items[0])
        logging.getLogger("clipmill").debug("not asked for")
        return items


class OddError(Exception):
    """Does not travel: it takes two arguments and keeps one."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one)


class Broken(Stage):
    name = "broken"

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def process(self, items: Sequence[int]) -> Sequence[int]:
        raise self.error(*["a bug"] * (1 + (self.error is OddError)))


class Unready(Stage):
    name = "unready"

    def setup(self) -> None:
        os._exit(7)

    def process(self, items: Sequence[int]) -> Sequence[int]:
        return items


class Sleeper(Stage):
    name = "sleeper"

    def process(self, items: Sequence[int]) -> Sequence[int]:
        print(os.getpid(), flush=True)
        ctypes.PyDLL(None).sleep(600)  # it holds the interpreter
        return items


@pytest.mark.parametrize("how", ["kill", "segfault"])
def test_who_dies_is_replaced_and_the_item_given_again(tmp_path: Path, how: str) -> None:
    assert list(LocalEngine().run([Doomed(tmp_path, 2, how)], range(5))) == [0, 10, 20, 30, 40]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_logged_comes_out_where_it_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    assert list(LocalEngine().run([Talker()], [1, 2])) == [1, 2]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "item 1"),
        ("WARNING", "item 2"),
    ]


@pytest.mark.parametrize(("error", "raised"), [(KeyError, KeyError), (OddError, RuntimeError)])
def test_an_error_comes_out_with_its_traceback(error: type[Exception], raised: type[Exception]) -> None:
    with pytest.raises(raised, match="a bug") as caught:
        list(LocalEngine().run([Broken(error)], [1]))
    assert "in process" in "".join(caught.value.__notes__)


def test_who_cannot_start_ends_the_run() -> None:
    with pytest.raises(RuntimeError, match="dies again and again, at last with status 7"):
        list(LocalEngine().run([Unready()], [1]))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_child_never_outlives_its_parent(number: int) -> None:
    # what a shell starts in the background is born deaf to Ctrl-C
    hear = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"from tests.cluster.test_local_engine import *; {hear}; list(LocalEngine().run([Sleeper()], [1]))"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(number)
        assert parent.wait() != 0
    child.wait()
    assert not child.is_running()
