"""The tiny run, where the disk of the second rank is slow: `python -m tests.training.slow_disk_run OUT SETTING...`."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter

from tests.training.tiny_run import tiny_config
from training.run.launch import train

write = HuggingFaceStorageWriter.write_data


def write_slowly(self: HuggingFaceStorageWriter, *what: Any) -> Any:
    time.sleep(0.5 * int(os.environ["RANK"]))
    return write(self, *what)


if __name__ == "__main__":
    HuggingFaceStorageWriter.write_data = write_slowly  # type: ignore[method-assign]
    train(tiny_config(sys.argv[1], *sys.argv[2:]))
