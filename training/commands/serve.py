"""`serve RUN`."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from preprocess.io.local_web import LOOPBACK
from training.run.config import Precision

HELP = "make videos on a page in a browser on this machine, or by HTTP: prompts, pictures, a queue, what was made"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("run_folder", metavar="RUN")
    out = "folder for what is made and uploaded (default: RUN/serve)"
    command.add_argument("--out", type=Path, metavar="FOLDER", help=out)
    loras = "folder of LoRA files to pick from: .safetensors with names of ours, PEFT, diffusers, ComfyUI or kohya"
    command.add_argument("--loras", type=Path, metavar="FOLDER", help=loras)
    where = "the address to listen at (default: %(default)s, which no other machine reaches)"
    command.add_argument("--host", default=LOOPBACK, metavar="ADDRESS", help=where)
    command.add_argument("--port", type=int, default=0, help="default: any that is free")
    command.add_argument("--open", action="store_true", help="open it in your browser, too")
    how = "of weights and computation (default: as the run was trained; on a CPU fp32)"
    command.add_argument("--precision", choices=get_args(Precision), help=how)
    blocks = "have the transformer's blocks on the GPU only while they compute"
    command.add_argument("--offload", action="store_true", help=blocks)


def run(options: argparse.Namespace) -> None:
    """Serve until it is stopped."""
    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise ValueError(f"{' and '.join(missing)} missing: pip install -e '.[serve]'")
    from training.serve.run import serve

    serve(
        options.run_folder,
        out=options.out,
        host=options.host,
        port=options.port,
        opened=options.open,
        loras=options.loras,
        precision=options.precision,
        offload=options.offload,
    )
