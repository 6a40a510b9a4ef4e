"""How much of a clip somebody speaks in, by Silero VAD: a network of 0.3 million weights that its package brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from filters.base import Heard, SoundScorer
from filters.onnx.session import session
from preprocess.io.weights import MissingWeightsError

RATE = 16_000
FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
"""The network hears frames of 32 ms, each behind the end of the one before it."""
STATE_SHAPE = (1, 1, 128)
IS_SPEECH = 0.5
"""The probability from which on the package itself speaks of speech."""
_FILE = Path("data", "silero_vad_16k_sequence.onnx")


@dataclass(frozen=True)
class SpeechScorer(SoundScorer):
    """`speech`: share of frames of 32 ms with speech, near or far, in any language; singing is at times, too."""

    name: ClassVar[str] = "speech"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "speech": ("0-1", "share of the clip's time in which somebody speaks, by Silero VAD; null without sound")
    }
    timed: ClassVar[tuple[str, ...]] = ("speech",)
    libraries: ClassVar[tuple[str, ...]] = ("silero_vad",)
    costly: ClassVar[bool] = True

    def check(self) -> None:
        """See that the package is there.

        Raises:
            MissingWeightsError: it is not, or has no such network.
        """
        _network()

    def setup(self) -> None:
        """Load the network (1.2 MB)."""
        self._session  # noqa: B018 - loads it

    def score(self, heard: Heard) -> float | None:
        """All frames in one call. What is digitally silent needs no network; of what is no sample long, None."""
        if not heard.samples.any():
            return 0.0
        samples = heard.mono(RATE)
        if not len(samples):
            return None
        state = np.zeros(STATE_SHAPE, np.float32)
        (found,) = self._session.run(["speech_probs"], {"input": framed(samples), "h": state, "c": state})
        return float((found >= IS_SPEECH).mean())

    def close(self) -> None:
        """Let go of the network."""
        self.__dict__.pop("_session", None)

    @cached_property
    def _session(self) -> Any:
        """For one core: a worker runs on each."""
        return session(_network())


def framed(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(N, 576) of samples (n,): frames of 512, the last one filled with silence, each behind the 64 before it."""
    count = -(-len(samples) // FRAME_SAMPLES)
    padded = np.zeros(CONTEXT_SAMPLES + count * FRAME_SAMPLES, np.float32)
    padded[CONTEXT_SAMPLES : CONTEXT_SAMPLES + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + FRAME_SAMPLES)
    return np.ascontiguousarray(windows[::FRAME_SAMPLES])


def _network() -> str:
    """The file in the package, which is not imported: that would import torch."""
    spec = find_spec("silero_vad")
    folders = spec.submodule_search_locations if spec is not None else None
    paths = [Path(folder) / _FILE for folder in folders or ()]
    for path in paths:
        if path.is_file():
            return str(path)
    raise MissingWeightsError(
        f"Silero VAD is not installed, or has no {_FILE.name}: `pip install --no-deps 'silero-vad>=6.2.3'` brings it"
    )
