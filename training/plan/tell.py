"""What `python -m training plan` says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from preprocess.io.settings import override
from training.plan.advice import Tried, tried
from training.run.config import TrainConfig
from training.run.metrics import PEAK_TFLOPS

RESERVED = 2e9
"""Bytes of a GPU that are left to CUDA, NCCL and gaps between blocks of memory; assumed, not measured."""
_WORK = ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"))
_UNITS = {"GB": 1e9, "GIB": 2.0**30, "MB": 1e6, "MIB": 2.0**20, "": 1.0}


def bytes_of(text: str) -> float:
    """`80GB` as bytes.

    Raises:
        ValueError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if found is None or found[2].upper() not in _UNITS or not float(found[1]):
        raise ValueError(f"--memory {text}: expected a size, such as 80GB or 24GiB")
    return float(found[1]) * _UNITS[found[2].upper()]


def told(config: TrainConfig, *, gpus: int, memory: float, device: str, mfu: float) -> Iterator[str]:
    """Lines for the reader, each as soon as it is known.

    Args:
        config: the recipe.
        gpus: ranks, each with a GPU.
        memory: bytes of a GPU.
        device: whose peak the time is told by, one of `PEAK_TFLOPS`.
        mfu: the share of it that is reached.
    """
    usable = memory - RESERVED
    attempts = tried(config, gpus=gpus, memory=usable)
    first = last = next(attempts)
    yield from _first_lines(config, first)
    yield f"  {'together, at the peak':36}{_gigabytes(first.estimate.total)}"
    fits = first.estimate.total <= usable
    left = f"{_gigabytes(memory).strip()}, of which {_gigabytes(RESERVED).strip()} are left to CUDA"
    if first.estimate.host:
        yield f"  {'in host memory, beside':36}{_gigabytes(first.estimate.host)}"
    yield f"{'fits' if fits else 'does not fit'} into {left}"
    yield _time(config, first, device=device, mfu=mfu)
    if fits:
        return
    yield ""
    yield "what makes it fit, one after the other:"
    for last in attempts:
        change = f"--set {last.settings[-1]}" if last.gpus == gpus else f"--gpus {last.gpus}"
        verdict = "fits" if last.estimate.total <= usable else "not yet"
        yield f"  {change:48}{_gigabytes(last.estimate.total)}  {verdict}"
    if last.estimate.total > usable:
        yield "nothing does: smaller samples (data.sampler.max_side, max_frames, budget_tokens) would"
        return
    settings = " ".join(f"--set {setting}" for setting in last.settings)
    yield f"so: {last.gpus} GPU{'s' if last.gpus > 1 else ''} {settings}".rstrip()
    yield _time(override(config, last.settings), last, device=device, mfu=mfu)


def _first_lines(config: TrainConfig, first: Tried) -> Iterator[str]:
    made = first.estimate
    shape = f"{made.shape.frames}x{made.shape.height}x{made.shape.width}"
    trainer = config.trainer
    yield f"{config.name}: {made.trained:,} weights learn"
    yield (
        f"a rank's fullest micro-step: {made.samples} x {shape} ({made.samples * made.tokens:,} tokens); {made.assumed}"
    )
    how = "blocks computed again" if trainer.activation_checkpointing else "activations kept"
    yield f"each of {first.gpus} GPUs, {trainer.strategy}, {trainer.precision}, {how}:"
    for what, size in made.rows.items():
        yield f"  {what:36}{_gigabytes(size)}"


def _time(config: TrainConfig, made: Tried, *, device: str, mfu: float) -> str:
    flops, peak = made.estimate.flops, PEAK_TFLOPS[device].get(config.trainer.precision)
    power, unit = next(each for each in _WORK if flops >= each[0] or each is _WORK[-1])
    work = f"a step: {flops / power:.3g} {unit} a rank"
    if peak is None:
        return f"{work}; no peak of {device} is known for {config.trainer.precision}"
    seconds = flops / (peak * 1e12 * mfu)
    return f"{work}, {seconds:.3g} s at {mfu:.0%} of the {peak:g} TFLOPS of {device}"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:8.2f} GB" if size >= 1e8 else f"{size / 1e6:8.2f} MB"
