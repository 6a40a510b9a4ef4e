"""Networks in ONNX on one core, of which nobody is told."""

from __future__ import annotations

import os
from typing import Any

# From 1.29 on onnxruntime reports to its maker, and keeps a file that knows the machine again, unless this stands when
# it is loaded, by whomever.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def session(model: bytes | str) -> Any:
    """A model, or the file that holds it, ready to run on one thread (one worker runs per core), silent."""
    # Imported here, so that naming a scorer in a recipe does not load onnxruntime.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
