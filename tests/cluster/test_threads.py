"""Who works on one core starts no threads for small products (a worker neither: `test_private.py`); who trains keeps
the library's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blas import blas_threads

ROOT = Path(__file__).resolve().parents[2]
CORES = os.cpu_count() or 1
pytestmark = pytest.mark.skipif(blas_threads() is None, reason="numpy came without OpenBLAS")


@pytest.mark.parametrize(("package", "threads"), [("pipelines", 1), ("training", CORES)])
def test_a_command_that_works_in_its_own_process_starts_none_but_training_does(package: str, threads: int) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{package!r}, '--help']\n"
        f"try: runpy.run_module({package!r}, run_name='__main__', alter_sys=True)\n"
        "except SystemExit: pass\n"
        "from tests.blas import blas_threads; print(blas_threads(), file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert int(done.stderr.split()[-1]) == threads
