"""Ranks as processes of their own, forked from one that has imported torch: it takes longer than what tests train."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

PRELOADED = (
    "pytest",  # the main module, which each child imports anew
    "training.run.launch",
    "training.objectives.reward",
    "torch._dynamo",  # it and what follows are imported by a run, not before
    "torch.utils.tensorboard",
    "torch.distributed.checkpoint",
    "torch.distributed.fsdp",
    "boto3",
)
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(PRELOADED)
LEAVE_SECONDS = 30
"""What torchrun gives those that it told to end, too."""


def in_ranks(ranks: int, call: Callable[..., None], *arguments: Any, errors: Path | None = None) -> int:
    """`call(*arguments)` in so many processes with torchrun's variables, or in a plain one; the first bad exit code.

    As under torchrun, where one fails the others are told to end. Their standard error goes to the file `errors`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = {"WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free.getsockname()[1]}
    worlds = [{**where, "RANK": rank, "LOCAL_RANK": rank} if ranks > 1 else {} for rank in range(ranks)]
    environments = [{**os.environ, **{name: str(value) for name, value in world.items()}} for world in worlds]
    processes = [FORKED.Process(target=_rank, args=(each, errors, call, *arguments)) for each in environments]
    for process in processes:
        process.start()
    return _first_failure(processes)


def run_script(script: str, *arguments: str) -> None:
    """What `python -m SCRIPT ARGUMENT...` does."""
    sys.argv = [script, *arguments]
    runpy.run_module(script, run_name="__main__", alter_sys=True)


def _first_failure(processes: list[ForkServerProcess]) -> int:
    failed, left = 0, {process.sentinel: process for process in processes}
    while left:
        ended = wait(list(left), timeout=LEAVE_SECONDS if failed else None)
        for process in left.values() if not ended else ():
            process.kill()
        for process in [left.pop(each) for each in ended]:
            process.join()
            if process.exitcode and not failed:
                failed = process.exitcode
                for other in left.values():
                    other.terminate()
    return failed


def _rank(environment: Mapping[str, str], errors: Path | None, call: Callable[..., None], *arguments: Any) -> None:
    os.environ.clear()
    os.environ |= environment
    if errors is not None:
        with errors.open("a") as file:
            os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    call(*arguments)
